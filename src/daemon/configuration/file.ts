// SPDX-License-Identifier: Apache-2.0
// Finds the configuration file and reads its text.

import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import { ConfigurationError } from "./errors.ts";

export interface ConfigurationFile {
  readonly path: string;
  /** The operator has named it, so it has to be there. */
  readonly named: boolean;
}

const hostConfigurationFile = "/etc/xen/xenlogd.toml";

/** Far more than any configuration; keeps a wrong path from filling the memory. */
const fileBytesMax = 1024 * 1024;

/** The file that a daemon reads: of its command line, its environment, or the host's own. */
export function findConfigurationFile(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  mode: "embedded" | "host",
): ConfigurationFile | undefined {
  const { XENLOGD_CONFIG: variable = "" } = environment;
  const named = option ?? (variable === "" ? undefined : variable);
  if (named !== undefined) return { path: resolve(named), named: true };
  return mode === "host" ? { path: hostConfigurationFile, named: false } : undefined;
}

/** `undefined` if the file is missing and was not named. Throws ConfigurationError. */
export function readText(file: ConfigurationFile): string | undefined {
  const bytes = readBytes(file);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigurationError([`${file.path}: it is not text in UTF-8`], error);
  }
}

function readBytes({ path, named }: ConfigurationFile): Uint8Array | undefined {
  try {
    const { size } = statSync(path);
    if (size <= fileBytesMax) return readFileSync(path);
    const reason = `it has ${size} bytes; it must have at most ${fileBytesMax}`;
    throw new ConfigurationError([`${path}: ${reason}`]);
  } catch (error) {
    const errno = errnoNameOf(error);
    if (errno === undefined) throw error;
    if (errno === "ENOENT" && !named) return undefined;
    throw new ConfigurationError([`${path}: it cannot be read: ${describeErrno(errno)}`], error);
  }
}
