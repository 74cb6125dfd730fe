// SPDX-License-Identifier: Apache-2.0
// One stream with a pump that can be killed at every system call: a real FIFO, real stages, notes,
// positions and logs, in this process. What was sent is numbered, so `check` can tell that nothing
// is lost or doubled; and at each crash point the files on disk are held against the promised bound.

import assert from "node:assert/strict";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogIndex } from "../../../src/logfile/log-index.ts";
import type { StageLocation, StreamReport } from "../../../src/pump/messages.ts";
import type { PositionRecord } from "../../../src/pump/positions.ts";
import type { StreamRecord } from "../../../src/pump/record.ts";
import { fileName } from "./calls.ts";
import { ChainWatch, type LogBound } from "./chain-watch.ts";
import { installCrashPoints, type Kill, type Run } from "./crash-points.ts";
import { type Mutation, variantOf } from "./hooks.ts";
import { Meddler, type Meddling } from "./meddler.ts";
import { type Due, type Piece, Witness } from "./witness.ts";

const logName = "x.log";
const sideFile = new RegExp(`^\\.${logName.replace(".", "\\.")}\\.xenlogd`);

/** Whether the kernel may stop in the middle of what happens at that crash point. */
export function isDivisible(point: string): boolean {
  return / -> log$|^write (log|x\.log)/.test(point);
}

const crash = installCrashPoints({ nameOf, isDivisible });

function nameOf(path: string, as: "path" | "descriptor"): string {
  if (path.startsWith("pipe:")) return "stage";
  if (path === "/dev/null") return path;
  if (/\/positions\/[0-9a-f]{16}$/.test(path)) return "positions";
  const name = fileName(path);
  if (sideFile.test(name)) return "side file";
  return name === logName && as === "descriptor" ? "log" : name;
}

const kernel = await import("../../../src/kernel/index.ts");
const { Durability, LogReader } = await import("../../../src/logfile/index.ts");
const { readIndex } = await import("../../../src/logfile/side-file.ts");
const product = await loadProduct("");

/** The parts of a pump, as they are or with something wrong. */
export type Product = typeof import("../../../src/pump/stage-pool.ts") &
  typeof import("../../../src/pump/pumped-stream.ts") &
  typeof import("../../../src/pump/recovery.ts");

async function loadProduct(variant: string): Promise<Product> {
  const names = ["stage-pool.ts", "pumped-stream.ts", "recovery.ts"];
  const modules = await Promise.all(
    names.map((name) => import(`../../../src/pump/${name}${variant}`) as Promise<object>),
  );
  return Object.assign({}, ...modules) as Product;
}

/** A product with one sentence changed. */
export function wrongProduct(mutation: Mutation): Promise<Product> {
  return loadProduct(variantOf(mutation));
}

export interface PumpBenchOptions extends LogBound {
  /** Capacity of a stage; small ones are filled several times a pump. */
  readonly stageBytes?: number;
  /** On tmpfs unless it says so: a disk is twice as slow, and uses inode numbers again. */
  readonly isOnDisk?: boolean;
  /** Where the pumps are killed, one after the other: each counts from the death before it. */
  readonly kills?: readonly Kill[];
  readonly product?: Product;
  /** Offsets to look at besides those that are on disk. */
  readonly positions?: number;
  /** Called when a pump has been killed. */
  readonly afterKill?: (bench: PumpBench) => void;
}

type Stream = InstanceType<Product["PumpedStream"]>;

/** Something that a pump does with its stream. */
export type Act = (stream: Stream) => void;

/** The stream that had the file before, and a writer of it that does not know. */
interface Predecessor {
  readonly record: StreamRecord;
  readonly fds: readonly [writer: number, main: number];
  /** Where the log ended for its writer. */
  readonly at: number;
  /** What was sent when the next owner had the file already. */
  lateBytes: number;
  /** What is known to have been dropped of what was sent before. */
  droppedBytes: number;
  report: StreamReport | undefined;
}

const stagesMax = 2;
const positionsMin = 3;

const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** After these there is nothing new to be seen among the log's files. */
const leavesLogAlone = / note\b| positions\b| -> (stage|scratch)$|^lseek /;

