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
import type { StageLocation, StreamReport } from "../../../src/pump/messages.ts";
import type { StreamRecord } from "../../../src/pump/record.ts";
import { fileName } from "./calls.ts";
import { ChainWatch, type LogBound } from "./chain-watch.ts";
import { installCrashPoints, type Kill, type Run } from "./crash-points.ts";
import { type Mutation, variantOf } from "./hooks.ts";
import { streamPiece } from "./stream.ts";

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
const { Durability } = await import("../../../src/logfile/index.ts");
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
}

/** Something that a pump does with its stream. */
type Act = (stream: InstanceType<Product["PumpedStream"]>) => void;

const stagesMax = 2;

const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** After these there is nothing new to be seen among the log's files. */
const leavesLogAlone = / note\b| positions\b| -> (stage|scratch)$|^lseek /;

export class PumpBench implements Disposable {
  /** Crash points of all pumps so far, in order. */
  readonly points: string[] = [];
  readonly #directory: string;
  readonly #product: Product;
  /** The guest's end; closed when it has hung up. */
  #writer: number | undefined;
  /** The main process keeps a FIFO open while there is no pump. */
  readonly #mainFd: number;
  readonly #nullFd: number = openSync("/dev/null", "w");
  readonly #stages: readonly { readonly fds: readonly number[]; readonly at: StageLocation }[];
  readonly #kills: Kill[];
  readonly #watch: ChainWatch;
  #pointsSinceKill = 0;
  #record: StreamRecord;
  /** All that was sent, and how much of it before the present epoch. */
  #sent: Buffer = Buffer.alloc(0);
  #epochStart = 0;

  constructor(options: PumpBenchOptions) {
    const { limitBytes, copies, stageBytes = 16_384, kills = [] } = options;
    this.#directory = mkdtempSync(join(options.isOnDisk ? tmpdir() : memory, "xenlogd-crash-"));
    this.#product = options.product ?? product;
    this.#kills = [...kills];
    for (const name of ["log", "run", "positions"]) mkdirSync(this.#path(name));
    const fifo = this.#path("run/fifo");
    kernel.makeFifo(fifo, 0o600);
    // Open for reading as well, as in QEMU: the pump sees no hang-up before it is closed.
    this.#writer = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    this.#mainFd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#stages = Array.from({ length: stagesMax }, () => makeStage(stageBytes));
    this.#watch = new ChainWatch(this.#path("log"), logName, { limitBytes, copies });
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
      pipe: fifo,
      file: this.#path(`log/${logName}`),
      runRoot: this.#path("run"),
      relativePipe: "fifo",
      overflow: "auto",
      store: "0",
      nodes: "present",
      sequence: 1,
    };
  }

