// SPDX-License-Identifier: Apache-2.0
// kill -9 at every system call, inside one process. The modules of src/pump, src/logfile and
// src/kernel get their system calls from here, put in place when they are loaded (hooks.ts); the
// product knows nothing of it. A call that changes something is a crash point: there the "process"
// dies, before the call or after it, and from then on no call of the product does anything but close().
//
// What it cannot show: a call that the kernel leaves half done, but for `short`; and state that a
// module keeps from one process to the next. The pipe that a rotating file looks into is emptied.

import * as fs from "node:fs";
import koffi from "koffi";
import * as library from "../../../src/kernel/library.ts";
import { type Call, Calls, type KnownCall, type NameOf } from "./calls.ts";
import { replaceSystemCalls } from "./hooks.ts";

/** What a dead process throws. Not an Error, so that the product cannot take it for one of its own. */
class Killed {
  readonly point: string;

  constructor(point: string) {
    this.point = point;
  }
}

export interface Kill {
  /** Which crash point of the run, from 0, or the first with that name. A run without it finishes. */
  readonly at: number | string;
  /** `short`: in the middle of a call that has moved half of its bytes; after one that moves none. */
  readonly when: "before" | "after" | "short";
}

export interface Run {
  readonly outcome: "killed" | "finished";
  /** All that were come to, in order; where it was killed is the last. */
  readonly points: readonly string[];
  /** What a process that finished had not closed. */
  readonly leftOpen: readonly string[];
}

/** Told of each crash point before the call is made; what it throws fails the run. */
export type Watch = (point: string) => void;

const munmap = koffi.load(null).func("int munmap(void *address, size_t length)");

/** One process, from its start to its end. */
interface Process {
  readonly kill: Kill | undefined;
  readonly watch: Watch;
  readonly points: string[];
  readonly descriptors: Set<number>;
  readonly timers: (() => void)[];
  /** Memory that it shares with files: what of it the kernel would take back. */
  readonly mappings: { readonly pointer: unknown; readonly bytes: unknown }[];
  life:
    | { readonly kind: "running" }
    | { readonly kind: "killed" }
    | { readonly kind: "failed"; readonly error: unknown };
}

export interface CrashPointsOptions {
  readonly nameOf: NameOf;
  /** Whether the kernel may leave that call half done; a page of tmpfs, for one, is whole or absent. */
  readonly isDivisible: (point: string) => boolean;
}

export class CrashPoints {
  readonly #options: CrashPointsOptions;
  readonly #calls: Calls;
  /** Reading ends of pipes that the product made for itself and keeps in a module. */
  readonly #scratch: Set<number> = new Set();
  #process: Process | undefined;

  constructor(options: CrashPointsOptions) {
    this.#options = options;
    this.#calls = new Calls(options.nameOf);
  }

  /** Runs `body` as one process. It must not wait for anything. */
  run(kill: Kill | undefined, body: () => void, watch: Watch = () => {}): Run {
    const process: Process = {
      kill,
      watch,
      points: [],
      descriptors: new Set(),
      timers: [],
      mappings: [],
      life: { kind: "running" },
    };
    const restoreTimers = collectTimers(process.timers);
    this.#process = process;
    try {
      body();
    } catch (error) {
      // What the product makes of its own death is of no interest.
      if (process.life.kind === "running") process.life = { kind: "failed", error };
    } finally {
      this.#process = undefined;
      restoreTimers();
    }
    const leftOpen = [...process.descriptors].map((fd) => this.#calls.subject(fd));
    this.#end(process);
    if (process.life.kind === "failed") throw process.life.error;
    return process.life.kind === "killed"
      ? { outcome: "killed", points: process.points, leftOpen: [] }
      : { outcome: "finished", points: process.points, leftOpen };
  }

  /** The functions of a module as the product gets them. */
  wrap(module: "library" | "fs"): Record<string, unknown> {
    const [real, known] =
      module === "fs"
        ? [fs, (name: string) => this.#calls.ofFs(name)]
        : [library, (name: string) => this.#calls.ofLibrary(name)];
    return Object.fromEntries(
      Object.entries(real).map(([name, value]) => [
        name,
        typeof value === "function" && isCall(name)
          ? this.#wrapCall(name, value as Call, known(name))
          : value,
      ]),
    );
  }

  #wrapCall(name: string, call: Call, known: KnownCall): Call {
    if (name === "closeSync") return (...args) => this.#close(call, args);
    if (name === "pollReadable") return (...args) => this.#poll(call, args);
    return (...args) => {
      const process = this.#process;
      if (process === undefined) return call(...args);
      if (process.life.kind !== "running") throw new Killed(name);
      const point = known.point(args);
      if (point === undefined) return this.#make(process, call, known, args);
      this.#watch(process, point);
      const index = process.points.push(point) - 1;
      const { kill } = process;
      if (kill?.at === index || kill?.at === point) {
        return this.#die(process, kill.when, point, call, known, args);
      }
      return this.#make(process, call, known, args);
    };
  }

  #watch(process: Process, point: string): void {
    try {
      process.watch(point);
    } catch (error) {
      process.life = { kind: "failed", error };
      throw new Killed(point);
    }
  }

  #make(process: Process, call: Call, known: KnownCall, args: readonly unknown[]): unknown {
    const result = call(...args);
    if (call === library.libcMmap) process.mappings.push({ pointer: result, bytes: args[1] });
    const opened = known.opens?.(result, args) ?? [];
    if (call === library.libcPipe2) {
      const [readFd, writeFd] = opened as [number, number];
      this.#calls.addScratch(readFd);
      this.#scratch.add(readFd).add(writeFd);
    } else {
      for (const fd of opened) process.descriptors.add(fd);
    }
    return result;
  }

