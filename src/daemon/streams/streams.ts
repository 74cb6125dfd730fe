// SPDX-License-Identifier: Apache-2.0
// The streams of this daemon: in memory, on tmpfs, and in the pump of their file system. What they
// should be comes from elsewhere (`reconciler.ts`); this is what they are.

import { dirname } from "node:path";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import type { FromPump, StreamRecord, StreamReport } from "../../pump/index.ts";
import type { FifoKeeper } from "../../vault/index.ts";
import { fileSystemOf, type PumpProcess, readMounts } from "../pumps/index.ts";
import { type ClosedStream, ClosedStreams } from "./closed-streams.ts";
import { type OpenRequest, recordOf } from "./stream-request.ts";
import type { StreamTable } from "./stream-table.ts";

export type Opened =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly reason: string };

/** A stream and what the main process knows of it. */
export interface LiveStream {
  record: StreamRecord;
  readonly fileSystem: string;
  /** Asked for in this life of the daemon, or taken up again from the table. */
  readonly origin: "new" | "restored";
  /** `opening` until the pump has answered for the first time. */
  phase: "opening" | "open";
  report: StreamReport | undefined;
  /** Why values that were written later are not used. */
  error: string | undefined;
  /** Why it could not be opened the last time; said once, however often it is tried. */
  refusal: string | undefined;
  retry: NodeJS.Timeout | undefined;
}

/** How often a stream is tried again whose log cannot be opened. */
const reopenDelayMs = 1000;

export interface StreamsOptions {
  readonly places: Places;
  readonly table: StreamTable;
  readonly emit: EmitEvent;
  readonly fifoKeeper: FifoKeeper;
  /** Makes the pump of a file system, and starts it. */
  readonly pumpFor: (fileSystem: string, directory: string) => PumpProcess;
  /** A stream that was taken up again is open now: nobody has answered its request yet. */
  readonly onRestored: (record: StreamRecord) => void;
}

export class Streams {
  readonly #options: StreamsOptions;
  readonly #live: Map<string, LiveStream> = new Map();
  readonly #closed: ClosedStreams = new ClosedStreams();
  readonly #opening: Map<string, (answer: Opened) => void> = new Map();
  #sequence = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get live(): readonly LiveStream[] {
    return [...this.#live.values()];
  }

  get closed(): readonly ClosedStream[] {
    return this.#closed.all;
  }

  /** Goes on with the streams of the table, before anybody asks xenstore. */
  restore(): void {
    for (const record of this.#options.table.load()) {
      this.#sequence = Math.max(this.#sequence, record.sequence);
      this.#begin(record, fileSystemOf(record.file, readMounts()), "restored");
    }
  }

  /**
   * Begins a stream with a new epoch; resolves when its pump has it, or will not. The FIFO of a stream
   * that is there ends that one's epoch.
   */
  async open(request: OpenRequest): Promise<Opened> {
    this.#sequence += 1;
    const parsed = recordOf(request, this.#options.places, this.#sequence);
    if (parsed.kind === "refused") return parsed;
    const { record } = parsed;
    try {
      const fileSystem = fileSystemOf(record.file, readMounts());
      const before = this.live.find(({ record: { pipe } }) => pipe === record.pipe);
      if (before !== undefined && before.fileSystem !== fileSystem) {
        return refused(
          `file is "${record.file}", on another file system than before; remove the request and make a new one`,
        );
      }
      if (before !== undefined) this.#options.table.remove(before.record.epoch);
      this.#options.table.add(record);
      return await new Promise((resolve) => {
        this.#opening.set(record.epoch, resolve);
        this.#begin(record, fileSystem, "new");
      });
    } catch (error) {
      const reason = describeErrno(errnoNameOf(error) ?? "EIO");
      return refused(`the daemon cannot keep its own record of the stream: ${reason}`);
    }
  }

  nodesGone(epoch: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    this.#record(stream, { nodes: "gone" });
    stream.error = undefined;
    this.#pumpOf(stream).send({ type: "nodesGone", epoch });
  }

  /** The nodes are there again, in this store. */
  nodesBack(epoch: string, store: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    this.#record(stream, { nodes: "present", store });
    this.#pumpOf(stream).send({ type: "nodesBack", epoch });
  }

  /** Another bound from now on; the record comes first, so that a pump which is started now has it. */
  reconfigure(epoch: string, limitBytes: number, copies: number): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    this.#record(stream, { limitBytes, copies });
    this.#pumpOf(stream).send({ type: "reconfigure", epoch, limitBytes, copies });
    const { key } = stream.record;
    this.#options.emit({ kind: "StreamReconfigured", key, epoch, limitBytes, copies });
  }

