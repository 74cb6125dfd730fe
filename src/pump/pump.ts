// SPDX-License-Identifier: Apache-2.0
// The pump process: the streams of one log file system. It lives as long as its main process, and
// holds its lock as long as it lives, so that a successor knows when its stages are free.

import { closeSync, constants } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { openPath, tryLock } from "../kernel/index.ts";
import { LogfileError } from "../logfile/index.ts";
import { FifoError } from "./fifo.ts";
import { type FromPump, type PumpStart, parseToPump, type ToPump } from "./messages.ts";
import { PumpedStream } from "./pumped-stream.ts";
import type { StreamRecord } from "./record.ts";
import { recoverStages } from "./recovery.ts";
import { type FilledStage, StagePool } from "./stage-pool.ts";

/** The other end of the channel: the main process. */
export interface PumpChannel {
  send(message: FromPump): void;
  /** Messages as they come, parsed by nobody yet. */
  onMessage(listener: (message: unknown) => void): void;
}

/** The next owner of a file waits that long for the last writers of the old one. */
const successionWaitMs = 2000;

const lockRetryMs = 5;

/**
 * Serves one main process and resolves when that has said stop. Between two turns of the event loop
 * every stage is empty or holds what the file system refused, so the process may just exit when the
 * main process is gone: whoever comes next goes on from there.
 */
export async function runPump(channel: PumpChannel): Promise<void> {
  const start = await new Promise<ToPump>((resolve) => {
    channel.onMessage((message) => resolve(parseToPump(message)));
  });
  if (start.type !== "start") throw new Error(`the first message was ${start.type}, not start`);
  await holdLock(start.lockFile);
  const pump = new Pump(channel, start);
  await new Promise<void>((resolve, reject) => {
    channel.onMessage((message) => {
      try {
        if (pump.receive(parseToPump(message)) === "stopped") resolve();
      } catch (error) {
        reject(error);
      }
    });
    pump.begin();
  });
}

/** The lock is held until the process ends; a predecessor stuck in a hung disk keeps us waiting. */
async function holdLock(path: string): Promise<void> {
  const fd = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  while (!tryLock(fd, "exclusive")) await delay(lockRetryMs);
}

class Pump {
  readonly #channel: PumpChannel;
  readonly #pool: StagePool;
  readonly #positionsDirectory: string;
  readonly #nullFd: number = openPath("/dev/null", constants.O_WRONLY);
  readonly #streams: Map<string, PumpedStream> = new Map();
  /** Stages that a predecessor filled and the file system still refuses, by epoch. */
  readonly #leftovers: Map<string, FilledStage> = new Map();

  constructor(channel: PumpChannel, start: PumpStart) {
    this.#channel = channel;
    this.#pool = StagePool.open(start.notesFile, start.stages);
    this.#positionsDirectory = start.positionsDirectory;
  }

  /** Empties the stages before any FIFO is read: their bytes come first. */
  begin(): void {
    for (const leftover of recoverStages({
      pool: this.#pool,
      positionsDirectory: this.#positionsDirectory,
      nullFd: this.#nullFd,
      send: (message) => this.#channel.send(message),
    })) {
      this.#leftovers.set(leftover.epoch, leftover.filled);
    }
    this.#channel.send({ type: "started" });
  }

  receive(message: ToPump): "running" | "stopped" {
    switch (message.type) {
      case "start":
        throw new Error("start came twice");
      case "open":
        this.#open(message.record, Date.now() + successionWaitMs);
        return "running";
      case "nodesGone":
        this.#streams.get(message.epoch)?.nodesGone();
        return "running";
      case "nodesBack":
        this.#streams.get(message.epoch)?.nodesBack();
        return "running";
      case "report":
        this.#channel.send({
          type: "report",
          request: message.request,
          streams: [...this.#streams.values()].map((stream) => stream.report()),
        });
        return "running";
      case "stop":
        this.#stop();
        return "stopped";
    }
  }

  #open(record: StreamRecord, deadlineMs: number): void {
    const before = [...this.#streams.values()].find(({ record: { pipe } }) => pipe === record.pipe);
    if (before !== undefined) {
      this.#renew(before, record, deadlineMs);
      return;
    }
    const owner = this.#ownerOf(record);
    if (owner === undefined) {
      this.#start(record);
    } else if (isWanted(owner)) {
      this.#refuseOwned(record, owner);
    } else if (Date.now() >= deadlineMs && owner.state.kind !== "stalled") {
      owner.supersede();
      this.#start(record);
    } else {
      // A stalled owner is waited for: what refuses its bytes would refuse the next owner's too.
      setTimeout(() => this.#open(record, deadlineMs), lockRetryMs);
    }
  }

  /** The FIFO's next epoch. Its new reading end is opened before the old one goes. */
  #renew(before: PumpedStream, record: StreamRecord, deadlineMs: number): void {
    if (before.state.kind === "stalled") {
      setTimeout(() => this.#open(record, deadlineMs), lockRetryMs);
      return;
    }
    const owner = this.#ownerOf(record);
    if (owner !== undefined && owner !== before) this.#refuseOwned(record, owner);
    else this.#start(record);
    this.#streams.delete(before.record.epoch);
    this.#channel.send({ type: "closed", report: before.release() });
  }

  /** The stream that writes the same file, if there is one. */
  #ownerOf(record: StreamRecord): PumpedStream | undefined {
    for (const stream of this.#streams.values()) {
      const other = stream.record;
      const sameFile =
        other.logRoot === record.logRoot && other.relativeFile === record.relativeFile;
      if (sameFile && stream.state.kind !== "discarding") return stream;
    }
    return undefined;
  }

  #start(record: StreamRecord): void {
    const { epoch } = record;
    try {
      const stream = new PumpedStream({
        record,
        pool: this.#pool,
        positionsDirectory: this.#positionsDirectory,
        nullFd: this.#nullFd,
        leftover: this.#leftovers.get(epoch),
        onStalled: (reason) => this.#channel.send({ type: "stalled", epoch, reason }),
        onResumed: () => this.#channel.send({ type: "resumed", epoch }),
        onClosed: (report) => {
          this.#streams.delete(epoch);
          this.#channel.send({ type: "closed", report });
        },
      });
      this.#leftovers.delete(epoch);
      this.#streams.set(epoch, stream);
      this.#channel.send({ type: "opened", epoch });
    } catch (error) {
      if (!(error instanceof FifoError || error instanceof LogfileError)) throw error;
      this.#refuse(record, error.message);
    }
  }

  #refuseOwned(record: StreamRecord, owner: PumpedStream): void {
    this.#refuse(record, `file ${record.file} is the log of ${owner.record.key} already`);
  }

  #refuse(record: StreamRecord, reason: string): void {
    this.#channel.send({ type: "refused", epoch: record.epoch, reason });
  }

  #stop(): void {
    let strandedBytes = 0;
    for (const stream of this.#streams.values()) strandedBytes += stream.drainAndRelease();
    for (const leftover of this.#leftovers.values()) strandedBytes += leftover.bytes;
    this.#pool.close();
    closeSync(this.#nullFd);
    this.#channel.send({ type: "stopped", strandedBytes });
  }
}

function isWanted(stream: PumpedStream): boolean {
  const { state } = stream;
  return state.kind === "logging" || (state.kind === "stalled" && state.nodes === "present");
}
