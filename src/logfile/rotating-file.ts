// SPDX-License-Identifier: Apache-2.0
// A log file that takes bytes from a pipe and rotates. Never more than limit × (copies + 1) bytes
// are on disk, at any instant: room is made before a byte is written. What the file system refuses
// stays in the pipe. What others do to the files is noticed and mended; see `#look`.

import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
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
import { type FileOnDisk, fileOf } from "./chain-on-disk.ts";
import { type AppendPlan, planAppend, planCut } from "./cut.ts";
import { type LogDirectory, openLog } from "./directory.ts";
import { type Refusal, refusalOf } from "./errors.ts";
import { bringUnderBound } from "./trim.ts";

/** A bound on the log: limit × (copies + 1) bytes. */
export interface LogBound {
  readonly limitBytes: number;
  readonly copies: number;
}

function boundBytes({ limitBytes, copies }: LogBound): number {
  return limitBytes * (copies + 1);
}

/** What somebody else has done to the files. */
export type Interference =
  /** The live file became shorter, or longer. */
  | "truncated"
  | "extended"
  /** The name has no file any more, or another one. */
  | "replaced"
  /** The directory has no name any more, or another one has it. */
  | "directory";

/**
 * Keeps account of which byte is where. `changing` comes before the files change and `changed` after
 * it; in between the log's end stays where it is, so that whoever is interrupted knows it again from
 * the live file's size.
 */
export interface ChainObserver {
  /** `foreignBytes` is what somebody else has put behind the end of `live`. */
  changing(live: FileOnDisk, foreignBytes: number): void;
  /** Before files above the limit are shortened to their last lines; `live` is the live file as it is. */
  trimming(live: FileOnDisk | undefined, limitBytes: number): void;
  /** What is kept of a file that is too long is in `fd`, and takes its name next. */
  shortened(fd: number): void;
  /** `copy` is what became of the live file before, if it was finished. */
  changed(live: FileOnDisk, copy: FileOnDisk | undefined): void;
  /** Somebody else has appended to the live file. */
  extended(live: FileOnDisk, foreignBytes: number): void;
  interfered(kind: Interference): void;
  /** Takes the descriptor of a finished file and closes it, now or later. */
  finished(fd: number): void;
}

export interface RotatingFileOptions extends LogBound {
  readonly directory: LogDirectory;
  readonly observer: ChainObserver;
}

/** `refusal` is why bytes stayed in the pipe. */
export interface Appended {
  readonly movedBytes: number;
  readonly refusal: Refusal | undefined;
}

interface Live extends FileOnDisk {
  readonly kind: "open";
  readonly fd: number;
  sizeBytes: number;
}

/** A change of the files that was refused half-way. */
type Unfinished =
  /** A rotation was refused half-way: the next append goes on with it. `copy` is now the newest. */
  | { readonly kind: "rotating"; readonly copy: FileOnDisk }
  /** The files are to be brought under a lower bound, with no more than that on the way. */
  | { readonly kind: "trimming"; readonly allowedBytes: number; readonly live: FileOnDisk }
  /** Somebody took the name from the file `copy`; its end was at `live`'s. */
  | { readonly kind: "replaced"; readonly live: FileOnDisk; readonly copy: FileOnDisk };

type State = Live | Unfinished | { readonly kind: "closed" };

/** How long a renamed or removed log may go on growing before it is noticed. */
const lookIntervalMs = 500;

export class RotatingFile {
  readonly #observer: ChainObserver;
  readonly #directory: LogDirectory;
  #bound: LogBound;
  #state: State;
  #lookedAtMs: number = performance.now();

  /**
   * Opens or makes the log and brings it under its bound. `live` is what is there under its name
   * now. Throws LogfileError or KernelError.
   */
  constructor(options: RotatingFileOptions, live: FileOnDisk | undefined) {
    const { directory, observer, limitBytes, copies } = options;
    this.#observer = observer;
    this.#directory = directory;
    this.#bound = { limitBytes, copies };
    observer.trimming(live, limitBytes);
    if (live !== undefined && live.sizeBytes > limitBytes) observer.changing(live, 0);
    this.#trim(Number.POSITIVE_INFINITY);
    const opened = this.#openLive();
    this.#state = opened;
    observer.changed(opened, undefined);
  }

