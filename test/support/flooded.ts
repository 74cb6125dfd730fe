// SPDX-License-Identifier: Apache-2.0
// A stream that is flooded with the numbered lines, and a witness of every byte: what the log holds,
// what the daemon says is lost, and what write(2) has accepted must come to the same.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { bytesReadable, errnoNameOf } from "../../src/kernel/index.ts";
import { readIndex } from "../../src/logfile/index/side-file.ts";
import { LogReader } from "../../src/logfile/index.ts";
import { createLogfile, introduceDomain, type LogfileHandle } from "../../src/toolstack/index.ts";
import { chainOf, chainSizes } from "./chain.ts";
import type { TestDaemon } from "./daemon.ts";
import { numberedBytes } from "./numbered.ts";
import { compileC } from "./programs.ts";
import { waitFor } from "./wait.ts";

const flood = await compileC("test/support/programs/flood.c");
const verify = await compileC("test/support/programs/verify.c");

/** Reason to skip a test that floods. */
export const noFlood: string | false = !flood.found ? flood.reason : !verify.found && verify.reason;

/** What the writer gives to one write(): what it has not counted yet when it is stopped. */
const writeBytes = 65_536;

export interface FloodedOptions {
  readonly name: string;
  readonly limitBytes: number;
  readonly copies: number;
  /** At most so many MB a second; without it as fast as it goes. */
  readonly megabytesPerSecond?: number;
  readonly pipeBytes?: number;
}

/** Offsets of the flood. */
interface VerifiedPiece {
  readonly start: number;
  readonly end: number;
}

/** A line of ours that says what is missing at this offset of the stream. */
interface Gap {
  /** Offset of the line in the stream, and its length. */
  readonly offset: number;
  readonly bytes: number;
  /** Bytes that the line says are missing. */
  readonly said: number;
  readonly certainty: "exact" | "atMost";
  /** Bytes of the flood that are missing: those, or, where they are a bound, what is seen. */
  readonly missing: number;
  /** Whether a bound has been replaced by what is seen. */
  readonly isSeen: boolean;
}

export interface Checked {
  /** Bytes of the flood that came so far, and those of them that were lost. */
  readonly sent: number;
  readonly lost: number;
}

export class Flooded implements AsyncDisposable {
  readonly name: string;
  readonly file: string;
  readonly #daemon: TestDaemon;
  /** As the daemon's events name it. */
  readonly #key: string;
  readonly #writer: ChildProcess;
  readonly #pipe: string;
  readonly #witness: string;
  /** All that were ever seen: the log forgets them with what it rotates away. */
  readonly #gaps: Map<number, Gap> = new Map();
  #epoch = "";

