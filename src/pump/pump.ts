// SPDX-License-Identifier: Apache-2.0
// The pump process: the streams of one log file system. It lives as long as its main process, and
// holds its lock as long as it lives, so that a successor knows when its stages are free.

import { closeSync, constants } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { FifoError } from "../fifo/index.ts";
import { errnoNameOf, identifyFileSystem, openPath, tryLock } from "../kernel/index.ts";
import { Durability, LogfileError } from "../logfile/index.ts";
import { Leftovers } from "./leftovers.ts";
import { LogSink } from "./log-sink.ts";
import { supersededMarker } from "./markers.ts";
import {
  type FromPump,
  type PumpStart,
  parseToPump,
  type StreamReport,
  type ToPump,
} from "./messages.ts";
import { PumpedStream } from "./pumped-stream.ts";
import { isSameFile, type StreamRecord } from "./record.ts";
import { StagePool } from "./stage-pool.ts";
import type { Nodes } from "./stream-state.ts";

/** The other end of the channel: the main process. */
export interface PumpChannel {
  send(message: FromPump): void;
  /** Messages as they come, parsed by nobody yet. */
  onMessage(listener: (message: unknown) => void): void;
}

/** The next owner of a file waits that long for the last writers of the old one. */
const successionWaitMs = 2000;

const lockRetryMs = 5;
const pendingRetryMs = 20;

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
  const contents = identifyContents(start.directory);
  if (start.contents !== null && contents !== start.contents) {
    channel.send({ type: "otherContents", contents });
    return;
  }
  await holdLock(start.lockFile);
  const pump = new Pump(channel, start, contents);
  await new Promise<void>((resolve, reject) => {
    channel.onMessage((message) => {
      const parsed = parse(message);
      if (parsed === undefined) return;
      try {
        if (pump.receive(parsed) === "stopped") resolve();
      } catch (error) {
        reject(error);
      }
    });
    pump.begin();
  });
}

/** A message of a main process of another version is left out: the streams there are go on. */
function parse(message: unknown): ToPump | undefined {
  try {
    return parseToPump(message);
  } catch (error) {
    process.stderr.write(`xenlogd-pump: cannot understand a message: ${String(error)}\n`);
    return undefined;
  }
}

/** Which file system this is, by what it is; null if the directory cannot be opened. */
function identifyContents(directory: string): string | null {
  try {
    return identifyFileSystem(directory);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return null;
  }
}

/** The lock is held until the process ends; a predecessor stuck in a hung disk keeps us waiting. */
async function holdLock(path: string): Promise<void> {
  const fd = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  while (!tryLock(fd, "exclusive")) await delay(lockRetryMs);
}

/** A stream that is to be opened, and what has become of its nodes meanwhile. */
interface PendingOpen {
  readonly record: StreamRecord;
  readonly nodes: Nodes;
  readonly deadlineMs: number;
}

type Reconfigure = Extract<ToPump, { readonly type: "reconfigure" }>;
type Refused = Extract<FromPump, { readonly type: "refused" }>;

class Pump {
  readonly #channel: PumpChannel;
  readonly #contents: string | null;
  readonly #pool: StagePool;
  readonly #positionsDirectory: string;
  readonly #nullFd: number = openPath("/dev/null", constants.O_WRONLY);
  readonly #streams: Map<string, PumpedStream> = new Map();
  /** Streams that wait for the last writers of another one, by epoch. */
  readonly #pending: Map<string, PendingOpen> = new Map();
  #pendingTimer: NodeJS.Timeout | undefined;
  readonly #leftovers: Leftovers;
  readonly #durability: Durability;