  /** Moves `waitingBytes` bytes from the pipe into the log, rotating on the way. */
  append(pipeFd: number, waitingBytes: number): Appended {
    let movedBytes = 0;
    try {
      if (performance.now() - this.#lookedAtMs >= lookIntervalMs) this.look();
      while (movedBytes < waitingBytes) {
        const live = this.#live();
        const plan = this.#plan(live, pipeFd, waitingBytes - movedBytes);
        if (plan.kind === "rotate") {
          this.#rotate();
          continue;
        }
        const moved = splice(pipeFd, live.fd, plan.bytes);
        // A file that would block, or takes nothing, is on a file system with ideas of its own.
        if (moved === "wouldBlock" || moved === 0) throw new KernelError("splice", eio);
        live.sizeBytes += moved;
        movedBytes += moved;
      }
    } catch (error) {
      return { movedBytes, refusal: refusalOf(error) };
    }
    return { movedBytes, refusal: undefined };
  }

  /**
   * Writes a line of ours. `noting` is told where it will stand before it is written, and whether it
   * has to end somebody's line first; it gives the bytes. Throws KernelError or LogfileError.
   */
  insert(
    bytesMax: number,
    noting: (live: FileOnDisk, lineIs: "whole" | "cut") => Uint8Array,
  ): void {
    if (this.#live().sizeBytes + bytesMax > this.#bound.limitBytes) this.#rotate();
    const live = this.#live();
    const whole = live.sizeBytes === 0 || endsLine(live.fd, live.sizeBytes);
    const bytes = noting(live, whole ? "whole" : "cut");
    this.writeAt(live.sizeBytes, bytes);
  }

  /** Writes at a place of the live file, once more perhaps: what an interrupted `insert` began. */
  writeAt(position: number, bytes: Uint8Array): void {
    const live = this.#live();
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(live.fd, bytes, done, bytes.length - done, position + done);
      }
    } finally {
      live.sizeBytes = seekToEnd(live.fd);
    }
  }

  /** Takes back what an interrupted `insert` wrote from that place on. */
  cutBack(position: number): void {
    const live = this.#live();
    if (live.sizeBytes > position) ftruncateSync(live.fd, position);
    live.sizeBytes = seekToEnd(live.fd);
  }

  /** Applies another bound. Throws LogfileError or KernelError; the next append tries again then. */
  rebound(bound: LogBound): void {
    const live = this.#named();
    const before = this.#bound;
    const lowered = bound.limitBytes < before.limitBytes || bound.copies < before.copies;
    this.#bound = bound;
    if (!lowered) return;
    this.#observer.trimming(live, bound.limitBytes);
    this.#observer.changing(live, 0);
    this.#state = { kind: "trimming", allowedBytes: boundBytes(before), live: { ...live } };
    closeSync(live.fd);
    this.#live();
  }

  /** The live file; without a size between two steps of a change. */
  get live(): FileOnDisk | undefined {
    return this.#state.kind === "open" ? this.#state : undefined;
  }

  /** Its descriptor, if there is one now. */
  get fd(): number | undefined {
    return this.#state.kind === "open" ? this.#state.fd : undefined;
  }

  /** The live file, after what is left to be done. Throws LogfileError or KernelError. */
  settled(): FileOnDisk {
    return this.#live();
  }

  get bound(): LogBound {
    return this.#bound;
  }

  /**
   * Notices what others have done to names: a log that logrotate moved away, a file that was removed
   * or replaced, a directory that is another one now. What is in the pipe goes into the new file.
   */
  look(): void {
    this.#lookedAtMs = performance.now();
    const live = this.#live();
    if (this.#directory.reopen() === "moved") this.#takeName("directory");
    else if (!this.#hasName(live)) this.#takeName("replaced");
  }

  close(): void {
    if (this.#state.kind === "open") this.#observer.finished(this.#state.fd);
    this.#state = { kind: "closed" };
  }

  #plan(live: Live, pipeFd: number, waiting: number): AppendPlan {
    const plan = planAppend(live.sizeBytes, this.#bound.limitBytes, waiting);
    if (plan.kind !== "inspect") return plan;
    return planCut(peek(pipeFd, plan.bytes), () => endsLine(live.fd, live.sizeBytes));
  }

  /** The live file, of the size that we know, after whatever is left to be done. */
  #live(): Live {
    for (;;) {
      const state = this.#state;
      if (state.kind === "closed") throw new Error("append to a closed log");
      if (state.kind === "open") {
        const sizeBytes = seekToEnd(state.fd);
        if (sizeBytes === state.sizeBytes) return state;
        this.#resized(state, sizeBytes);
      } else {
        this.#goOn(state);
      }
    }
  }

  /** What is refused may be refused because the directory is not the one that has the name now. */
  #goOn(state: Unfinished): void {
    try {
      this.#finish(state);
    } catch (error) {
      const refusal = refusalOf(error);
      if (this.#directory.reopen() === "same") throw refusal;
      this.#observer.interfered("directory");
      // Its files went with it, and the log goes on behind their end.
      if (state.kind === "replaced") return;
      const before = state.kind === "rotating" ? state.copy : state.live;
      this.#state = { kind: "replaced", live: before, copy: before };
    }
  }

  #finish(state: Unfinished): void {
    switch (state.kind) {
      case "rotating":
        this.#performRotation();
        this.#adopt(state.copy, state.copy);
        break;
      case "trimming":
        this.#trim(state.allowedBytes);
        this.#state = this.#openLive();
        this.#observer.changed(this.#state, undefined);
        break;
      case "replaced":
        this.#trim(boundBytes(this.#bound));
        this.#adopt(state.live, state.copy);
        break;
    }
  }

  /** Takes the file that has the name now. What somebody has put into it comes after our end. */
  #adopt(end: FileOnDisk, copy: FileOnDisk): void {
    const live = this.#openLive();
    this.#observer.changing(end, live.sizeBytes);
    this.#state = live;
    this.#observer.changed(live, copy);
  }