export class PumpBench implements Disposable {
  /** Crash points of all pumps so far, in order. */
  readonly points: string[] = [];
  readonly #options: PumpBenchOptions;
  readonly #directory: string;
  readonly #product: Product;
  /** The guest's end; closed when it has hung up. */
  #writer: number | undefined;
  /** The main process keeps a FIFO open while there is no pump. */
  #mainFd: number;
  readonly #nullFd: number = openSync("/dev/null", "w");
  #stages: readonly HeldStage[];
  readonly #kills: Kill[];
  readonly #watch: ChainWatch;
  readonly #witness: Witness = new Witness();
  readonly #meddler: Meddler;
  #pointsSinceKill = 0;
  #record: StreamRecord;
  #before: Predecessor | undefined;
  /** Lines of ours that the next pump is told to write. */
  #marks: string[] = [];
  /** Offset behind the newest range of the side file that the witness knows of. */
  #rangesEnd = 0;
  /** What the log says that crashes have cost, to the byte. */
  #crashBytes = 0;

  constructor(options: PumpBenchOptions) {
    const { limitBytes, copies, stageBytes = 16_384, kills = [] } = options;
    this.#options = options;
    this.#directory = mkdtempSync(join(options.isOnDisk ? tmpdir() : memory, "xenlogd-crash-"));
    this.#product = options.product ?? product;
    this.#kills = [...kills];
    for (const name of ["log", "run", "positions"]) mkdirSync(this.#path(name));
    [this.#writer, this.#mainFd] = this.#makeFifo("fifo");
    this.#stages = Array.from({ length: stagesMax }, () => makeStage(stageBytes));
    this.#watch = new ChainWatch(this.#path("log"), logName, { limitBytes, copies });
    this.#meddler = new Meddler(this.#directory, logName, this.#witness);
    this.#record = {
      version: 1,
      epoch: "0".repeat(16),
      logRoot: this.#path("log"),
      relativeFile: logName,
      limitBytes,
      copies,
      key: "5/1",
      name: "guest",
      log: "qemu",
      pipe: this.#path("run/fifo"),
      file: this.#path(`log/${logName}`),
      runRoot: this.#path("run"),
      relativePipe: "fifo",
      overflow: "auto",
      store: "0",
      nodes: "present",
      sequence: 1,
    };
    this.#witness.beginEpoch(this.#record.epoch, 0);
  }

  /** The stream's next bytes go into the FIFO; at most 64 KiB have room in it. */
  write(bytes: number, lineCells = 3): void {
    assert.ok(this.#writer !== undefined, "the guest is there");
    const piece = this.#witness.send(bytes, lineCells);
    assert.equal(writeSync(this.#writer, piece), bytes, "the FIFO has room");
  }

  /**
   * Runs pumps until one finishes: each after the first is the successor of one that was killed.
   * `act` is what each does with its stream before it drains it.
   */
  pump(act?: Act): void {
    for (;;) {
      const [kill] = this.#kills;
      const { outcome, points } = this.pumpOnce(kill && later(kill, this.#pointsSinceKill), act);
      this.points.push(...points);
      this.#pointsSinceKill += points.length;
      if (outcome === "finished") return;
      this.#kills.shift();
      this.#pointsSinceKill = 0;
      this.#options.afterKill?.(this);
    }
  }

  /** Runs one pump from its start. Its crash points are its own. */
  pumpOnce(kill?: Kill, act: Act = () => {}): Run {
    this.#meddler.begin();
    const run = this.#run(kill, (stream) => {
      this.#writeMarks(stream);
      act(stream);
      if (stream.state.kind === "closed") return;
      assert.equal(stream.drainAndRelease(), 0, "nothing is stranded");
    });
    if (run.outcome === "finished") {
      const isNoticed = this.#settle() === "settled";
      if (!this.#isDisturbed) this.#watch.settle(this.#record);
      if (isNoticed) this.#checkContents();
    } else {
      this.#checkLiveFile();
    }
    return run;
  }

  /** How often the pumps were to be killed and were not. */
  get killsLeft(): number {
    return this.#kills.length;
  }

  /** What the next pump is told of the same stream. */
  reconfigure(bound: LogBound): void {
    this.#record = { ...this.#record, ...bound };
    this.#watch.expect(bound);
    this.#witness.mayTrim();
  }

  /** The running pump is told of another bound, and keeps to it from then on. */
  rebound(stream: Stream, bound: LogBound): void {
    this.reconfigure(bound);
    stream.reconfigure(bound.limitBytes, bound.copies);
    if (!this.#isDisturbed) this.#watch.settle(bound);
  }

  /** The next pump gets a new request for the same FIFO and file. */
  newEpoch(): void {
    this.#record = { ...this.#record, epoch: this.#nextEpoch() };
    this.#witness.beginEpoch(
      this.#record.epoch,
      this.#witness.end - kernel.bytesReadable(this.#mainFd),
    );
    this.#rangesEnd = 0;
    this.#crashBytes = 0;
  }

  /** The next pump gets a request for the same file from another guest; the one before goes on. */
  succeed(): void {
    const record = this.#record;
    assert.ok(this.#writer !== undefined, "the guest is there");
    this.#leavePredecessor();
    this.#before = {
      record,
      fds: [this.#writer, this.#mainFd],
      at: this.#witness.end,
      lateBytes: 0,
      droppedBytes: 0,
      report: undefined,
    };
    const epoch = this.#nextEpoch();
    const relativePipe = `fifo-${epoch}`;
    const pipe = this.#path(`run/${relativePipe}`);
    [this.#writer, this.#mainFd] = this.#makeFifo(relativePipe);
    this.#record = { ...record, epoch, relativePipe, pipe };
    this.#witness.beginEpoch(epoch, this.#witness.end);
    this.#rangesEnd = 0;
    this.#crashBytes = 0;
  }

  /** The guest that had the file before writes on. */
  writeLate(bytes: number): void {
    assert.ok(this.#before !== undefined);
    assert.equal(writeSync(this.#before.fds[0], Buffer.alloc(bytes, "#")), bytes);
    this.#before.lateBytes += bytes;
  }

  /** The next pump is to write a line of ours before it moves anything. */
  mark(text: string): void {
    this.#watch.expectMarks();
    this.#marks.push(text);
  }

  /** The holder dies with its pump: other stages, and what was in the old ones is gone. */
  loseStages(): number {
    const lostBytes = this.#stagedBytes();
    const at = this.#witness.end - lostBytes - kernel.bytesReadable(this.#mainFd);
    this.#watch.expectMarks();
    this.#witness.remove(at, lostBytes);
    this.#witness.expect({ lostBytes }, at);
    for (const { fds } of this.#stages) for (const fd of fds) closeSync(fd);
    const { stageBytes = 16_384 } = this.#options;
    this.#stages = this.#stages.map(() => makeStage(stageBytes));
    return lostBytes;
  }

  /** Somebody else does that to the files. */
  meddle(what: Meddling): void {
    // A file put there half-way through a change is taken for the one that was to come.
    if (what === "replace" && this.#readRecord()?.end !== null) return;
    const waiting = this.#stagedBytes() + kernel.bytesReadable(this.#mainFd);
    const end = this.#witness.end - waiting;
    if (this.#meddler.meddle(what, end, this.#record)) this.#watch.disturb();
  }

  /** Whether nothing is under way but bytes. */
  get isSettled(): boolean {
    const isSucceeding = this.#before !== undefined && this.#before.report === undefined;
    return !(this.#isMarked || this.#isDisturbed || isSucceeding);
  }

  /** Whether somebody else's work is still to be noticed. */
  get #isDisturbed(): boolean {
    return this.#meddler.isDisturbed;
  }

  /** Whether lines of ours are to come. */
  get #isMarked(): boolean {
    return this.#marks.length > 0 || this.#witness.due.length > 0;
  }

  /** The last writer goes. */
  hangUp(): void {
    if (this.#writer !== undefined) closeSync(this.#writer);
    this.#writer = undefined;
  }

  get isClosed(): boolean {
    return !existsSync(this.#record.pipe);
  }

  /** Path of a file beside the log. */
  logPath(name: string): string {
    return this.#path(`log/${name}`);
  }

  /** All files of the log as one, oldest byte first. */
  contents(): Buffer {
    return Buffer.concat(this.#watch.paths().map((path) => readFileSync(path)));
  }

  /** Sizes of the log's files in bytes, newest first. */
  sizes(): readonly number[] {
    return this.#watch
      .paths()
      .map((path) => statSync(path).size)
      .reverse();
  }

  /** Holds the log against what was sent, and the reported offsets too. All must have been pumped. */
  check(): void {
    assert.equal(this.#stagedBytes(), 0, "the stages are empty");
    assert.equal(kernel.bytesReadable(this.#mainFd), 0, "the FIFO is empty");
    this.#watch.look();
    const pieces = this.#checkContents();
    const strange = readdirSync(this.#path("log")).filter(
      (name) => !(this.#watch.isInChain(name) || sideFile.test(name)),
    );
    if (!this.#isDisturbed) assert.deepEqual(strange, [], "no file is left over");
    if (!this.isClosed) this.#checkReport();
    this.#checkPositions(pieces);
  }

  [Symbol.dispose](): void {
    this.#leavePredecessor();
    this.#meddler.close();
    for (const { fds } of this.#stages) for (const fd of fds) closeSync(fd);
    if (this.#writer !== undefined) closeSync(this.#writer);
    closeSync(this.#mainFd);
    closeSync(this.#nullFd);
    rmSync(this.#directory, { recursive: true });
  }

  /** What a successor reports is what is in the files, and in the counters. */
  #checkReport(): void {
    let report: StreamReport | undefined;
    this.#run(undefined, (stream) => {
      report = stream.release();
    });
    const kept = this.contents().length;
    const { start, insertedBytes } = this.#witness.epoch;
    const end = this.#witness.end - start;
    assert.deepEqual(
      {
        offset: report?.offset,
        size: report?.sizeBytes,
        crash: report?.droppedBytes["crash"] ?? 0,
      },
      { offset: end, size: kept, crash: this.#crashBytes },
    );
    // What was cut off while nobody looked is counted no more: a file's size is its position.
    assert.equal(report?.writtenBytes, Math.max(0, end - insertedBytes), "what was written");
    if (!this.#witness.hasHoles) {
      assert.equal(report?.oldestOffset, Math.max(0, end - kept), "the oldest offset");
    }
  }

  /** Every byte on disk can be read by its position, and no position is another byte's. */
  #checkPositions(pieces: readonly Piece[]): void {
    const reader = new LogReader(this.#path("log"), logName);
    try {
      for (const [index, { epoch, start }] of this.#witness.epochs.entries()) {
        const next = this.#witness.epochs[index + 1];
        const end = next?.start ?? this.#witness.end;
        const read = (at: number, bytes: number): Buffer | undefined => {
          const found = reader.read({ epoch, offset: at - start }, bytes);
          const mayBeUnknown = next !== undefined || this.#readIndex() === undefined;
          if (found.kind === "unknownEpoch" && mayBeUnknown) return undefined;
          if (found.kind === "rotatedAway") return undefined;
          const wasCut = next !== undefined && this.#witness.hasHoles;
          if (found.kind === "beyondEpoch" && wasCut) return undefined;
          assert.equal(found.kind, "bytes", `${epoch}:${at - start}`);
          if (found.kind !== "bytes") return undefined;
          const expected = this.#witness.at(at, found.bytes.length);
          assert.ok(found.bytes.equals(expected), `${epoch}:${at - start} is another byte`);
          return found.bytes;
        };
        for (const piece of pieces) {
          const from = Math.max(start, piece.start);
          const bytes = Math.min(end, piece.start + piece.bytes) - from;
          if (bytes <= 0) continue;
          const found = read(from, bytes);
          const mustBeThere = next === undefined && this.#readIndex() !== undefined;
          if (mustBeThere) assert.equal(found?.length, bytes, `${epoch}:${from - start}`);
        }
        const { positions = positionsMin } = this.#options;
        const stride = Math.max(1, Math.floor((end - start) / positions));
        for (let at = start; at < end; at += stride) read(at, 16);
      }
    } finally {
      reader.close();
    }
  }

  /** Whoever reads beside a pump, or when it is dead, finds every byte of the live file. */
  #checkLiveFile(): void {
    if (this.#isMarked || this.#isDisturbed || this.#before !== undefined) return;
    if (!this.#watch.isSteady || this.#readIndex() === undefined) return;
    const { epoch, start } = this.#witness.epoch;
    const waiting = this.#stagedBytes() + kernel.bytesReadable(this.#mainFd);
    const last = this.#witness.end - waiting - 1;
    const live = statSync(this.logPath(logName), { throwIfNoEntry: false });
    if (live === undefined || live.size === 0 || last < start) return;
    const reader = new LogReader(this.#path("log"), logName);
    const read = reader.read({ epoch, offset: last - start }, 1);
    reader.close();
    assert.deepEqual(read, { kind: "bytes", bytes: this.#witness.at(last, 1) }, "the newest byte");
  }

  #checkContents(): readonly Piece[] {
    return this.#witness.check(
      [...this.#watch.paths()].reverse().map((path) => ({ path, bytes: readFileSync(path) })),
    );
  }

  /** Learns what has become of what was under way when a pump was killed, or somebody meddled. */
  #settle(): "settled" | "unnoticed" {
    const before = this.#before;
    if (before?.report !== undefined) {
      const { superseded = 0 } = before.report.droppedBytes;
      const dropped = superseded - before.lateBytes - before.droppedBytes;
      assert.ok(dropped >= 0, "all that came late was dropped");
      this.#witness.remove(before.at - before.droppedBytes - dropped, dropped);
      before.droppedBytes += dropped;
    }
    const index = this.#readIndex();
    const { epoch } = this.#record;
    const known = index?.epochs.find((one) => one.epoch === epoch);
    const ranges = (index?.ranges ?? [])
      .map(({ start, ...range }) => ({ ...range, offset: start - (known?.start ?? 0) }))
      .filter(({ offset }) => known !== undefined && offset >= this.#rangesEnd);
    const rangeBytes = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
    const foreignIs = ranges.some(({ kind }) => kind === "foreign") ? "told" : "untold";
    const offset = this.#offset();
    // A pump that has not noticed yet goes on writing into a file that has no name any more.
    if (offset === undefined) return "unnoticed";
    this.#meddler.settle(offset - rangeBytes, foreignIs);
    for (const { offset, bytes, kind } of ranges) {
      this.#rangesEnd = offset + bytes;
      const at = this.#witness.epoch.start + offset;
      if (kind === "foreign") this.#witness.insert(at, this.#meddler.foreign(bytes));
      else this.#insertLine(at, offset, bytes);
    }
    for (const due of [...this.#witness.due]) {
      const isNothing = typeof due.line !== "string" && due.line.lostBytes === 0;
      assert.ok(isNothing || this.#witness.hasHoles, `a line that is not there: ${due.line}`);
      this.#witness.settle(due);
    }
    return "settled";
  }

  /** A line of ours has come: one that is due, and there. */
  #insertLine(at: number, offset: number, bytes: number): void {
    const due = this.#witness.due.find(
      (one) => one.at === at && (typeof one.line === "string" || one.line.lostBytes >= 0),
    );
    assert.ok(due !== undefined, `no line of ours is due at ${at}`);
    const reader = new LogReader(this.#path("log"), logName);
    const read = reader.read({ epoch: this.#record.epoch, offset }, bytes);
    reader.close();
    const text = read.kind === "bytes" && read.bytes.length === bytes ? read.bytes : undefined;
    this.#witness.settle(due);
    this.#witness.insert(at, this.#checkLine(due, text, bytes));
  }

  #checkLine({ line }: Due, found: Buffer | undefined, bytes: number): Buffer {
    if (typeof line === "string") {
      const text = Buffer.from(bytes === line.length + 1 ? `${line}\n` : `\n${line}\n`);
      assert.ok(found?.equals(text) !== false, `${found} is not ${line}`);
      assert.equal(text.length, bytes, line);
      return text;
    }
    if (found === undefined) {
      // Rotated away before anybody could read what it said.
      const counted = this.#readRecord()?.dropped["crash"] ?? 0;
      const more = counted - this.#crashBytes;
      assert.ok(more === 0 || more === line.lostBytes, `${more} bytes are counted as lost`);
      this.#crashBytes = counted;
      return Buffer.alloc(bytes, 0xff);
    }
    const said = /^\n?\[xenlogd: (up to )?(\d+) bytes lost, [^\n]*\]\n$/.exec(found.toString());
    assert.ok(said !== null, `${found} says what was lost`);
    const [, upTo, amount] = said;
    if (upTo === undefined) {
      assert.equal(Number(amount), line.lostBytes, "what was lost");
      this.#crashBytes += line.lostBytes;
    } else {
      assert.ok(line.lostBytes <= Number(amount), `${line.lostBytes} lost, ${found}`);
    }
    return found;
  }

  /** Each is due from when it is noted. */
  #writeMarks(stream: Stream): void {
    for (const text of [...this.#marks]) {
      const at = this.#witness.end - kernel.bytesReadable(this.#mainFd);
      try {
        stream.mark(text);
      } finally {
        if (this.#isNoted(text)) {
          this.#witness.expect(text, at);
          this.#marks.shift();
        }
      }
    }
  }

  #isNoted(text: string): boolean {
    const { markers = [] } = this.#readRecord() ?? {};
    return markers.some((marker) => marker.text === text) || this.contents().includes(text);
  }

  /** Where the stream ends by its record, if that is about the file that has the name. */
  #offset(): number | undefined {
    const record = this.#readRecord();
    if (record === undefined) return undefined;
    const { base, end, inode } = record;
    if (end !== null) return Math.max(0, end);
    const live = statSync(this.logPath(logName), { throwIfNoEntry: false });
    return live?.ino === inode ? Math.max(0, base + live.size) : undefined;
  }

  #readRecord(): PositionRecord | undefined {
    const path = this.#path(`positions/${this.#record.epoch}`);
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    return text === "" ? undefined : JSON.parse(text);
  }

  #readIndex(): LogIndex | undefined {
    const directoryFd = openSync(this.#path("log"), "r");
    try {
      return readIndex(directoryFd, logName);
    } catch {
      // It is missing, or no file.
      return undefined;
    } finally {
      closeSync(directoryFd);
    }
  }

  #stagedBytes(): number {
    return this.#stages.reduce((sum, { fds }) => sum + kernel.bytesReadable(fds[0] as number), 0);
  }

  #nextEpoch(): string {
    return (Number(this.#record.epoch) + 1).toString().padStart(16, "0");
  }

  /** Open for reading as well, as in QEMU: the pump sees no hang-up before it is closed. */
  #makeFifo(name: string): [writer: number, main: number] {
    const path = this.#path(`run/${name}`);
    kernel.makeFifo(path, 0o600);
    return [
      openSync(path, constants.O_RDWR | constants.O_NONBLOCK),
      openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    ];
  }

  #leavePredecessor(): void {
    for (const fd of this.#before?.fds ?? []) closeSync(fd);
    this.#before = undefined;
  }

  /** A pump's life with one stream, or two on the same file, as src/pump/pump.ts leads it. */
  #run(kill: Kill | undefined, serve: Act): Run {
    const body = (): void => {
      const { StagePool, recoverStages, PumpedStream } = this.#product;
      const positionsDirectory = this.#path("positions");
      const locations = this.#stages.map(({ at }) => at);
      const pool = StagePool.open(this.#path("run/note"), locations);
      const durability = new Durability({ kind: "none" });
      const options = { pool, positionsDirectory, durability, nullFd: this.#nullFd };
      const leftovers = recoverStages({
        ...options,
        send: ({ type }) => assert.notEqual(type, "orphaned", "a stage's bytes have no owner"),
      });
      assert.deepEqual(leftovers, [], "nothing is refused");
      const open = (record: StreamRecord): Stream =>
        new PumpedStream({
          ...options,
          record,
          leftover: undefined,
          onStalled: (reason) => assert.fail(reason),
          onResumed: () => {},
          onInterference: (kind) => assert.ok(this.#isDisturbed, `somebody has ${kind} the log`),
          onClosed: () => {},
        });
      const before = this.#before && openPredecessor(open, this.#before.record);
      // A predecessor may have closed the stream and not lived to tell.
      if (!this.isClosed) serve(open(this.#record));
      if (this.#before !== undefined && before !== undefined) {
        before.drainAndRelease();
        this.#before.report = before.report();
      }
      pool.close();
    };
    let last = "";
    const run = crash.run(kill, body, (point) => {
      if (!leavesLogAlone.test(last)) this.#watch.look();
      last = point;
    });
    this.#watch.look();
    assert.deepEqual(run.leftOpen, [], "everything is closed");
    return run;
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

/** The same kill, seen from a process that begins when so many points are over. */
function later(kill: Kill, points: number): Kill {
  return typeof kill.at === "number" ? { ...kill, at: kill.at - points } : kill;
}

/** The stream whose file has its next owner. */
function openPredecessor(open: (record: StreamRecord) => Stream, record: StreamRecord): Stream {
  const stream = open(record);
  if (stream.state.kind !== "discarding") {
    stream.nodesGone();
    stream.supersede();
  }
  return stream;
}

interface HeldStage {
  readonly fds: readonly number[];
  readonly at: StageLocation;
}

/** A stage that this process keeps open, as the holder does. */
function makeStage(bytes: number): HeldStage {
  const { readFd, writeFd } = kernel.makePipe();
  kernel.resizePipe(readFd, bytes);
  const path = `/proc/self/fd/${readFd}`;
  const at = { path, pid: process.pid, fd: readFd, inode: statSync(path).ino };
  return { fds: [readFd, writeFd], at };
}
