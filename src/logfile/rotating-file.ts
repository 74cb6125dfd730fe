// SPDX-License-Identifier: Apache-2.0
// A log file that takes bytes from a pipe and rotates. Never more than limit × (copies + 1) bytes
// are on disk, at any instant: room is made before a byte is written. What the file system refuses
// stays in the pipe.

import { closeSync, fstatSync, readSync } from "node:fs";
import { constants } from "node:os";
import {
  KernelError,
  makePipe,
  renameAt,
  seekToEnd,
  splice,
  statAt,
  tee,
  unlinkAt,
} from "../kernel/index.ts";
import { chainName, planRotation, type RotationStep } from "./chain.ts";
import { type AppendPlan, planAppend, planCut } from "./cut.ts";
import { openLog, openParent } from "./directory.ts";
import { LogfileError } from "./errors.ts";
import { bringUnderBound } from "./trim.ts";

export interface LogLocation {
  /** Directory that no log leaves, absolute. */
  readonly root: string;
  /** The log's path below it. */
  readonly relativePath: string;
}

export interface RotatingFileOptions extends LogLocation {
  readonly limitBytes: number;
  readonly copies: number;
  /** Told before the live file becomes a copy, and after its successor was made. */
  readonly onRotating?: (live: LiveFile) => void;
  readonly onRotated?: (live: LiveFile) => void;
}

/** The live file as the kernel knows it. */
export interface LiveFile {
  readonly inode: number;
  readonly sizeBytes: number;
}

/** `refusal` is why bytes stayed in the pipe. */
export interface Appended {
  readonly movedBytes: number;
  readonly refusal: KernelError | LogfileError | undefined;
}

type State =
  | { readonly kind: "open"; readonly fd: number; readonly inode: number; sizeBytes: number }
  /** A rotation was refused half-way: the next append goes on with it. */
  | { readonly kind: "rotating" }
  | { readonly kind: "closed" };

export class RotatingFile {
  readonly #options: RotatingFileOptions;
  readonly #directoryFd: number;
  readonly #name: string;
  #state: State;

  private constructor(options: RotatingFileOptions, directoryFd: number, name: string) {
    this.#options = options;
    this.#directoryFd = directoryFd;
    this.#name = name;
    bringUnderBound(directoryFd, name, options.limitBytes, options.copies);
    this.#state = this.#openLive();
  }

  /** Opens or makes the log and brings it under its bound. Throws LogfileError. */
  static open(options: RotatingFileOptions): RotatingFile {
    const { directoryFd, name } = openParent(options.root, options.relativePath);
    try {
      return new RotatingFile(options, directoryFd, name);
    } catch (error) {
      closeSync(directoryFd);
      throw error;
    }
  }

  /** Moves `waitingBytes` bytes from the pipe into the log, rotating on the way. */
  append(pipeFd: number, waitingBytes: number): Appended {
    let movedBytes = 0;
    try {
      while (movedBytes < waitingBytes) {
        const live = this.#live();
        const plan = this.#plan(live, pipeFd, waitingBytes - movedBytes);
        if (plan.kind === "rotate") {
          this.#rotate(live);
          continue;
        }
        const moved = splice(pipeFd, live.fd, plan.bytes);
        // A file that would block, or takes nothing, is on a file system with ideas of its own.
        if (moved === "wouldBlock" || moved === 0) throw new KernelError("splice", eio);
        live.sizeBytes += moved;
        movedBytes += moved;
      }
    } catch (error) {
      if (!(error instanceof KernelError || error instanceof LogfileError)) throw error;
      return { movedBytes, refusal: error };
    }
    return { movedBytes, refusal: undefined };
  }

  /** The live file; size 0 and inode 0 between two steps of a rotation. */
  get live(): LiveFile {
    return this.#state.kind === "open" ? this.#state : { inode: 0, sizeBytes: 0 };
  }

  /** Sizes of the copies that exist, newest first. Looks at the directory. */
  copySizes(): readonly number[] {
    const sizes: number[] = [];
    for (let index = 1; index <= this.#options.copies; index += 1) {
      const stat = statAt(this.#directoryFd, chainName(this.#name, index));
      if (stat === undefined) break;
      sizes.push(stat.size);
    }
    return sizes;
  }

  close(): void {
    if (this.#state.kind === "closed") return;
    if (this.#state.kind === "open") closeSync(this.#state.fd);
    this.#state = { kind: "closed" };
    closeSync(this.#directoryFd);
  }

  #plan(live: LiveFile & { readonly fd: number }, pipeFd: number, waiting: number): AppendPlan {
    const plan = planAppend(live.sizeBytes, this.#options.limitBytes, waiting);
    if (plan.kind !== "inspect") return plan;
    return planCut(peek(pipeFd, plan.bytes), () => endsLine(live.fd, live.sizeBytes));
  }

  #live(): Extract<State, { kind: "open" }> {
    if (this.#state.kind === "closed") throw new Error("append to a closed log");
    if (this.#state.kind === "rotating") {
      this.#performRotation();
      const live = this.#openLive();
      if (live.sizeBytes >= this.#options.limitBytes) {
        closeSync(live.fd);
        throw new LogfileError("occupied", this.#name);
      }
      this.#state = live;
      this.#options.onRotated?.(live);
    }
    return this.#state;
  }

  #rotate(live: Extract<State, { kind: "open" }>): void {
    this.#options.onRotating?.(live);
    this.#state = { kind: "rotating" };
    closeSync(live.fd);
  }

  #performRotation(): void {
    const exists = (index: number): boolean =>
      statAt(this.#directoryFd, chainName(this.#name, index)) !== undefined;
    for (const step of planRotation(this.#name, this.#options.copies, exists)) this.#perform(step);
  }

  #perform(step: RotationStep): void {
    switch (step.kind) {
      case "unlink":
        unlinkAt(this.#directoryFd, step.name);
        break;
      case "rename":
        renameAt(this.#directoryFd, step.from, step.to);
        break;
    }
  }

  #openLive(): Extract<State, { kind: "open" }> {
    const fd = openLog(this.#directoryFd, this.#name);
    try {
      return { kind: "open", fd, inode: fstatSync(fd).ino, sizeBytes: seekToEnd(fd) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

const eio = constants.errno.EIO;

// Empty but for the length of a `peek`, so one serves all logs of the process.
let scratch: ReturnType<typeof makePipe> | undefined;

/** The next bytes of a pipe, `bytesMax` ≤ 4096 or fewer, without consuming them. */
function peek(pipeFd: number, bytesMax: number): Uint8Array {
  scratch ??= makePipe();
  const copied = tee(pipeFd, scratch.writeFd, bytesMax);
  const head = Buffer.allocUnsafe(copied === "wouldBlock" ? 0 : copied);
  for (let done = 0; done < head.length; ) {
    done += readSync(scratch.readFd, head, done, head.length - done, null);
  }
  return head;
}

function endsLine(fd: number, sizeBytes: number): boolean {
  const last = Buffer.alloc(1);
  return sizeBytes > 0 && readSync(fd, last, 0, 1, sizeBytes - 1) === 1 && last[0] === 0x0a;
}
