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
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { PumpPolicies, StreamReport } from "../../../src/pump/messages.ts";
import type { StreamRecord } from "../../../src/pump/record.ts";
import type { StageLocation } from "../../../src/vault/index.ts";
import { Account } from "./account.ts";
import { fileName } from "./calls.ts";
import { ChainWatch, type LogBound } from "./chain-watch.ts";
import { installCrashPoints, type Kill, type Run } from "./crash-points.ts";
import { FoundLog } from "./found-log.ts";
import { assertPlanted, type Mutation, variantOf } from "./hooks.ts";
import { type DiskKind, LogDisk } from "./log-disk.ts";
import { Meddler, type Meddling } from "./meddler.ts";
import { checkNewestByte, checkPositions } from "./position-check.ts";
import { type Piece, Witness } from "./witness.ts";

const logName = "x.log";
const policies: PumpPolicies = {
  fsync: { kind: "none" },
  overflow: { graceMs: 5000 },
  rate: null,
};
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
const logfile = await import("../../../src/logfile/index.ts");
const { Durability, LogReader } = logfile;
const product = await loadProduct("");
const { readIndex } = product;

/** The parts of a pump, as they are or with something wrong. */
export type Product = typeof import("./product.ts");

function loadProduct(variant: string): Promise<Product> {
  return import(`./product.ts${variant}`) as Promise<Product>;
}

/** A product with one sentence changed. */
export async function wrongProduct(mutation: Mutation): Promise<Product> {
  const product = await loadProduct(variantOf(mutation));
  assertPlanted(mutation);
  return product;
}

export interface PumpBenchOptions extends LogBound {
  /** Capacity of a stage; small ones are filled several times a pump. */
  readonly stageBytes?: number;
  /** Default: memory. */
  readonly disk?: DiskKind;
  /** Where the pumps are killed, one after the other: each counts from the death before it. */
  readonly kills?: readonly Kill[];
  readonly product?: Product;
  /** Offsets to look at besides those that are on disk. */
  readonly positions?: number;
  /** Called when a pump has been killed. */
  readonly afterKill?: (bench: PumpBench) => void;
}

type Stream = ReturnType<Product["PumpedStream"]["open"]>;

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

/** After these there is nothing new to be seen among the log's files. */
const leavesLogAlone = / note\b| positions\b| -> (stage|scratch)$|^lseek /;

export class PumpBench implements Disposable {
  /** Crash points of all pumps so far, in order. */
  readonly points: string[] = [];
  readonly #options: PumpBenchOptions;
  readonly #disk: LogDisk;
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
  readonly #found: FoundLog;
  readonly #account: Account;
  #pointsSinceKill = 0;
  #record: StreamRecord;
  #before: Predecessor | undefined;
  /** Lines of ours that the next pump is told to write. */
  #marks: string[] = [];

