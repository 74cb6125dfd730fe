// SPDX-License-Identifier: Apache-2.0
// The streams of a pump: those that are open, and those that wait for a file, by epoch. What the main
// process says about a stream reaches it in either state.

import { FifoError } from "../fifo/index.ts";
import { errnoNameOf } from "../kernel/index.ts";
import {
  type Durability,
  findPlace,
  type LogBound,
  LogfileError,
  type OpenDirectories,
} from "../logfile/index.ts";
import { lackOfFiles, RetryTimer } from "../program/index.ts";
import { requireLog } from "./log-sink.ts";
import { supersededMarker } from "./markers.ts";
import type { FromPump, PumpPolicies, StreamReport } from "./messages.ts";
import { OpenIndex } from "./open-index.ts";
import { isSuperseded } from "./position-files.ts";
import { PumpedStream } from "./pumped-stream.ts";
import type { LogRate, StreamRecord } from "./record.ts";
import type { Recovery } from "./recovery.ts";
import type { RetryRound } from "./retry-round.ts";
import type { StageOwner } from "./stage-owner.ts";
import type { StagePool } from "./stage-pool.ts";
import type { Nodes } from "./stream-state.ts";
import { decideSuccession, type Holding } from "./succession.ts";

export interface OpenStreamsOptions {
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly directories: OpenDirectories;
  readonly nullFd: number;
  readonly recovery: Recovery;
  readonly retries: RetryRound;
  readonly policies: () => PumpPolicies;
  readonly owner: StageOwner;
  readonly send: (message: FromPump) => void;
}

/** A stream that is to be opened, and what has become of its nodes meanwhile. */
interface WaitingStream {
  readonly record: StreamRecord;
  readonly nodes: Nodes;
  /** When the content of its FIFO was found to be lost. */
  readonly fifoLostAtMs: number | undefined;
  readonly sinceMs: number;
}

type NotOpened = Extract<FromPump, { readonly type: "notOpened" }>;

const backoff = { firstMs: 20, maxMs: 20 };
/** FIFO, log, positions, and the log's directory if no other log is in it. */
const filesPerStream = 4;

