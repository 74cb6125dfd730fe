// SPDX-License-Identifier: Apache-2.0
// Lines on a descriptor that may fail at any time: a full disk, a closed terminal, a reader that is
// gone, or that does not read. A line that cannot be written is lost and counted. Nothing else happens,
// and when lines can be written again the first one says how many were lost. For a reader that is only
// slow some lines are kept.

import { writeSync } from "node:fs";
import { RetryTimer } from "./retry.ts";
import { openWithoutWaiting, waitABit } from "./without-waiting.ts";

export interface LineOutputOptions {
  /** Not closed, and not made non-blocking: others may share it. */
  readonly fd: number;
  /** False while a write would block: for what cannot be opened again without waiting. */
  readonly isReady?: (fd: number) => boolean;
  /** Waits for a reader that does not read, until `stopWaiting` is called. */
  readonly waits?: true;
  /** So many bytes of lines are kept while a reader does not read; none by default. */
  readonly keptBytesMax?: number;
  /** The line, with its newline, that reports a loss. `reason` is an errno's name. */
  readonly lossLine: (lines: number, reason: string) => string;
}

/** What a pipe that is ready takes without blocking: PIPE_BUF of pipe(7). */
const chunkBytesMax = 4096;
/** How soon a loss is reported after the trouble is over. */
const backoff = { firstMs: 100, maxMs: 2000 };

export class LineOutput {
  readonly #options: LineOutputOptions;
  #fd: number;
  #waits: boolean;
  readonly #retry: RetryTimer = new RetryTimer({
    backoff,
    attempt: () => this.#recover(),
    unref: true,
  });
  /** Of a line that was written in part, and lines that are kept. */
  #rest: Uint8Array = Buffer.alloc(0);
  #lostLines = 0;
  #reportedLines = 0;
  #reason = "";

  constructor(options: LineOutputOptions) {
    this.#options = options;
    this.#waits = options.waits === true;
    this.#fd = this.#waits ? options.fd : openWithoutWaiting(options.fd);
  }

  /** From now on a line that a reader does not take is lost. */
  stopWaiting(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#fd = openWithoutWaiting(this.#options.fd);
  }

  /** Lines lost so far, reported or not. */
  get lostLines(): number {
    return this.#lostLines;
  }

  /** Writes the line, with its newline, or counts it. Never throws; waits only with `waits`. */
  write(line: string): void {
    if (this.#catchUp() && this.#put(line)) return;
    if (!this.#keep(line)) this.#lostLines += 1;
    this.#retry.again();
  }

  /** Not after lines that were lost: what is read is in order. */
  #keep(line: string): boolean {
    const { keptBytesMax = 0 } = this.#options;
    if (this.#reason !== "EAGAIN" || this.#lostLines > this.#reportedLines) return false;
    const bytes = Buffer.from(line);
    if (this.#rest.byteLength + bytes.byteLength > keptBytesMax) return false;
    this.#rest = Buffer.concat([this.#rest, bytes]);
    return true;
  }

  #recover(): void {
    const { byteLength } = this.#rest;
    const isDone = this.#catchUp();
    // A reader that reads again is soon ready for more.
    if (isDone || this.#rest.byteLength < byteLength) this.#retry.succeeded();
    if (!isDone) this.#retry.again();
  }

  /** Writes what has to come before the next line; true if nothing is left. */
  #catchUp(): boolean {
    if (!this.#finish()) return false;
    const lines = this.#lostLines - this.#reportedLines;
    if (lines === 0) return true;
    if (!this.#put(this.#options.lossLine(lines, this.#reason))) return false;
    this.#reportedLines += lines;
    return this.#finish();
  }

  /** False if no byte of the line was written: the rest of one that has begun is kept. */
  #put(line: string): boolean {
    const bytes = Buffer.from(line);
    this.#rest = bytes;
    if (this.#finish()) return true;
    if (this.#rest.byteLength < bytes.byteLength) {
      this.#retry.again();
      return true;
    }
    this.#rest = Buffer.alloc(0);
    return false;
  }

  #finish(): boolean {
    while (this.#rest.byteLength > 0) {
      const written = this.#writeSome();
      this.#rest = this.#rest.subarray(written);
      if (written > 0) continue;
      if (!this.#waits || this.#reason !== "EAGAIN") return false;
      waitABit();
    }
    return true;
  }

  /** How many bytes were written; 0 has its `#reason`. */
  #writeSome(): number {
    this.#reason = "EAGAIN";
    if (!this.#waits && this.#options.isReady?.(this.#fd) === false) return 0;
    try {
      const chunk = Math.min(this.#rest.byteLength, chunkBytesMax);
      return writeSync(this.#fd, this.#rest, 0, chunk);
    } catch (error) {
      this.#reason = (error as NodeJS.ErrnoException).code ?? "EIO";
      return 0;
    }
  }
}