  constructor(options: PumpBenchOptions) {
    const { limitBytes, copies, stageBytes = 16_384, kills = [] } = options;
    this.#options = options;
    this.#disk = new LogDisk(options.disk ?? "memory");
    this.#product = options.product ?? product;
    this.#kills = [...kills];
    for (const name of ["disk/log", "run", "positions"]) mkdirSync(this.#path(name));
    [this.#writer, this.#mainFd] = this.#makeFifo("fifo");
    this.#stages = Array.from({ length: stagesMax }, () => makeStage(stageBytes));
    this.#watch = new ChainWatch(this.#path("disk/log"), logName, { limitBytes, copies });
    this.#meddler = new Meddler(this.#disk.root, logName, this.#witness);
    const readers = { LogReader, readIndex };
    this.#found = new FoundLog(this.#path("disk/log"), logName, this.#path("positions"), readers);
    this.#account = new Account(this.#found, this.#witness, this.#meddler);
    this.#record = {
      version: 1,
      epoch: "0".repeat(16),
      logRoot: this.#path("disk/log"),
      relativeFile: logName,
      limitBytes,
      copies,
      key: "5/1",
      name: "guest",
      log: "qemu",
      pipe: this.#path("run/fifo"),
      file: this.#path(`disk/log/${logName}`),
      runRoot: this.#path("run"),
      relativePipe: "fifo",
      overflow: "block",
      rateBytesPerSecond: null,
      burstBytes: null,
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
      const stranded = stream.drainAndRelease();
      if (!this.#disk.isFull) assert.equal(stranded, 0, "nothing is stranded");
    });
    if (run.outcome === "finished" && !this.#disk.isFull) {
      const isNoticed = this.#settle() === "settled";
      if (!this.#isDisturbed) this.#watch.settle(this.#record);
      if (isNoticed) this.#checkContents();
    } else {
      this.#checkNewestByte();
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
    stream.reconfigure({ ...bound, rateBytesPerSecond: null, burstBytes: null });
    if (!this.#isDisturbed && !this.#disk.isFull) this.#watch.settle(bound);
  }

  /** The next pump gets a new request for the same FIFO and file. */
  newEpoch(): void {
    this.#record = { ...this.#record, epoch: this.#nextEpoch() };
    this.#witness.beginEpoch(
      this.#record.epoch,
      this.#witness.end - kernel.bytesReadable(this.#mainFd),
    );
    this.#account.beginEpoch();
    this.#watch.inherit();
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
    this.#account.beginEpoch();
    this.#watch.inherit();
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
    if (what === "replace" && this.#found.record(this.#record.epoch)?.end !== null) return;
    const waiting = this.#waitingBytes;
    const end = this.#witness.end - waiting;
    if (this.#meddler.meddle(what, end, this.#record)) this.#watch.disturb();
  }

  /** The disk has so many free blocks from now on, until `free`. Only a small one. */
  fill(freeBlocks: number): void {
    this.#disk.fill(freeBlocks);
  }

  free(): void {
    this.#disk.free();
  }

  /** While it is, a pump may finish with bytes that wait. */
  get isFull(): boolean {
    return this.#disk.isFull;
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
    return this.#path(`disk/log/${name}`);
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

  /** What a successor reports of the stream. */
  report(): StreamReport {
    let report: StreamReport | undefined;
    this.#run(undefined, (stream) => {
      report = stream.release();
    });
    assert.ok(report !== undefined);
    return report;
  }

  /** Holds the log against what was sent, and the reported offsets too. All must have been pumped. */
  check(): void {
    assert.equal(this.#stagedBytes(), 0, "the stages are empty");
    assert.equal(kernel.bytesReadable(this.#mainFd), 0, "the FIFO is empty");
    this.#watch.look();
    const pieces = this.#checkContents();
    const strange = readdirSync(this.#path("disk/log")).filter(
      (name) => !(this.#watch.isInChain(name) || sideFile.test(name)),
    );
    if (!this.#isDisturbed) assert.deepEqual(strange, [], "no file is left over");
    if (!this.isClosed) this.#checkReport();
    const { positions = positionsMin } = this.#options;
    // An index that found no room stops no log, and some positions are gone with it.
    const mustBeThere = !this.#disk.wasFull;
    checkPositions(this.#found, this.#witness, pieces, { positions, mustBeThere });
  }

  [Symbol.dispose](): void {
    this.#leavePredecessor();
    this.#meddler.close();
    for (const { fds } of this.#stages) for (const fd of fds) closeSync(fd);
    if (this.#writer !== undefined) closeSync(this.#writer);
    closeSync(this.#mainFd);
    closeSync(this.#nullFd);
    this.#disk[Symbol.dispose]();
  }

  /** What a successor reports is what is in the files, and in the counters. */
  #checkReport(): void {
    const report = this.report();
    const kept = this.contents().length;
    const { start, inserted, unusedBytes } = this.#witness.epoch;
    const end = this.#witness.end - start;
    const { crash = 0 } = report.droppedBytes;
    const written = end - inserted.marker - inserted.foreign - unusedBytes;
    assert.deepEqual(
      {
        offset: report.offset,
        size: report.sizeBytes,
        crash,
        written: report.writtenBytes,
        inserted: report.insertedBytes,
      },
      { offset: end, size: kept, crash: this.#account.crashBytes, written, inserted },
    );
    if (!this.#witness.hasHoles) {
      assert.equal(report.oldestOffset, Math.max(0, end - kept), "the oldest offset");
    }
    if (this.#witness.epochs.length > 1) return;
    const { sentBytes, removedBytes, hasHoles } = this.#witness;
    assert.equal(sentBytes, report.writtenBytes + removedBytes, "sent = written + dropped");
    // What others have put into a file before a pump noted that it is ours was there before the epoch.
    if (hasHoles || start > 0) return;
    const { marker = 0, foreign = 0 } = report.insertedBytes;
    const files = report.writtenBytes + marker + foreign - report.oldestOffset;
    assert.equal(kept, files, "files = written + inserted - rotated away");
  }

  #checkNewestByte(): void {
    if (this.#isMarked || this.#isDisturbed || this.#before !== undefined) return;
    if (!this.#watch.isSteady || this.#disk.wasFull) return;
    checkNewestByte(this.#found, this.#witness, this.#waitingBytes);
  }

  #checkContents(): readonly Piece[] {
    return this.#witness.check(
      [...this.#watch.paths()].reverse().map((path) => ({ path, bytes: readFileSync(path) })),
    );
  }

  /** Learns what has become of what was under way. */
  #settle(): "settled" | "unnoticed" {
    const before = this.#before;
    if (before?.report !== undefined) {
      const { superseded = 0 } = before.report.droppedBytes;
      const dropped = superseded - before.lateBytes - before.droppedBytes;
      assert.ok(dropped >= 0, "all that came late was dropped");
      this.#witness.remove(before.at - before.droppedBytes - dropped, dropped);
      before.droppedBytes += dropped;
    }
    return this.#account.settle();
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
    const { markers = [] } = this.#found.record(this.#record.epoch) ?? {};
    return markers.some((marker) => marker.text === text) || this.contents().includes(text);
  }

  /** What is on its way into the log. */
  get #waitingBytes(): number {
    return this.#stagedBytes() + kernel.bytesReadable(this.#mainFd);
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
      const { StagePool, StageOwner, Recovery, RetryRound, PumpedStream } = this.#product;
      const retries = new RetryRound();
      const positionsDirectory = this.#path("positions");
      const locations = this.#stages.map(({ at }) => at);
      const pool = StagePool.open(this.#path("run/note"), locations);
      const durability = new Durability({ kind: "none" });
      const directories = new logfile.OpenDirectories();
      const options = { pool, positionsDirectory, durability, directories, nullFd: this.#nullFd };
      const recovery = new Recovery({
        ...options,
        owner: new StageOwner({ found: null, recorded: null, onFound: () => {} }),
        send: ({ type }) => assert.notEqual(type, "orphaned", "a stage's bytes have no owner"),
      });
      recovery.begin();
      const { leftovers } = recovery;
      if (!this.#disk.isFull) assert.deepEqual(leftovers, [], "nothing is refused");
      const open = (record: StreamRecord): Stream =>
        PumpedStream.open({
          ...options,
          record,
          leftover: recovery.leftoverOf(record.epoch),
          retries,
          policies: () => policies,
          onDropping: () => {},
          onStalled: (reason) => assert.ok(this.#disk.isFull, reason),
          onResumed: () => {},
          onLive: () => {},
          onInterference: ({ what }) => assert.ok(this.#isDisturbed, `others: ${what}`),
          onClosed: () => {},
        });
      const before = this.#before && openPredecessor(open, this.#before.record);
      const isLeftOver = leftovers.some(({ target }) => target.epoch !== this.#record.epoch);
      // A predecessor may have closed the stream and not lived to tell.
      const stream = this.isClosed || isLeftOver ? undefined : this.#open(open);
      if (stream !== undefined) serve(stream);
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

  /** A disk that is full may have no room for the log's first file. */
  #open(open: (record: StreamRecord) => Stream): Stream | undefined {
    try {
      return open(this.#record);
    } catch (error) {
      if (!this.#disk.isFull) throw error;
      assert.match(logfile.refusalOf(error).message, /space/);
      return undefined;
    }
  }

  #path(name: string): string {
    return join(this.#disk.directory, name);
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
    stream.handOverFile();
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
  const at = { path, inode: statSync(path).ino };
  return { fds: [readFd, writeFd], at };
}