export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  readonly #open: OpenIndex = new OpenIndex();
  readonly #waiting: Map<string, WaitingStream> = new Map();
  readonly #retry: RetryTimer = new RetryTimer({
    backoff,
    attempt: () => this.#openWaiting(),
  });

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  open(record: StreamRecord, fifoLostAtMs?: number): void {
    const { epoch } = record;
    if (this.#open.get(epoch) !== undefined) {
      // A duplicate, from two attempts that crossed: not a next epoch of its FIFO.
      this.#options.send({ type: "opened", epoch });
      return;
    }
    const sinceMs = performance.now();
    this.#waiting.set(epoch, { record, nodes: "present", fifoLostAtMs, sinceMs });
    this.#openWaiting();
  }

  nodes(epoch: string, nodes: Nodes): void {
    const waiting = this.#waiting.get(epoch);
    if (waiting !== undefined) this.#waiting.set(epoch, { ...waiting, nodes });
    const stream = this.#open.get(epoch);
    if (nodes === "gone") stream?.nodesGone();
    else stream?.nodesBack();
  }

  reconfigure(epoch: string, change: LogBound & LogRate): void {
    const { limitBytes, copies, rateBytesPerSecond, burstBytes } = change;
    const values = { limitBytes, copies, rateBytesPerSecond, burstBytes };
    const waiting = this.#waiting.get(epoch);
    if (waiting !== undefined) {
      this.#waiting.set(epoch, { ...waiting, record: { ...waiting.record, ...values } });
    }
    this.#open.get(epoch)?.reconfigure(values);
  }

  ratesChanged(): void {
    for (const stream of this.#open.all) stream.ratesChanged();
  }

  lookAtFiles(): void {
    for (const stream of this.#open.all) stream.lookAtFiles();
  }

  reports(): readonly StreamReport[] {
    return this.#open.all.map((stream) => stream.report());
  }

  /** Moves what the FIFOs hold now; returns the bytes that stay in stages. */
  stop(): number {
    this.#retry.cancel();
    let strandedBytes = 0;
    for (const stream of this.#open.all) strandedBytes += stream.drainAndRelease();
    return strandedBytes;
  }

  /** Opens no other stream. Only while none is open. */
  cancel(): void {
    this.#waiting.clear();
    this.#retry.cancel();
  }

  /** Opens what can be opened now, in the order in which it was asked for. */
  #openWaiting(): void {
    for (const waiting of [...this.#waiting.values()]) {
      if (this.#tryOpen(waiting) === "waits") continue;
      const { record, fifoLostAtMs } = waiting;
      const { epoch } = record;
      this.#waiting.delete(epoch);
      if (fifoLostAtMs !== undefined) this.#open.get(epoch)?.markFifoLost(fifoLostAtMs);
      if (waiting.nodes === "gone") this.#open.get(epoch)?.nodesGone();
    }
    if (this.#waiting.size > 0) this.#retry.again();
    else this.#retry.cancel();
  }

  #tryOpen({ record, sinceMs }: WaitingStream): "done" | "waits" {
    const { positionsDirectory, recovery } = this.#options;
    const reader = this.#readerOf(record);
    const owner = isSuperseded(positionsDirectory, record) ? undefined : this.#ownerOf(record);
    const succession = decideSuccession({
      sequence: record.sequence,
      reader: holding(reader),
      owner: holding(owner),
      leftovers: recovery.comesBefore(record) ? "mustGoFirst" : "none",
      waitedMs: performance.now() - sinceMs,
    });
    switch (succession.kind) {
      case "wait":
        return "waits";
      case "refuseRenewed":
        this.#refuse(record, `pipe ${record.pipe} has a newer request`, "renewed");
        break;
      case "refuseOwned":
        this.#refuseOwned(record, owner);
        break;
      case "open":
        this.#start(record);
        break;
      case "takeOver":
        // What is refused takes nothing from the old writer.
        if (this.#mayTake(record)) {
          owner?.handOverFile();
          this.#start(record);
        }
        break;
      case "renew":
        // Its reading end is opened before the old one is closed.
        if (this.#start(record) === "opened") this.#release(reader);
        break;
      case "renewWithoutFile":
        // In this order: a refused request whose FIFO still has a stream is one that goes on.
        this.#release(reader);
        this.#refuseOwned(record, owner);
        break;
    }
    return "done";
  }

  #readerOf({ pipe }: StreamRecord): PumpedStream | undefined {
    return this.#open.withPipe(pipe)[0];
  }

  /** The stream that writes the same file, by whatever path. */
  #ownerOf(record: StreamRecord): PumpedStream | undefined {
    const owner = this.#open.withFile(record).find(writes);
    if (owner !== undefined) return owner;
    const writer = this.#writerOf(record);
    if (writer === undefined || writer.state.kind === "stalled") return writer;
    // It may have lost its name to this path: it goes on in a new file then.
    writer.lookAtFiles();
    return this.#writerOf(record);
  }

  #writerOf({ logRoot, relativeFile }: StreamRecord): PumpedStream | undefined {
    const place = findPlace(logRoot, relativeFile, this.#options.directories);
    const writer = place && this.#open.withLive(place);
    return writer !== undefined && writes(writer) ? writer : undefined;
  }

  #release(stream: PumpedStream | undefined): void {
    if (stream === undefined) return;
    this.#open.delete(stream.record.epoch);
    this.#options.send({ type: "closed", report: stream.release() });
  }

  #mayTake(target: StreamRecord): boolean {
    try {
      requireLog({ ...this.#options, target });
      return true;
    } catch (error) {
      this.#refuseFor(error, target);
      return false;
    }
  }

  #start(record: StreamRecord): "opened" | "refused" {
    const { epoch } = record;
    const { owner, recovery, send } = this.#options;
    const lack = lackOfFiles("pump", filesPerStream);
    if (lack !== undefined) return this.#refuse(record, lack, "other");
    try {
      // Until then it is not known whose the stages are: no stream may use them.
      if (!owner.isFound) owner.require(record);
      const stream = PumpedStream.open({
        ...this.#options,
        record,
        leftover: recovery.leftoverOf(epoch),
        onStalled: (reason) => send({ type: "stalled", epoch, reason }),
        onDropping: (reason) => send({ type: "dropping", epoch, reason }),
        onResumed: () => send({ type: "resumed", epoch }),
        onLive: (live) => this.#open.writes(epoch, live),
        onInterference: (interference) => send({ type: "interfered", epoch, ...interference }),
        onClosed: (report) => this.#closed(record, report),
      });
      recovery.takenOver(epoch);
      this.#open.add(stream);
      send({ type: "opened", epoch });
      return "opened";
    } catch (error) {
      this.#open.delete(epoch);
      return this.#refuseFor(error, record);
    }
  }

  #closed(record: StreamRecord, report: StreamReport): void {
    this.#open.delete(record.epoch);
    const { superseded = 0 } = report.droppedBytes;
    if (superseded > 0) {
      // The marker stands where the file's next owner writes now.
      this.#ownerOf(record)?.mark(supersededMarker(superseded, record.key, Date.now()));
    }
    this.#options.send({ type: "closed", report });
  }

  /** Throws what is not about files. */
  #refuseFor(error: unknown, record: StreamRecord): "refused" {
    const isExpected = error instanceof FifoError || error instanceof LogfileError;
    if (!(isExpected || errnoNameOf(error) !== undefined)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    return this.#refuse(record, message, isMissingFifo(error) ? "noFifo" : "other");
  }

  #refuseOwned(record: StreamRecord, owner: PumpedStream | undefined): void {
    const reason = `file ${record.file} is the log of ${owner?.record.key} already`;
    this.#refuse(record, reason, "other");
  }

  #refuse({ epoch }: StreamRecord, reason: string, cause: NotOpened["cause"]): "refused" {
    this.#options.send({ type: "notOpened", epoch, reason, cause });
    return "refused";
  }
}

function writes({ state }: PumpedStream): boolean {
  return state.kind !== "discarding";
}

function holding(stream: PumpedStream | undefined): Holding | undefined {
  if (stream === undefined) return undefined;
  const { record, state } = stream;
  return { epoch: record.epoch, sequence: record.sequence, state };
}

function isMissingFifo(error: unknown): boolean {
  return error instanceof FifoError && errnoNameOf(error.cause) === "ENOENT";
}