  #die(
    process: Process,
    when: Kill["when"],
    point: string,
    call: Call,
    known: KnownCall,
    args: readonly unknown[],
  ): never {
    if (when === "short" && known.half !== undefined && this.#options.isDivisible(point)) {
      call(...known.half(args));
    } else if (when !== "before") {
      this.#make(process, call, known, args);
    }
    process.life = { kind: "killed" };
    throw new Killed(point);
  }

  /** A dead process closes its descriptors too. */
  #close(call: Call, args: readonly unknown[]): unknown {
    const fd = Number(args[0]);
    this.#process?.descriptors.delete(fd);
    this.#scratch.delete(fd);
    return call(...args);
  }

  /** The event loop does not turn while a process runs here. */
  #poll(call: Call, args: readonly unknown[]): unknown {
    if (this.#process === undefined) return call(...args);
    if (this.#process.life.kind !== "running") throw new Killed("poll");
    return { stop: () => {}, close: () => {} };
  }

  #end(process: Process): void {
    for (const clear of process.timers) clear();
    for (const fd of process.descriptors) {
      fs.closeSync(fd);
    }
    for (const { pointer, bytes } of process.mappings) munmap(pointer, bytes);
    for (const fd of this.#scratch) drain(fd);
  }
}

let installed: CrashPoints | undefined;

/** To be called before a module of src/pump, src/logfile or src/kernel is loaded; once a process. */
export function installCrashPoints(options: CrashPointsOptions): CrashPoints {
  if (installed !== undefined) throw new Error("the crash points are installed already");
  installed = new CrashPoints(options);
  replaceSystemCalls({ fs: installed.wrap("fs"), library: installed.wrap("library") });
  return installed;
}

function isCall(name: string): boolean {
  return /^[a-z]/.test(name) && name !== "lastErrno";
}

/** Empties a pipe; both of its ends may be given. */
function drain(fd: number): void {
  const waiting = [0];
  library.libcIoctlOutInt(fd, 0x541b, waiting);
  const [bytes = 0] = waiting;
  if (bytes > 0) fs.readSync(fd, Buffer.alloc(bytes));
}

/** Timers go with their process, whatever it was about to do with them. */
function collectTimers(clears: (() => void)[]): () => void {
  const { setTimeout: timeout, setImmediate: immediate } = globalThis;
  globalThis.setTimeout = ((...args: Parameters<typeof timeout>) => {
    const timer = timeout(...args);
    clears.push(() => clearTimeout(timer));
    return timer;
  }) as typeof timeout;
  globalThis.setImmediate = ((...args: Parameters<typeof immediate>) => {
    const timer = immediate(...args);
    clears.push(() => clearImmediate(timer));
    return timer;
  }) as typeof immediate;
  return () => {
    globalThis.setTimeout = timeout;
    globalThis.setImmediate = immediate;
  };
}
