// SPDX-License-Identifier: Apache-2.0
// The system calls of the product in this process, each reported before and after it is made. To be
// called before a module of src/ is loaded: such modules are imported dynamically after it.

import * as fs from "node:fs";
import { readFileSync, readlinkSync } from "node:fs";
import * as library from "../../src/kernel/library.ts";
import { replaceSystemCalls } from "./crash/hooks.ts";

export interface SystemCall {
  /** As strace calls it: `openat2`, `renameat`, `splice`, `fdatasync`. */
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface Observer {
  before?: ((call: SystemCall) => void) | undefined;
  after?: ((call: SystemCall, result: unknown) => void) | undefined;
}

/** Puts the observer under the product. Set its functions when the interesting part begins. */
export function observeSystemCalls(): Observer {
  const observer: Observer = {};
  const wrap = (module: object): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(module).map(([name, value]) => [
        name,
        typeof value === "function" && /^[a-z]/.test(name) && name !== "lastErrno"
          ? observed(observer, nameOf(name), value as (...args: unknown[]) => unknown)
          : value,
      ]),
    );
  replaceSystemCalls({ fs: wrap(fs), library: wrap(library) });
  return observer;
}

function observed(observer: Observer, name: string, call: (...args: unknown[]) => unknown) {
  const caller = (...args: unknown[]): unknown => {
    observer.before?.({ name, args });
    const result = call(...args);
    observer.after?.({ name, args }, result);
    return result;
  };
  // Such as `native` of realpathSync.
  return Object.assign(caller, call);
}

function nameOf(name: string): string {
  return name
    .replace(/^libc(Syscall)?/, "")
    .replace(/Sync$/, "")
    .toLowerCase();
}

/** What a descriptor of this process leads to, such as a path or `pipe:[inode]`. */
export function pathOf(fd: unknown): string {
  try {
    return readlinkSync(`/proc/self/fd/${Number(fd)}`);
  } catch {
    return "";
  }
}

// include/uapi/asm-generic/fcntl.h
const O_PATH = 0o10000000;

/** Whether a descriptor can be read from: one that was opened O_PATH keeps no FIFO open. */
export function isReadingEnd(fd: unknown): boolean {
  const info = readFileSync(`/proc/self/fdinfo/${Number(fd)}`, "latin1");
  const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? "", 8);
  return (flags & O_PATH) === 0;
}
