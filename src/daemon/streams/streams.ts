// SPDX-License-Identifier: Apache-2.0
// The streams of this daemon as they are: in memory, on tmpfs, and in the pump of their file system.
// What they should be is decided in requests/.

import { dirname } from "node:path";
import { errorValue, keyText } from "../../contract/index.ts";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import { RetryTimer } from "../../program/index.ts";
import type { FromPump, StreamRecord, StreamReport } from "../../pump/index.ts";
import type { Vault } from "../../vault/index.ts";
import { fileSystemOf, type PumpProcess, readMounts } from "../pumps/index.ts";
import { type ClosedStream, ClosedStreams } from "./closed-streams.ts";
import { type LiveStream, LiveStreams } from "./live-streams.ts";
import { eventOf } from "./pump-events.ts";
import { conflictOf, type OpenRequest, recordOf } from "./stream-request.ts";
import type { StreamTable } from "./stream-table.ts";

export type Opened =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly reason: string };

/** How often a stream is tried again whose log cannot be opened. */
const reopenBackoff = { firstMs: 1000, maxMs: 1000 };

export interface StreamsOptions {
  readonly places: Places;
  readonly table: StreamTable;
  readonly emit: EmitEvent;
  readonly vault: Vault;
  /** Makes the pump of a file system, and starts it. */
  readonly pumpFor: (fileSystem: string, directory: string) => PumpProcess;
  /** A stream of the table is open again: its request may not have been answered. */
  readonly onRestored: (record: StreamRecord) => void;
}

export class Streams {
  readonly #options: StreamsOptions;
  readonly #live: LiveStreams = new LiveStreams();
  readonly #closed: ClosedStreams = new ClosedStreams();
  readonly #opening: Map<string, (answer: Opened) => void> = new Map();
  #sequence = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get live(): readonly LiveStream[] {
    return this.#live.all;
  }

  /** The streams of one request, FIFO or log. */
  having(field: "key" | "relativePipe" | "file", value: string): readonly LiveStream[] {
    return this.#live.having(field, value);
  }

  get closed(): readonly ClosedStream[] {
    return this.#closed.all;
  }

  /** Goes on with the streams of the table, before xenstore is read. */
  restore(): void {
    const { table, emit } = this.#options;
    const records = table.load((file) => emit({ kind: "StateSetAside", ...file }));
    for (const record of records) {
      this.#sequence = Math.max(this.#sequence, record.sequence);
      this.#begin(record, fileSystemOf(record.file, readMounts()), "restored");
    }
  }

  /**
   * Begins a stream with a new epoch; resolves when its pump has opened it, or refuses. The stream of
   * the same request and FIFO ends; a FIFO of another request is refused. When it returns, the FIFO is
   * in the vault.
   */
  async open(request: OpenRequest): Promise<Opened> {
    this.#sequence += 1;
    const key = keyText(request.key);
    const parsed = recordOf(request, this.#options.places, this.#sequence);
    if (parsed.kind === "refused") return this.#refuse(key, parsed.reason);
    const { record } = parsed;
    try {
      const fileSystem = fileSystemOf(record.file, readMounts());
      const [before] = this.#live.having("relativePipe", record.relativePipe);
      if (before !== undefined) {
        const conflict = conflictOf(before, record, fileSystem);
        if (conflict !== undefined) return this.#refuse(key, conflict);
      }
      // Without room for the new one the one before stays, and its stream.
      this.#options.table.add(record);
      if (before !== undefined) this.#options.table.remove(before.record.epoch);
      return await new Promise((resolve) => {
        this.#opening.set(record.epoch, resolve);
        this.#begin(record, fileSystem, "new");
      });
    } catch (error) {
      const reason = describeErrno(errnoNameOf(error) ?? "EIO");
      return this.#refuse(key, `the daemon cannot keep its own record of the stream: ${reason}`);
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

  /** Changes the bound. The record comes first, so that a pump which is started now has it. */
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
      // The next daemon reads it from xenstore, later than it would from the table.
      if (errnoNameOf(error) === undefined) throw error;
    }
  }

  /** Resolves when the stream is closed; with `undefined` if it is not known, or after `signal`. */
  async waitClosed(epoch: string, signal: AbortSignal): Promise<ClosedStream | undefined> {
    const known =
      this.#live.get(epoch) !== undefined ||
      this.closed.some(({ record }) => record.epoch === epoch);
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

  /** The pump of a file system has started, and has no streams yet. */
  openAllIn(fileSystem: string): void {
    for (const stream of this.live) {
      if (stream.fileSystem === fileSystem) this.#openInPump(stream);
    }
  }

  /** The pump of a file system cannot start: it takes no streams. */
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
      default: {
        const event = eventOf(message, (epoch) => this.#keyOf(epoch));
        if (event !== undefined) this.#options.emit(event);
      }
    }
  }

  /** Forgets a stream that has ended. */
  forget(stream: LiveStream): void {
    const { epoch } = stream.record;
    stream.retry.cancel();
    this.#options.vault.forget(epoch);
    this.#live.delete(stream);
    this.#options.table.remove(epoch);
    this.#closed.resolveWaiting(epoch);
  }

  #begin(record: StreamRecord, fileSystem: string, origin: LiveStream["origin"]): void {
    const stream: LiveStream = {
      record,
      fileSystem,
      origin,
      phase: "opening",
      report: undefined,
      error: undefined,
      fifoLostAtMs: this.#options.vault.keep(record) === "lost" ? Date.now() : undefined,
      retry: new RetryTimer({
        backoff: reopenBackoff,
        attempt: () => this.#openInPump(stream),
        onFailure: (reason) => this.#reportRefusal(record.key, reason, false),
        unref: true,
      }),
    };
    this.#live.add(stream);
    if (stream.fifoLostAtMs !== undefined) {
      this.#options.emit({ kind: "FifoLost", key: record.key });
    }
    this.#openInPump(stream);
  }

  #openInPump(stream: LiveStream): void {
    const pump = this.#pumpOf(stream);
    const { record, fifoLostAtMs } = stream;
    pump.send({ type: "open", record, ...(fifoLostAtMs !== undefined && { fifoLostAtMs }) });
    const { epoch, nodes } = record;
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
    stream.retry.succeeded();
    this.#answer(epoch, { kind: "opened" });
    if (!first) return;
    const { key, file } = stream.record;
    this.#options.emit({ kind: "StreamOpened", key, epoch, file });
    if (stream.origin === "restored") this.#options.onRestored(stream.record);
  }

  /**
   * Final for a new request. A stream that was open once has a writer that depends on it, so it is
   * tried again; it ends only when its FIFO is gone or has its next epoch.
   */
  #refused(epoch: string, reason: string, cause: "noFifo" | "renewed" | "other"): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    const isFinal = cause !== "other" || (stream.origin === "new" && stream.phase === "opening");
    if (!isFinal) {
      stream.retry.failed(reason);
      return;
    }
    this.#reportRefusal(stream.record.key, reason, true);
    this.forget(stream);
    this.#answer(epoch, refused(reason));
  }

  /** A request that gets no stream. */
  #refuse(key: string, reason: string): Opened {
    this.#reportRefusal(key, reason, true);
    return refused(reason);
  }

  /** The event has the text of the request's `error`. */
  #reportRefusal(key: string, reason: string, final: boolean): void {
    this.#options.emit({ kind: "StreamRefused", key, reason: errorValue(reason), final });
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
