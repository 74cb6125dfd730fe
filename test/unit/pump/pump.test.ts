// SPDX-License-Identifier: Apache-2.0
// The pump by its messages, in this process, with stages of its own.

import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeFifo, makePipe, openPath } from "../../../src/kernel/index.ts";
import { type FromPump, runPump, type StreamRecord, type ToPump } from "../../../src/pump/index.ts";
import { StagePool } from "../../../src/pump/stage-pool.ts";
import type { StageLocation } from "../../../src/vault/index.ts";
import { waitFor } from "../../support/wait.ts";

const O_RDWR = 2;

class PumpInProcess implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "xenlogd-pump-"));
  readonly told: FromPump[] = [];
  readonly #stage = makePipe();
  #listener: (message: unknown) => void = () => {};
  readonly #end: Promise<void>;

  /** `before` is what a predecessor has left. */
  constructor(before: (pump: PumpInProcess, stages: readonly StageLocation[]) => void = () => {}) {
    for (const name of ["run", "log", "positions"]) mkdirSync(join(this.directory, name));
    const fd = this.#stage.readFd;
    const inode = fstatSync(fd).ino;
    const stages = [{ path: `/proc/self/fd/${fd}`, inode }];
    before(this, stages);
    this.#end = runPump({
      send: (message) => this.told.push(message),
      onMessage: (listener) => {
        this.#listener = listener;
      },
    });
    this.tell({
      type: "start",
      lockFile: join(this.directory, "lock"),
      notesFile: this.notesFile,
      positionsDirectory: join(this.directory, "positions"),
      stages,
      directory: this.directory,
      contents: null,
      fsync: { kind: "none" },
    });
  }

  get notesFile(): string {
    return join(this.directory, "notes");
  }

  tell(message: ToPump): void {
    this.#listener(message);
  }

  async heard(type: FromPump["type"], times = 1): Promise<void> {
    await waitFor(type, () => this.told.filter((message) => message.type === type).length >= times);
  }

  /** A FIFO and the record of a stream that reads it. */
  record(epoch: string, name = "fifo"): StreamRecord {
    const pipe = join(this.directory, "run", name);
    makeFifo(pipe, 0o600);
    return {
      version: 1,
      epoch,
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
      store: "store",
      nodes: "present",
      sequence: 1,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tell({ type: "stop" });
    await this.#end;
    closeSync(this.#stage.readFd);
    closeSync(this.#stage.writeFd);
    rmSync(this.directory, { recursive: true });
  }
}

describe("a pump", () => {
  it("that is asked twice for a stream has it once, and goes on with it", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("00000000000000aa");
    pump.tell({ type: "open", record });
    pump.tell({ type: "open", record });
    await pump.heard("opened", 2);
    const writer = openPath(record.pipe, O_RDWR);
    pump.tell({ type: "report", request: 1 });
    await pump.heard("report");
    const report = pump.told.find((message) => message.type === "report");
    assert.deepEqual(report?.type === "report" && report.streams.map(({ epoch }) => epoch), [
      record.epoch,
    ]);
    assert.ok(!pump.told.some(({ type }) => type === "closed"));
    closeSync(writer);
    pump.tell({ type: "nodesGone", epoch: record.epoch });
    await pump.heard("closed");
    assert.equal(readFileSync(record.file, "utf8"), "");
  });

  it("closes a stream whose FIFO's directory is none any more", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("00000000000000aa");
    pump.tell({ type: "open", record });
    await pump.heard("opened");
    renameSync(record.runRoot, join(pump.directory, "moved"));
    writeFileSync(record.runRoot, "");
    pump.tell({ type: "nodesGone", epoch: record.epoch });
    await pump.heard("closed");
  });

  it("refuses a request that is older than the one its FIFO has", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const older = pump.record("00000000000000aa");
    const newer = { ...older, epoch: "00000000000000bb", sequence: 2 };
    pump.tell({ type: "open", record: newer });
    pump.tell({ type: "open", record: older });
    await pump.heard("notOpened");
    const refused = pump.told.find((message) => message.type === "notOpened");
    assert.partialDeepStrictEqual(refused, { epoch: older.epoch, cause: "renewed" });
    assert.ok(!pump.told.some(({ type }) => type === "closed"));
  });

  it("writes what is left in a stage as soon as the log takes it, before its next owner", async () => {
    const epoch = "00000000000000aa";
    await using pump = new PumpInProcess(({ directory, notesFile }, stages) => {
      const pool = StagePool.open(notesFile, stages);
      const target = {
        epoch,
        logRoot: join(directory, "log"),
        relativeFile: "x.log",
        limitBytes: 65_536,
        copies: 1,
      };
      const stage = pool.take(target, { kind: "write" }, 0, 100);
      assert.ok(stage !== undefined);
      writeSync(stage.fd, "left over\n");
      pool.filled(stage, 10);
      pool.close();
      // Nobody can open that for writing.
      mkdirSync(join(directory, "log/x.log"));
    });
    await pump.heard("started");
    const record = pump.record("00000000000000bb");
    pump.tell({ type: "open", record });
    const writer = openPath(record.pipe, O_RDWR);
    writeSync(writer, "of the next owner\n");
    rmdirSync(record.file);
    await pump.heard("opened");
    await waitFor("bytes", () => readFileSync(record.file, "utf8").includes("owner"));
    assert.equal(readFileSync(record.file, "utf8"), "left over\nof the next owner\n");
    const recovered = pump.told.find((message) => message.type === "recovered");
    assert.partialDeepStrictEqual(recovered, { epoch, bytes: 10 });
    closeSync(writer);
  });
});
