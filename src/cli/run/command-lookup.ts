// SPDX-License-Identifier: Apache-2.0
// Finds COMMAND as execvp(3) would, before a daemon or a log is made for it.

import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";
import { CliError } from "../invocation/index.ts";

/** What execvp(3) searches when there is no PATH (confstr _CS_PATH of glibc). */
const pathByDefault = "/bin:/usr/bin";

/**
 * The file that would be executed; throws CliError `commandNotFound` or `commandNotExecutable`.
 * `directory` is where relative names start.
 */
export function findCommand(command: string, path: string | undefined, directory: string): string {
  const candidates = command.includes("/")
    ? [command]
    : (path ?? pathByDefault).split(":").map((part) => `${part === "" ? "." : part}/${command}`);
  let denied: string | undefined;
  for (const candidate of command === "" ? [] : candidates) {
    const file = resolve(directory, candidate);
    const fault = faultOf(file);
    if (fault === undefined) return file;
    // A later directory of PATH may have a file that can be executed.
    if (fault !== "missing") denied ??= fault;
  }
  if (denied === undefined) {
    throw new CliError("commandNotFound", `${command}: command not found`);
  }
  throw new CliError("commandNotExecutable", `${command}: cannot execute: ${denied}`);
}

function faultOf(file: string): string | undefined {
  const found = statOf(file);
  if (found === undefined) return "missing";
  if (found.isDirectory()) return "it is a directory";
  try {
    accessSync(file, constants.X_OK);
    return undefined;
  } catch {
    return "permission denied";
  }
}

function statOf(file: string): ReturnType<typeof statSync> | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}
