// SPDX-License-Identifier: Apache-2.0
// Which system calls change something, and what a human calls them. What is not known here counts
// as a change, so that a call which the product begins to use tomorrow is a crash point by itself.

import { readlinkSync } from "node:fs";
import { basename } from "node:path";

export type Call = (...args: readonly unknown[]) => unknown;

/** A stable name for a path, or for `pipe:[inode]`; `as` says how it was come by. */
export type NameOf = (path: string, as: "path" | "descriptor") => string;

export interface KnownCall {
  /** The crash point's name, `undefined` when these arguments change nothing. */
  readonly point: (args: readonly unknown[]) => string | undefined;
  /** Descriptors that a successful call has opened. */
  readonly opens?: (result: unknown, args: readonly unknown[]) => readonly number[];
  /** The same call about half of the bytes. */
  readonly half?: (args: readonly unknown[]) => readonly unknown[];
}

// include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h, include/uapi/asm-generic/ioctls.h
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const F_GETPIPE_SZ = 1032;
const FIONREAD = 0x541b;

const looks = new Set([
  "accessSync",
  "existsSync",
  "fstatSync",
  "lstatSync",
  "readSync",
  "readdirSync",
  "readFileSync",
  "readlinkSync",
  "realpathSync",
  "statSync",
  "statfsSync",
]);

/** The calls by the name of the function that makes them. */
export class Calls {
  readonly #nameOf: NameOf;
  /** Pipes that the product made for itself, by inode's link. */
  readonly #scratch: Set<string> = new Set();

  constructor(nameOf: NameOf) {
    this.#nameOf = nameOf;
  }

  /** A function of `src/kernel/library.ts`. */
  ofLibrary(name: string): KnownCall {
    const opened = (result: unknown): readonly number[] =>
      Number(result) >= 0 ? [Number(result)] : [];
    switch (name) {
      case "libcOpen":
        return { point: ([path, flags]) => this.#open(path, Number(flags)), opens: opened };
      case "libcSyscallOpenat2":
        return {
          point: ([, , path, how]) =>
            this.#open(path, Number((how as Buffer).readBigUInt64LE(0) & 0xffff_ffffn)),
          opens: opened,
        };
      case "libcSyscallPidfdOpen":
        return { point: () => undefined, opens: opened };
      case "libcMmap":
        return { point: () => undefined };
      case "libcPipe2":
        return { point: () => undefined, opens: (_, [fds]) => fds as readonly number[] };
      case "libcSplice":
        return {
          point: ([from, , to]) => `splice ${this.subject(from)} -> ${this.subject(to)}`,
          half: ([from, fromAt, to, toAt, length, flags]) => [
            ...[from, fromAt, to, toAt, halfOf(length), flags],
          ],
        };
      case "libcTee":
        return { point: ([from, to]) => `tee ${this.subject(from)} -> ${this.subject(to)}` };
      case "libcRenameat":
        return { point: ([, from, , to]) => this.#rename(from, to) };
      case "libcUnlinkat":
        return { point: ([, path]) => `unlink ${this.subject(path)}` };
      case "libcFcntl":
        return {
          point: ([fd, command]) =>
            command === F_GETPIPE_SZ ? undefined : `fcntl ${this.subject(fd)}`,
        };
      case "libcIoctlOutInt":
        return {
          point: ([fd, request]) =>
            request === FIONREAD ? undefined : `ioctl ${this.subject(fd)}`,
        };
      default: {
        const call = name.replace(/^libc(Syscall)?/, "").toLowerCase();
        return { point: ([first]) => `${call} ${this.subject(first)}` };
      }
    }
  }

  /** A function of `node:fs`. */
  ofFs(name: string): KnownCall {
    if (looks.has(name)) return { point: () => undefined };
    switch (name) {
      case "openSync":
        return {
          point: ([path, flags]) => this.#open(path, flags),
          opens: (fd) => [Number(fd)],
        };
      case "renameSync":
        return { point: ([from, to]) => this.#rename(from, to) };
      case "writeSync":
        return {
          point: ([fd]) => `write ${this.subject(fd)}`,
          half: ([fd, bytes, offset = 0, length, position]) => {
            const all = length ?? (bytes as Uint8Array).length - Number(offset);
            return [fd, bytes, offset, halfOf(all), position];
          },
        };
      default: {
        const call = name.replace(/Sync$/, "");
        return {
          point: ([first]) => {
            if (call !== name) return `${call} ${this.subject(first)}`;
            throw new Error(`a crash cannot be told from a late end of fs.${name}: it is async`);
          },
        };
      }
    }
  }

  /** Notes a pipe that the product made for itself. */
  addScratch(fd: number): void {
    this.#scratch.add(readlinkSync(`/proc/self/fd/${fd}`));
  }

  /** What a descriptor or a path is about. */
  subject(what: unknown): string {
    if (typeof what !== "number") return this.#nameOf(String(what), "path");
    const link = readlinkSync(`/proc/self/fd/${what}`);
    return this.#scratch.has(link) ? "scratch" : this.#nameOf(link, "descriptor");
  }

  #open(path: unknown, flags: unknown): string | undefined {
    const changes =
      typeof flags === "number" ? (flags & (O_CREAT | O_TRUNC)) !== 0 : !/^r/.test(String(flags));
    return changes ? `open ${this.subject(path)} create` : undefined;
  }

  #rename(from: unknown, to: unknown): string {
    return `rename ${this.subject(from)} -> ${this.subject(to)}`;
  }
}

/** The name of a file that is called after nothing but itself. */
export function fileName(path: string): string {
  return basename(path.replace(/ \(deleted\)$/, ""));
}

function halfOf(length: unknown): number {
  return Math.max(1, Number(length) >> 1);
}