  /** The stream's next bytes go into the FIFO; at most 64 KiB have room in it. */
  write(bytes: number, lineCells = 3): void {
    const piece = streamPiece(this.#sent.length, bytes, lineCells);
    assert.ok(this.#writer !== undefined, "the guest is there");
    assert.equal(writeSync(this.#writer, piece), bytes, "the FIFO has room");
    this.#sent = Buffer.concat([this.#sent, piece]);
  }

  /**
   * Runs pumps until one finishes: each after the first is the successor of one that was killed.
   * `act` is what each does with its stream before it drains it.
   */
  pump(act?: Act): void {
    for (;;) {
      const [kill] = this.#kills;
      const { outcome, points } = this.pumpOnce(kill && later(kill, this.#pointsSinceKill), act);
      this.#pointsSinceKill += points.length;
      if (outcome === "finished") return;
      this.#kills.shift();
      this.#pointsSinceKill = 0;
    }
  }

  /** Runs one pump from its start. */
  pumpOnce(kill?: Kill, act: Act = () => {}): Run {
    const run = this.#run(kill, (stream) => {
      act(stream);
      if (stream.state.kind === "closed") return;
      assert.equal(stream.drainAndRelease(), 0, "nothing is stranded");
    });
    this.points.push(...run.points);
    if (run.outcome === "finished") {
      this.#watch.settle(this.#record);
      this.#watch.checkContents(this.#sent);
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
    this.#watch.expect(bound, this.#sent.length);
  }

  /** The next pump gets a new request for the same FIFO and file. */
  newEpoch(): void {
    const epoch = (Number(this.#record.epoch) + 1).toString().padStart(16, "0");
    this.#record = { ...this.#record, epoch };
    this.#epochStart = this.#sent.length - kernel.bytesReadable(this.#mainFd);
  }

  /** The last writer goes. */
  hangUp(): void {
    if (this.#writer !== undefined) closeSync(this.#writer);
    this.#writer = undefined;
  }

  get isClosed(): boolean {
    return !existsSync(this.#path("run/fifo"));
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
    this.checkFiles();
    if (!this.isClosed) this.#checkReport();
  }

  checkFiles(): void {
    for (const { fds } of this.#stages) assert.equal(kernel.bytesReadable(fds[0] as number), 0);
    assert.equal(kernel.bytesReadable(this.#mainFd), 0, "the FIFO is empty");
    this.#watch.look();
    this.#watch.checkContents(this.#sent);
    const strange = readdirSync(this.#path("log")).filter(
      (name) => !(this.#watch.isInChain(name) || sideFile.test(name)),
    );
    assert.deepEqual(strange, [], "no file is left over");
  }

  [Symbol.dispose](): void {
    for (const { fds } of this.#stages) for (const fd of fds) closeSync(fd);
    if (this.#writer !== undefined) closeSync(this.#writer);
    closeSync(this.#mainFd);
    closeSync(this.#nullFd);
    rmSync(this.#directory, { recursive: true });
  }

  /** The offsets that a successor reports are those of the bytes in the files. */
  #checkReport(): void {
    let report: StreamReport | undefined;
    this.#run(undefined, (stream) => {
      report = stream.release();
    });
    const kept = this.contents().length;
    const end = this.#sent.length - this.#epochStart;
    assert.deepEqual(
      { offset: report?.offset, oldest: report?.oldestOffset, size: report?.sizeBytes },
      { offset: end, oldest: Math.max(0, end - kept), size: kept },
    );
  }

  /** A pump's life with one stream, as src/pump/pump.ts leads it. */
  #run(kill: Kill | undefined, serve: Act): Run {
    const { StagePool, recoverStages, PumpedStream } = this.#product;
    const positionsDirectory = this.#path("positions");
    const body = (): void => {
      const locations = this.#stages.map(({ at }) => at);
      const pool = StagePool.open(this.#path("run/note"), locations);
      const durability = new Durability({ kind: "none" });
      const options = { pool, positionsDirectory, durability, nullFd: this.#nullFd };
      const leftovers = recoverStages({
        ...options,
        send: ({ type }) => assert.notEqual(type, "orphaned", "a stage's bytes have no owner"),
      });
      assert.deepEqual(leftovers, [], "nothing is refused");
      // A predecessor may have closed the stream and not lived to tell.
      if (!this.isClosed) {
        serve(
          new PumpedStream({
            ...options,
            record: this.#record,
            leftover: undefined,
            onStalled: (reason) => assert.fail(reason),
            onResumed: () => {},
            onInterference: (kind) => assert.fail(`somebody has ${kind} the log`),
            onClosed: () => {},
          }),
        );
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

/** A stage that this process keeps open, as the holder does. */
function makeStage(bytes: number): { readonly fds: readonly number[]; readonly at: StageLocation } {
  const { readFd, writeFd } = kernel.makePipe();
  kernel.resizePipe(readFd, bytes);
  const path = `/proc/self/fd/${readFd}`;
  return { fds: [readFd, writeFd], at: { path, inode: statSync(path).ino } };
}
