// SPDX-License-Identifier: Apache-2.0
// A directory as a descriptor, and files beneath it. Nothing here follows a symbolic link or leaves
// the directory, whatever is renamed around it meanwhile.

import { closeSync, constants, fstatSync, readdirSync } from "node:fs";
import { errnoNameOf, O_PATH, openBeneath, openPath } from "../kernel/index.ts";
import { LogfileError } from "./errors.ts";

/**
 * Opens the directory that holds `relativePath` beneath the directory `root`. The caller closes
 * the descriptor.
 */
export function openParent(
  root: string,
  relativePath: string,
): { readonly directoryFd: number; readonly name: string } {
  const slash = relativePath.lastIndexOf("/");
  const name = relativePath.slice(slash + 1);
  const rootFd = openDirectory(root);
  if (slash < 0) return { directoryFd: rootFd, name };
  const parent = relativePath.slice(0, slash);
  try {
    return { directoryFd: openBeneath(rootFd, parent, O_PATH | constants.O_DIRECTORY), name };
  } catch (error) {
    throw new LogfileError("directory", `${root}/${parent}`, error);
  } finally {
    closeSync(rootFd);
  }
}

function openDirectory(path: string): number {
  try {
    return openPath(path, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    throw new LogfileError("directory", path, error);
  }
}

/** Names in the directory. */
export function listNames(directoryFd: number): readonly string[] {
  return readdirSync(`/proc/self/fd/${directoryFd}`);
}

const logFileMode = 0o600;

/**
 * Opens a log for appending by splice, making it if need be: a regular file with one name, or a
 * LogfileError. A second link would be a way to make us write elsewhere.
 */
export function openLog(directoryFd: number, name: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
  let fd: number;
  try {
    fd = openBeneath(directoryFd, name, flags, logFileMode);
  } catch (error) {
    // A FIFO, a device without a driver and a directory each have their own errno here.
    if (errnoNameOf(error) === "EISDIR" || errnoNameOf(error) === "ENXIO") {
      throw new LogfileError("notRegular", name, error);
    }
    throw new LogfileError("open", name, error);
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.nlink === 1) return fd;
  closeSync(fd);
  throw new LogfileError(stat.isFile() ? "linked" : "notRegular", name);
}
