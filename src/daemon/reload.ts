// SPDX-License-Identifier: Apache-2.0
// Reads the configuration again and reopens log files that were moved: SIGHUP, `xenlog reload`.

import type { ReloadOutcome } from "../control/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import { ConfigurationError, type LiveConfiguration } from "./configuration/index.ts";
import type { Pumps } from "./pumps/index.ts";

export interface ReloadOptions {
  readonly configuration: LiveConfiguration;
  readonly pumps: Pumps;
  readonly emit: EmitEvent;
  /** Where the configuration file is, or may be; `null` without one. */
  readonly path: string | null;
}

export function reload({ configuration, pumps, emit, path }: ReloadOptions): ReloadOutcome {
  const outcome = reloadConfiguration(configuration);
  if (outcome.kind === "reloaded") {
    emit({ kind: "ConfigurationReloaded", path: configuration.path });
    pumps.configure();
  } else {
    emit({ kind: "ConfigurationRefused", path, reason: outcome.reason });
  }
  // Also with a wrong configuration: logrotate may have moved the files.
  pumps.reopen();
  return outcome;
}

function reloadConfiguration(configuration: LiveConfiguration): ReloadOutcome {
  try {
    configuration.reload();
    return { kind: "reloaded" };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return { kind: "refused", reason: error.message };
  }
}