  /** Somebody else has changed the live file. */
  #resized(live: Live, sizeBytes: number): void {
    const known = { ...live };
    if (sizeBytes > this.#bound.limitBytes) {
      this.#observer.interfered("extended");
      this.#observer.trimming(known, this.#bound.limitBytes);
      this.#observer.changing(known, sizeBytes - known.sizeBytes);
      this.#state = { kind: "trimming", allowedBytes: boundBytes(this.#bound), live: known };
      closeSync(live.fd);
    } else if (sizeBytes > known.sizeBytes) {
      this.#observer.interfered("extended");
      live.sizeBytes = sizeBytes;
      this.#observer.extended(live, sizeBytes - known.sizeBytes);
    } else {
      this.#observer.interfered("truncated");
      this.#observer.changing(known, 0);
      if (sizeBytes === 0) {
        live.sizeBytes = 0;
        this.#observer.changed(live, undefined);
      } else {
        // The rest of it keeps its place, so what comes now needs another file.
        this.#state = { kind: "rotating", copy: { ...known, sizeBytes } };
        this.#observer.finished(live.fd);
      }
    }
  }

  #rotate(): void {
    const live = this.#named();
    if (live.sizeBytes === 0) return;
    this.#observer.changing(live, 0);
    this.#state = { kind: "rotating", copy: { ...live } };
    this.#observer.finished(live.fd);
  }

  /** The live file under its name: what somebody else has put there is neither renamed nor shortened. */
  #named(): Live {
    if (!this.#hasName(this.#live())) this.#takeName("replaced");
    return this.#live();
  }

  #hasName(live: Live): boolean {
    const named = statAt(this.#directory.fd, this.#directory.name);
    return named?.ino === live.inode && named.nlink === 1;
  }

  /** Leaves the live file to whoever took its name, and goes on under that name. */
  #takeName(interference: Interference): void {
    const live = this.#live();
    this.#observer.interfered(interference);
    this.#state = { kind: "replaced", live: { ...live }, copy: { ...live } };
    this.#observer.finished(live.fd);
    this.#live();
  }

  #performRotation(): void {
    const { fd, name } = this.#directory;
    const exists = (index: number): boolean => statAt(fd, chainName(name, index)) !== undefined;
    for (const step of planRotation(name, this.#bound.copies, exists)) this.#perform(step);
  }

  #perform(step: RotationStep): void {
    switch (step.kind) {
      case "unlink":
        unlinkAt(this.#directory.fd, step.name);
        break;
      case "rename":
        renameAt(this.#directory.fd, step.from, step.to);
        break;
    }
  }

  /** What was there before we were may need room for a moment; ours never has more than its bound. */
  #trim(allowedBytes: number): void {
    bringUnderBound({
      directoryFd: this.#directory.fd,
      live: this.#directory.name,
      ...this.#bound,
      allowedBytes,
      onShortened: (fd) => this.#observer.shortened(fd),
    });
  }

  #openLive(): Live {
    const fd = openLog(this.#directory.fd, this.#directory.name);
    try {
      return { kind: "open", fd, ...fileOf(fstatSync(fd)), sizeBytes: seekToEnd(fd) };
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
