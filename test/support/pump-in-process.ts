// SPDX-License-Identifier: Apache-2.0
// A pump in this process, spoken to by its messages, with stages that the test has open.

import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo, makePipe, openPath, resizePipe } from "../../src/kernel/index.ts";
import type { FsyncPolicy } from "../../src/logfile/index.ts";
import { type FromPump, runPump, type StreamRecord, type ToPump } from "../../src/pump/index.ts";
import { StagePool } from "./crash/product.ts";
import { waitFor } from "./wait.ts";

type Start = Extract<ToPump, { type: "start" }>;
type StageLocation = Start["stages"][number];

export interface PumpInProcessOptions {
  readonly stages?: number;
  /** Capacity of a stage; 64 KiB if it is not given. */
  readonly stageBytes?: number;
  readonly fsync?: FsyncPolicy;
  /** 5 s if it is not given. */
  readonly graceMs?: number;
  /** What a predecessor has left. */
  readonly before?: (pump: PumpInProcess) => void;
  /** Changes the message with which the pump starts. */
  readonly start?: (start: Start) => Start;
}

const O_RDWR = 2;

export class PumpInProcess implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "xenlogd-pump-"));
  readonly received: FromPump[] = [];
  /** Rejects if the pump cannot start. */
  readonly ended: Promise<void>;
  readonly #stages: readonly ReturnType<typeof makePipe>[];
  readonly #writers: number[] = [];
  #listener: (message: unknown) => void = () => {};

  constructor(options: PumpInProcessOptions = {}) {
    const { stages = 1, stageBytes, fsync = { kind: "none" }, graceMs = 5000 } = options;
    const { before, start } = options;
    for (const name of ["run", "log", "positions"]) mkdirSync(join(this.directory, name));
    this.#stages = Array.from({ length: stages }, makePipe);
    for (const { writeFd } of this.#stages) resizePipe(writeFd, stageBytes ?? 65_536);
    before?.(this);
    this.ended = runPump({
      send: (message) => this.received.push(message),
      onMessage: (listener) => {
        this.#listener = listener;
      },
    });
    // Reported by the test that waits for `ended`, or by one that waits for "started" in vain.
    this.ended.catch(() => {});
    const message: Start = {
      type: "start",
      lockFile: join(this.directory, "lock"),
      notesFile: this.#notesFile,
      positionsDirectory: join(this.directory, "positions"),
      stages: this.#locations,
      fsync,
      overflow: { graceMs },
      rate: null,
      directory: join(this.directory, "log"),
      contents: null,
      recorded: null,
    };
    this.tell(start?.(message) ?? message);
  }

  get #notesFile(): string {
    return join(this.directory, "notes");
  }

  get #locations(): readonly StageLocation[] {
    return this.#stages.map(({ readFd }) => this.#locationOf(readFd));
  }

  /**
   * What a pump leaves that was killed with these texts in its stages, the first stage first: the
   * stages and their notes. With `isLost` the note is about a stage that is gone.
   */
  leave(record: StreamRecord, left: readonly { text: string; isLost: boolean }[]): void {
    const locations = this.#locations.map((location, index) =>
      left[index]?.isLost === true ? this.#otherPipe() : location,
    );
    const pool = StagePool.open(this.#notesFile, locations);
    for (const { text } of left) {
      const stage = pool.take(record, { kind: "write" }, 0, text.length);
      assert.ok(stage !== undefined);
      writeSync(stage.fd, text);
      pool.filled(stage, text.length);
    }
    pool.close();
    // It is known as a stream by its record of positions.
    writeFileSync(join(this.directory, "positions", record.epoch), "");
  }

  #otherPipe(): StageLocation {
    const { readFd, writeFd } = makePipe();
    this.#writers.push(readFd, writeFd);
    return this.#locationOf(readFd);
  }

  #locationOf(fd: number): StageLocation {
    const { ino: inode } = fstatSync(fd);
    return { path: `/proc/self/fd/${fd}`, inode };
  }

  tell(message: ToPump): void {
    this.#listener(message);
  }

  async heard<T extends FromPump["type"]>(
    type: T,
    times = 1,
  ): Promise<Extract<FromPump, { type: T }>> {
    return await waitFor(type, () => {
      const all = this.received.filter((message) => message.type === type);
      return all[times - 1] as Extract<FromPump, { type: T }> | undefined;
    });
  }

  /** A FIFO and the record of a stream that reads it. */
  record(epoch: string, change: Partial<StreamRecord> = {}): StreamRecord {
    const name = `fifo-${epoch}`;
    const pipe = join(this.directory, "run", name);
    makeFifo(pipe, 0o600);
    return {
      version: 1,
      epoch: epoch.padStart(16, "0"),
      key: "5/1",
      name: "guest",
      log: "console",
      pipe,
      file: join(this.directory, "log/x.log"),
      runRoot: join(this.directory, "run"),
      relativePipe: name,
      logRoot: join(this.directory, "log"),
      relativeFile: "x.log",
      limitBytes: 65_536,
      copies: 1,
      overflow: "auto",
      rateBytesPerSecond: null,
      burstBytes: null,
      store: "store",
      nodes: "present",
      sequence: 1,
      ...change,
    };
  }

  /** A writer as QEMU is one; closed at the end, if not before. */
  writer({ pipe }: StreamRecord): number {
    const fd = openPath(pipe, O_RDWR);
    this.#writers.push(fd);
    return fd;
  }

  closeWriter(fd: number): void {
    this.#writers.splice(this.#writers.indexOf(fd), 1);
    closeSync(fd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tell({ type: "stop" });
    await this.ended.catch(() => {});
    for (const fd of this.#writers) closeSync(fd);
    for (const { readFd, writeFd } of this.#stages) {
      closeSync(readFd);
      closeSync(writeFd);
    }
    rmSync(this.directory, { recursive: true });
  }
}