  private constructor(
    daemon: TestDaemon,
    key: string,
    { name }: FloodedOptions,
    { file, pipe }: LogfileHandle,
    args: readonly string[],
  ) {
    assert.ok(flood.found);
    this.#daemon = daemon;
    this.#key = key;
    this.name = name;
    this.file = file;
    this.#pipe = pipe;
    this.#witness = join(daemon.directory, `${name}.witness`);
    const more = ["-b", String(writeBytes), "-w", this.#witness];
    this.#writer = spawn(flood.path, [...args, ...more, pipe, "0"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  static async start(daemon: TestDaemon, options: FloodedOptions): Promise<Flooded> {
    const { name, limitBytes, copies, megabytesPerSecond, pipeBytes } = options;
    const xenstore = await daemon.xenstore();
    const domid = await introduceDomain(xenstore, name);
    const handle = await createLogfile({
      xenstore,
      domid,
      file: daemon.logPath(`${name}.log`),
      limitBytes,
      copies,
      fifoDirectory: daemon.fifoDirectory,
    });
    const args: string[] = [];
    if (megabytesPerSecond !== undefined) args.push("-r", String(megabytesPerSecond));
    if (pipeBytes !== undefined) args.push("-p", String(pipeBytes));
    return new Flooded(daemon, `${domid}/${handle.key.id}`, options, handle, args);
  }

  /** Bytes that write() has accepted, at least. */
  get accepted(): number {
    try {
      return Number(readFileSync(this.#witness).readBigUInt64LE(0));
    } catch {
      return 0;
    }
  }

  get gaps(): readonly Gap[] {
    return [...this.#gaps.values()].sort((a, b) => a.offset - b.offset);
  }

  resume(): void {
    this.#writer.kill("SIGCONT");
  }

  pause(): void {
    this.#writer.kill("SIGSTOP");
  }

  async end(): Promise<void> {
    this.#writer.kill("SIGCONT");
    this.#writer.kill("SIGTERM");
    if (this.#writer.exitCode === null) await once(this.#writer, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /**
   * Stops the writer, waits until the pipe is empty, and looks at every byte that is in the log, or
   * in the live file alone where somebody else has taken bytes out of the middle.
   */
  async check(where: string, files: "chain" | "live" = "chain"): Promise<Checked> {
    this.pause();
    const end = await this.#settled();
    if (files === "live") return this.#checkLive(end, where);
    const begin = end - chainSizes(this.file).reduce((sum, size) => sum + size, 0);
    let [from, at] = [begin, undefined as number | undefined];
    for (const gap of this.gaps.filter(({ offset }) => offset >= begin)) {
      const before = this.#verifyPiece(from, gap.offset, begin, at, where);
      const missing = this.#missingAt(gap, begin, where);
      // The oldest thing on disk may be a line of ours: what stands before it is gone.
      at = before === undefined ? undefined : before + missing;
      from = gap.offset + gap.bytes;
    }
    const sent = this.#verifyPiece(from, end, begin, at, where) ?? this.#floodOffset(end);
    this.#settleBound(sent, end);
    const behind = sent - this.accepted;
    assert.ok(behind >= 0 && behind <= writeBytes, `${where}: ${this.name} is ${behind} off`);
    assert.equal(sent, this.#floodOffset(end), `${where}: ${this.name} by its gaps`);
    return { sent, lost: this.gaps.reduce((sum, { missing }) => sum + missing, 0) };
  }

  #checkLive(end: number, where: string): Checked {
    const result = this.#runVerify([this.file], where);
    assert.equal(result.end, end, `${where}: the live file ends where the stream does`);
    return { sent: end, lost: 0 };
  }

  /** Random positions: the flood's very bytes, a line of ours, or nothing any more. */
  checkPositions(count: number, random: () => number, end: number): { readonly present: number } {
    const reader = new LogReader(dirname(this.file), basename(this.file));
    let present = 0;
    try {
      for (let read = 0; read < count; read += 1) {
        // Half of them where something may be left.
        const span = read % 2 === 0 ? end : Math.min(end, 2 * this.#sizeBytes());
        const offset = end - 1 - Math.floor(random() * span);
        const result = reader.read({ epoch: this.#epoch, offset }, 1 + Math.floor(random() * 300));
        if (result.kind !== "bytes") {
          assert.equal(result.kind, "rotatedAway", `${this.name} at ${offset}`);
          continue;
        }
        present += 1;
        for (const [position, byte] of result.bytes.entries()) {
          const expected = this.#byteAt(offset + position);
          assert.ok(
            expected === undefined || byte === expected,
            `${this.name} at ${offset + position}: ${byte}, not ${expected}`,
          );
        }
      }
    } finally {
      reader.close();
    }
    return { present };
  }

  #sizeBytes(): number {
    return chainSizes(this.file).reduce((sum, size) => sum + size, 0);
  }

  /** The flood's byte at an offset of the stream; `undefined` within a line of ours. */
  #byteAt(offset: number): number | undefined {
    const gap = this.gaps.find((one) => offset >= one.offset && offset < one.offset + one.bytes);
    if (gap !== undefined) return undefined;
    const at = this.#floodOffset(offset);
    return numberedBytes(at, 1)[0];
  }

  /** What the stream's offset is in the flood. */
  #floodOffset(offset: number): number {
    return this.gaps
      .filter((gap) => gap.offset < offset)
      .reduce((sum, gap) => sum - gap.bytes + gap.missing, offset);
  }

  /** Offset of the stream's end when nothing is under way. */
  async #settled(): Promise<number> {
    await waitFor("a writer that stands still", () => {
      const stat = readFileSync(`/proc/${this.#writer.pid}/stat`, "latin1");
      return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
    });
    // Empty means that a pump reads it, and between two of its turns no stage holds anything.
    const pipe = openSync(this.#pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    await waitFor(`an empty pipe of ${this.name}`, () => bytesReadable(pipe) === 0);
    closeSync(pipe);
    let last = -1;
    // A pump that is busy is not waited for by the daemon, which then says what it knew before.
    return await waitFor(`the end of ${this.name}`, async () => {
      const streams = await this.#daemon.control.streams({ all: false });
      const stream = streams.find(({ name }) => name === this.name);
      this.#epoch = stream?.epoch ?? "";
      const end = stream?.offset ?? 0;
      const isStill = end === last;
      last = end;
      if (!isStill) return false;
      try {
        this.#readGaps(end);
      } catch (error) {
        // It rotates.
        if (errnoNameOf(error) === "ENOENT") return false;
        throw error;
      }
      return this.#floodOffset(end) >= this.accepted && end;
    });
  }

  /** Those that the side file knows of, with what the daemon said when it found them. */
  #readGaps(end: number): void {
    const directoryFd = openSync(dirname(this.file), "r");
    const index = readIndex(directoryFd, basename(this.file));
    closeSync(directoryFd);
    const start = index?.epochs.find(({ epoch }) => epoch === this.#epoch)?.start ?? 0;
    const begin = end - this.#sizeBytes();
    const losses = this.#daemon.events.filter(
      ({ msg, key }) => msg === "StageLost" && key === this.#key,
    );
    const log = Buffer.concat(chainOf(this.file).map((path) => readFileSync(path)));
    for (const range of index?.ranges ?? []) {
      const offset = range.start - start;
      const loss = losses[this.#gaps.size];
      if (this.#gaps.has(offset) || loss === undefined) continue;
      const said = loss.bytes ?? 0;
      const certainty = loss["certainty"] === "exact" ? "exact" : "atMost";
      if (offset >= begin) {
        const line = log.toString("latin1", offset - begin, offset - begin + range.bytes);
        const amount = certainty === "exact" ? `${said}` : `up to ${said}`;
        assert.match(line, new RegExp(`^\\n?\\[xenlogd: ${amount} bytes lost, [^\n]*\\]\\n$`));
      }
      const gap = { offset, bytes: range.bytes, said, missing: said, certainty, isSeen: false };
      this.#gaps.set(offset, gap as Gap);
    }
  }

  /** What is missing at a gap: what was said, or, where that is a bound, what is seen. */
  #missingAt(gap: Gap, begin: number, where: string): number {
    if (gap.certainty === "exact" || gap.isSeen) return gap.missing;
    const next =
      this.gaps.find(({ offset }) => offset > gap.offset)?.offset ?? begin + this.#sizeBytes();
    const from = gap.offset + gap.bytes;
    const before = this.#floodOffset(gap.offset);
    const seen = this.#verify(from - begin, next - from, where).start - before;
    assert.ok(seen >= 0 && seen <= gap.said, `${where}: ${seen} of at most ${gap.said}`);
    this.#gaps.set(gap.offset, { ...gap, missing: seen, isSeen: true });
    return seen;
  }

  /** A bound whose line has been rotated away is the one thing that the rest does not say. */
  #settleBound(sent: number, end: number): void {
    const [open, ...others] = this.gaps.filter(
      ({ certainty, isSeen }) => certainty === "atMost" && !isSeen,
    );
    if (open === undefined || others.length > 0) return;
    const missing = open.missing + sent - this.#floodOffset(end);
    assert.ok(missing >= 0 && missing <= open.said, `${missing} of at most ${open.said}`);
    this.#gaps.set(open.offset, { ...open, missing, isSeen: true });
  }

  /** The flood's offset behind a piece of the log between two gaps; `at` is that before it. */
  #verifyPiece(
    from: number,
    to: number,
    begin: number,
    at: number | undefined,
    where: string,
  ): number | undefined {
    if (to === from) return at;
    const { start, end } = this.#verify(from - begin, to - from, where);
    assert.equal(start, at ?? start, `${where}: ${this.name} goes on where it stopped`);
    return end;
  }

  #verify(from: number, bytes: number, where: string): VerifiedPiece {
    const args = ["-f", String(from), "-n", String(bytes), ...chainOf(this.file)];
    return this.#runVerify(args, where);
  }

  #runVerify(args: readonly string[], where: string): VerifiedPiece {
    assert.ok(verify.found);
    const result = spawnSync(verify.path, args, { encoding: "utf8" });
    assert.equal(result.status, 0, `${where}: ${this.name}: ${result.stdout}${result.stderr}`);
    return JSON.parse(result.stdout);
  }
}
