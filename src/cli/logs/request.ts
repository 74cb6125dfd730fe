// SPDX-License-Identifier: Apache-2.0
// The request that `run` and `create` make of the toolstack library, from the values of the options.

import { join } from "node:path";
import { type Domid, hostName, logFileName } from "../../contract/index.ts";
import type { Places } from "../../places/index.ts";
import type { CreateLogfileOptions } from "../../toolstack/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";
import type { LogChoice } from "./log-options.ts";
import { nameOf, type Owner } from "./owner.ts";

/** The options of createLogfile() but for how it waits. */
export function logRequest(
  xenstore: XenstoreClient,
  places: Places,
  choice: LogChoice,
  owner: Owner,
): CreateLogfileOptions {
  const { log, limitBytes, copies, overflow } = choice;
  const { fifoDirectory } = places;
  // Without --file: the daemon's own log directory and the usual name.
  const usual = join(places.ownLogDirectory, logFileName(nameOf(owner) ?? hostName, log));
  const file = choice.file ?? usual;
  return {
    xenstore,
    ...ownerOption(owner),
    fifoDirectory,
    log,
    file,
    limitBytes,
    copies,
    overflow,
  };
}

function ownerOption(
  owner: Owner,
): { readonly global: true } | { readonly domid: Domid; readonly name: string } {
  return owner.kind === "host" ? { global: true } : { domid: owner.domid, name: owner.name };
}