  constructor(channel: PumpChannel, start: PumpStart, contents: string | null) {
    this.#contents = contents;
    this.#channel = channel;
    this.#pool = StagePool.open(start.notesFile, start.stages);
    this.#positionsDirectory = start.positionsDirectory;
    this.#durability = new Durability(start.fsync);
    this.#leftovers = new Leftovers({
      pool: this.#pool,
      positionsDirectory: this.#positionsDirectory,
      durability: this.#durability,
      nullFd: this.#nullFd,
      send: (message) => this.#channel.send(message),
    });
  }

  begin(): void {
    this.#leftovers.begin();
    this.#channel.send({ type: "started", contents: this.#contents });
  }

  receive(message: ToPump): "running" | "stopped" {
    switch (message.type) {
      case "start":
        throw new Error("start came twice");
      case "open":
        this.#open(message.record);
        return "running";
      case "nodesGone":
        this.#nodes(message.epoch, "gone");
        return "running";
      case "nodesBack":
        this.#nodes(message.epoch, "present");
        return "running";
      case "reconfigure":
        this.#reconfigure(message);
        return "running";
      case "configure":
        this.#durability.policy = message.fsync;
        return "running";
      case "reopen":
        for (const stream of this.#streams.values()) stream.lookAtFiles();
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

  #open(record: StreamRecord): void {
    const { epoch } = record;
    if (this.#streams.has(epoch)) {
      // Asked for twice, by two attempts that crossed: not a next epoch of its FIFO.
      this.#channel.send({ type: "opened", epoch });
      return;
    }
    const deadlineMs = performance.now() + successionWaitMs;
    this.#pending.set(epoch, { record, nodes: "present", deadlineMs });
    this.#settlePending();
  }

  #nodes(epoch: string, nodes: Nodes): void {
    const pending = this.#pending.get(epoch);
    if (pending !== undefined) this.#pending.set(epoch, { ...pending, nodes });
    const stream = this.#streams.get(epoch);
    if (nodes === "gone") stream?.nodesGone();
    else stream?.nodesBack();
  }

  #reconfigure({ epoch, limitBytes, copies }: Reconfigure): void {
    const pending = this.#pending.get(epoch);
    if (pending !== undefined) {
      const record = { ...pending.record, limitBytes, copies };
      this.#pending.set(epoch, { ...pending, record });
    }
    this.#streams.get(epoch)?.reconfigure(limitBytes, copies);
  }

  /** Opens what can be opened now, in the order in which it was asked for. */
  #settlePending(): void {
    clearTimeout(this.#pendingTimer);
    for (const pending of [...this.#pending.values()]) {
      const outcome = this.#settle(pending);
      if (outcome === "waits") continue;
      this.#pending.delete(pending.record.epoch);
      if (pending.nodes === "gone") this.#streams.get(pending.record.epoch)?.nodesGone();
    }
    if (this.#pending.size === 0) return;
    this.#pendingTimer = setTimeout(() => this.#settlePending(), pendingRetryMs);
  }

  #settle({ record, deadlineMs }: PendingOpen): "settled" | "waits" {
    const before = [...this.#streams.values()].find(({ record: { pipe } }) => pipe === record.pipe);
    if (before !== undefined && before.record.sequence > record.sequence) {
      // Asked for again, after a refusal, when the FIFO had its next epoch.
      this.#refuse(record, `pipe ${record.pipe} has a newer request`, "renewed");
      return "settled";
    }
    const isSuperseded = LogSink.isSuperseded(this.#positionsDirectory, record);
    const owner = isSuperseded ? undefined : this.#ownerOf(record);
    // Bytes that are stuck go first: what refuses them would refuse the next epoch's too.
    if (before?.state.kind === "stalled" || owner?.state.kind === "stalled") return "waits";
    if (this.#leftovers.comeBefore(record)) return "waits";
    if (before !== undefined) {
      this.#renew(before, record, owner);
    } else if (owner === undefined) {
      this.#start(record);
    } else if (isWanted(owner)) {
      this.#refuseOwned(record, owner);
    } else if (performance.now() >= deadlineMs) {
      owner.supersede();
      this.#start(record);
    } else {
      return "waits";
    }
    return "settled";
  }

  /** The FIFO's next epoch. Its new reading end is opened before the old one goes. */
  #renew(before: PumpedStream, record: StreamRecord, owner: PumpedStream | undefined): void {
    if (owner !== undefined && owner !== before) this.#refuseOwned(record, owner);
    else this.#start(record);
    this.#streams.delete(before.record.epoch);
    this.#channel.send({ type: "closed", report: before.release() });
  }

  /** The stream that writes the same file, if there is one. */
  #ownerOf(record: StreamRecord): PumpedStream | undefined {
    for (const stream of this.#streams.values()) {
      if (isSameFile(stream.record, record) && stream.state.kind !== "discarding") return stream;
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
        durability: this.#durability,
        nullFd: this.#nullFd,
        leftover: this.#leftovers.of(epoch),
        onStalled: (reason) => this.#channel.send({ type: "stalled", epoch, reason }),
        onResumed: () => this.#channel.send({ type: "resumed", epoch }),
        onInterference: (what) => this.#channel.send({ type: "interfered", epoch, what }),
        onClosed: (report) => this.#closed(record, report),
      });
      this.#leftovers.handedOver(epoch);
      this.#streams.set(epoch, stream);
      this.#channel.send({ type: "opened", epoch });
    } catch (error) {
      const isOurs = error instanceof FifoError || error instanceof LogfileError;
      if (!(isOurs || errnoNameOf(error) !== undefined)) throw error;
      const message = error instanceof Error ? error.message : String(error);
      this.#refuse(record, message, isMissingFifo(error) ? "noFifo" : "other");
    }
  }

  #closed(record: StreamRecord, report: StreamReport): void {
    this.#streams.delete(record.epoch);
    const { superseded = 0 } = report.droppedBytes;
    if (superseded > 0) {
      // The log says so where its next owner writes now.
      this.#ownerOf(record)?.mark(supersededMarker(superseded, record.key, Date.now()));
    }
    this.#channel.send({ type: "closed", report });
  }

  #refuseOwned(record: StreamRecord, owner: PumpedStream): void {
    const reason = `file ${record.file} is the log of ${owner.record.key} already`;
    this.#refuse(record, reason, "other");
  }

  #refuse(record: StreamRecord, reason: string, cause: Refused["cause"]): void {
    this.#channel.send({ type: "refused", epoch: record.epoch, reason, cause });
  }

  #stop(): void {
    clearTimeout(this.#pendingTimer);
    let strandedBytes = this.#leftovers.stop();
    for (const stream of this.#streams.values()) strandedBytes += stream.drainAndRelease();
    this.#pool.close();
    this.#durability.close();
    closeSync(this.#nullFd);
    this.#channel.send({ type: "stopped", strandedBytes });
  }
}

function isMissingFifo(error: unknown): boolean {
  return error instanceof FifoError && errnoNameOf(error.cause) === "ENOENT";
}

function isWanted(stream: PumpedStream): boolean {
  const { state } = stream;
  return state.kind === "logging" || (state.kind === "stalled" && state.nodes === "present");
}
