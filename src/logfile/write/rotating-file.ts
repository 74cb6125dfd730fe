// SPDX-License-Identifier: Apache-2.0
// A log file that takes bytes from a pipe and rotates. Never more than limit × (copies + 1) bytes
// are on disk, at any instant: room is made before a byte is written. What the file system refuses
// stays in the pipe.

import { readSync } from "node:fs";
import { constants } from "node:os";
import { KernelError, makePipe, splice, tee } from "../../kernel/index.ts";
import { type FileOnDisk, type Refusal, refusalOf } from "../files/index.ts";
import type { LogBound } from "./bound.ts";
import { type AppendPlan, planAppend, planCut } from "./cut.ts";
import type { LiveFile } from "./live-file.ts";
import { type FoundLog, LogFiles, type LogFilesOptions } from "./log-files.ts";

/** `refusal` is why bytes stayed in the pipe. */
export interface Appended {
  readonly movedBytes: number;
  readonly refusal: Refusal | undefined;
}

/** How long a renamed or removed log may go on growing before it is noticed. */
const lookIntervalMs = 500;

const eio = constants.errno.EIO;

export class RotatingFile {
  readonly #files: LogFiles;
  #lookedAtMs: number = performance.now();

  private constructor(files: LogFiles) {
    this.#files = files;
  }

  /** Opens or makes the log; see `LogFiles.open`. */
  static open(options: LogFilesOptions, found: FoundLog): RotatingFile {
    return new RotatingFile(LogFiles.open(options, found));
  }

  /** Moves `waitingBytes` bytes from the pipe into the log, rotating on the way. */
  append(pipeFd: number, waitingBytes: number): Appended {
    let movedBytes = 0;
    try {
      if (performance.now() - this.#lookedAtMs >= lookIntervalMs) this.look();
      while (movedBytes < waitingBytes) {
        const live = this.#files.live();
        const plan = this.#plan(live, pipeFd, waitingBytes - movedBytes);
        if (plan.kind === "rotate") {
          this.#files.rotate();
          continue;
        }
        const moved = splice(pipeFd, live.fd, plan.bytes);
        // Splice to a regular file must not return EAGAIN or 0: treat it as EIO.
        if (moved === "wouldBlock" || moved === 0) throw new KernelError("splice", eio);
        live.resized(live.sizeBytes + moved);
        movedBytes += moved;
      }
    } catch (error) {
      const refusal = refusalOf(error);
      this.#files.failed(refusal, (bytes) => bytes.equals(peek(pipeFd, bytes.length)));
      return { movedBytes, refusal };
    }
    return { movedBytes, refusal: undefined };
  }

  /**
   * Writes bytes that no writer sent. `noting` gets the file in which they will stand, at its end, and
   * whether they follow a part of a line, before they are written; it returns them. Throws KernelError
   * or LogfileError.
   */
  insert(
    bytesMax: number,
    noting: (live: FileOnDisk, lineIs: "whole" | "cut") => Uint8Array,
  ): void {
    this.#noticing(() => {
      if (this.#files.live().sizeBytes + bytesMax > this.bound.limitBytes) this.#files.rotate();
      const live = this.#files.live();
      const whole = live.sizeBytes === 0 || live.endsLine();
      const bytes = noting(live, whole ? "whole" : "cut");
      this.writeAt(live.sizeBytes, bytes);
    });
  }

  /** Writes at a position of the live file, perhaps again: what an interrupted `insert` began. */
  writeAt(position: number, bytes: Uint8Array): void {
    this.#noticing(() => this.#files.live().writeAt(position, bytes));
  }

  /** Takes back what an interrupted `insert` wrote from that position on. */
  cutBack(position: number): void {
    this.#noticing(() => this.#files.live().cutBack(position));
  }

  /** Applies another bound. Throws LogfileError or KernelError; the next append tries again then. */
  reconfigure(bound: LogBound): void {
    this.#noticing(() => this.#files.reconfigure(bound));
  }

  /** The live file; `undefined` between two steps of a change. */
  get live(): FileOnDisk | undefined {
    return this.#files.current;
  }

  /** Its descriptor, if there is one now. */
  get fd(): number | undefined {
    return this.#files.current?.fd;
  }

  /** The live file, after an interrupted change is finished. Throws LogfileError or KernelError. */
  finishedLive(): FileOnDisk {
    return this.#noticing(() => this.#files.live().known());
  }

  get bound(): LogBound {
    return this.#files.bound;
  }

  /** Looks at once what others have done to the files; see `LogFiles.look`. */
  look(): void {
    this.#lookedAtMs = performance.now();
    this.#noticing(() => this.#files.look());
  }

  close(): void {
    this.#files.close();
  }

  #noticing<T>(use: () => T): T {
    try {
      return use();
    } catch (error) {
      this.#files.failed(refusalOf(error), () => false);
      throw error;
    }
  }

  #plan(live: LiveFile, pipeFd: number, waiting: number): AppendPlan {
    const plan = planAppend(live.sizeBytes, this.bound.limitBytes, waiting);
    if (plan.kind !== "inspect") return plan;
    return planCut(peek(pipeFd, plan.bytes), () => live.endsLine());
  }
}

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