  /** What xenstore says beside `ready`. */
  noteError(epoch: string, error: string | undefined): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined || stream.error === error) return;
    stream.error = error;
    if (error === undefined) return;
    const { key } = stream.record;
    this.#options.emit({ kind: "StreamChangeRefused", key, epoch, reason: error });
  }

  #record(
    stream: LiveStream,
    change: Partial<Pick<StreamRecord, "nodes" | "store" | "limitBytes" | "copies">>,
  ): void {
    stream.record = { ...stream.record, ...change };
    try {
      this.#options.table.add(stream.record);
    } catch (error) {
      // The next daemon reads it from xenstore: it only learns it later.
      if (errnoNameOf(error) === undefined) throw error;
    }
  }

  /** Resolves when the stream is closed; with `undefined` if it is not known, or after `signal`. */
  async waitClosed(epoch: string, signal: AbortSignal): Promise<ClosedStream | undefined> {
    const known = this.#live.has(epoch) || this.closed.some(({ record }) => record.epoch === epoch);
    return known ? await this.#closed.wait(epoch, signal) : undefined;
  }

  /** Asks all pumps how their streams are; those that do not answer keep their last report. */
  async refresh(): Promise<void> {
    const pumps = new Set(this.live.map((stream) => this.#pumpOf(stream)));
    for (const reports of await Promise.all([...pumps].map((pump) => pump.report()))) {
      for (const report of reports) {
        const stream = this.#live.get(report.epoch);
        if (stream !== undefined) stream.report = report;
      }
    }
  }

  /** A pump has started: it knows nothing yet. */
  tellPump(fileSystem: string): void {
    for (const stream of this.live) {
      if (stream.fileSystem === fileSystem) this.#tell(stream);
    }
  }

  /** A file system whose pump cannot start takes no streams. */
  refuseAll(fileSystem: string, reason: string): void {
    for (const { record, fileSystem: own } of this.live) {
      if (own === fileSystem) this.#refused(record.epoch, reason, "other");
    }
  }

  receive(message: FromPump): void {
    switch (message.type) {
      case "opened":
        this.#opened(message.epoch);
        break;
      case "notOpened":
        this.#refused(message.epoch, message.reason, message.cause);
        break;
      case "closed":
        this.#end(message.report);
        break;
      case "stalled":
        this.#options.emit({
          kind: "StreamStalled",
          key: this.#keyOf(message.epoch),
          reason: message.reason,
        });
        break;
      case "resumed":
        this.#options.emit({ kind: "StreamResumed", key: this.#keyOf(message.epoch) });
        break;
      case "recovered":
        this.#options.emit({
          kind: "StageRecovered",
          epoch: message.epoch,
          bytes: message.bytes,
        });
        break;
      case "lost":
        this.#options.emit({
          kind: "StageLost",
          key: this.#keyOf(message.epoch),
          bytes: message.bytes,
          certainty: message.certainty,
        });
        break;
      case "interfered":
        this.#options.emit({
          kind: "LogInterfered",
          key: this.#keyOf(message.epoch),
          what: message.what,
        });
        break;
      case "orphaned":
        this.#options.emit({ kind: "StageOrphaned", bytes: message.bytes });
        break;
      case "started":
      case "holderReplaced":
      case "stopped":
      case "report":
        break;
    }
  }

  /** Forgets a stream that nobody will go on with. */
  forget(stream: LiveStream): void {
    const { epoch } = stream.record;
    this.#options.fifoKeeper.forget(epoch);
    this.#live.delete(epoch);
    this.#options.table.remove(epoch);
    this.#closed.tell(epoch);
  }

  #begin(record: StreamRecord, fileSystem: string, origin: LiveStream["origin"]): void {
    const stream: LiveStream = {
      record,
      fileSystem,
      origin,
      phase: "opening",
      report: undefined,
      error: undefined,
      refusal: undefined,
      retry: undefined,
    };
    this.#options.fifoKeeper.keep(record);
    this.#live.set(record.epoch, stream);
    this.#tell(stream);
  }

  #tell(stream: LiveStream): void {
    const pump = this.#pumpOf(stream);
    pump.send({ type: "open", record: stream.record });
    const { epoch, nodes } = stream.record;
    if (nodes === "gone") pump.send({ type: "nodesGone", epoch });
  }

  #pumpOf(stream: LiveStream): PumpProcess {
    return this.#options.pumpFor(stream.fileSystem, dirname(stream.record.file));
  }

  #opened(epoch: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    const first = stream.phase === "opening";
    stream.phase = "open";
    stream.refusal = undefined;
    clearTimeout(stream.retry);
    this.#answer(epoch, { kind: "opened" });
    if (!first) return;
    const { key, file } = stream.record;
    this.#options.emit({ kind: "StreamOpened", key, epoch, file });
    if (stream.origin === "restored") this.#options.onRestored(stream.record);
  }

  /**
   * Final for a new request. A stream that was open once has a writer that counts on it, so whatever
   * is in its way is waited for; only when its FIFO is gone, or has its next epoch, there is nothing
   * left to go on with.
   */
  #refused(epoch: string, reason: string, cause: "noFifo" | "renewed" | "other"): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    const { key } = stream.record;
    const isFinal = cause !== "other" || (stream.origin === "new" && stream.phase === "opening");
    if (reason !== stream.refusal) {
      this.#options.emit({ kind: "StreamRefused", key, reason, final: isFinal });
    }
    stream.refusal = reason;
    if (isFinal) {
      this.forget(stream);
      this.#answer(epoch, refused(reason));
      return;
    }
    // One attempt at a time, also when a pump that is started anew has been told meanwhile.
    clearTimeout(stream.retry);
    stream.retry = setTimeout(() => {
      if (this.#live.has(epoch)) this.#tell(stream);
    }, reopenDelayMs).unref();
  }

  #answer(epoch: string, answer: Opened): void {
    this.#opening.get(epoch)?.(answer);
    this.#opening.delete(epoch);
  }

  #end(report: StreamReport): void {
    const stream = this.#live.get(report.epoch);
    if (stream === undefined) return;
    const { key, epoch } = stream.record;
    const { writtenBytes, droppedBytes } = report;
    this.#options.emit({ kind: "StreamClosed", key, epoch, writtenBytes, droppedBytes });
    this.#closed.add({ record: stream.record, report });
    this.forget(stream);
  }

  #keyOf(epoch: string): string {
    return this.#live.get(epoch)?.record.key ?? epoch;
  }
}

function refused(reason: string): Opened {
  return { kind: "refused", reason };
}
