// SPDX-License-Identifier: Apache-2.0
// The streams of this daemon as they are: in memory, on tmpfs, and in the pump of their file system.
// What they should be is decided in requests/.

import { dirname } from "node:path";
import { errorValue } from "../../contract/index.ts";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { EmitEvent, EventStream } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import { lackOfFiles, RetryTimer } from "../../program/index.ts";
import type { FromPump, StreamRecord, StreamReport } from "../../pump/index.ts";
import type { Vault } from "../../vault/index.ts";
import { fileSystemOf, type PumpProcess, readMounts } from "../pumps/index.ts";
import { type ClosedStream, ClosedStreams } from "./closed-streams.ts";
import { type LiveStream, LiveStreams } from "./live-streams.ts";
import { Stalls } from "./stalls.ts";
import { StreamChanges } from "./stream-changes.ts";
import { aboutStream, eventOf } from "./stream-events.ts";
import { conflictOf, type OpenRequest, recordOf } from "./stream-request.ts";
import type { StreamTable } from "./stream-table.ts";
import { StreamWaits } from "./stream-waits.ts";

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
  readonly #stalls: Stalls;
  readonly #opening: Map<string, (answer: Opened) => void> = new Map();
  readonly changes: StreamChanges;
  readonly waits: StreamWaits = new StreamWaits(this.#live, this.#closed);
  #sequence = 0;

  constructor(options: StreamsOptions) {
    const { table, emit } = options;
    this.#options = options;
    this.changes = new StreamChanges({
      live: this.#live,
      table,
      emit,
      send: (stream, message) => this.#pumpOf(stream).send(message),
    });
    this.#stalls = new Stalls(emit, (epoch) => this.waits.changed(epoch));
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
      const fileSystem = fileSystemOf(record.file, readMounts());
      this.#begin(record, fileSystem, "restored", this.#options.vault.keep(record));
    }
  }

  /**
   * Begins a stream with a new epoch; resolves when its pump has opened it, or refuses. The stream of
   * the same request and FIFO ends; a FIFO of another request is refused. When it returns, the FIFO is
   * in the vault.
   */
  async open(request: OpenRequest): Promise<Opened> {
    this.#sequence += 1;
    const parsed = recordOf(request, this.#options.places, this.#sequence);
    if (parsed.kind === "refused") return parsed;
    const { record } = parsed;
    const { table, vault } = this.#options;
    try {
      const fileSystem = fileSystemOf(record.file, readMounts());
      const [before] = this.#live.having("relativePipe", record.relativePipe);
      const conflict = before && conflictOf(before, record, fileSystem);
      const obstacle = conflict ?? lackOfFiles("daemon", 1);
      if (obstacle !== undefined) return refused(obstacle);
      // First: the next daemon takes a FIFO for kept if it finds the record.
      const content = vault.keep(record);
      table.add(record);
      return await new Promise((resolve) => {
        this.#opening.set(record.epoch, resolve);
        this.#begin(record, fileSystem, "new", content);
      });
    } catch (error) {
      vault.forget(record.epoch);
      const reason = describeErrno(errnoNameOf(error) ?? "EIO");
      return refused(`the daemon cannot keep its own record of the stream: ${reason}`);
    }
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
      if (stream.fileSystem !== fileSystem) continue;
      this.#stalls.pumpStarted(stream);
      this.#openInPump(stream);
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
      case "stalled":
      case "dropping":
      case "resumed":
        this.#stalled(message);
        break;
      default: {
        const event = eventOf(message, (epoch) => this.#about(epoch));
        if (event !== undefined) this.#options.emit(event);
      }
    }
  }

  /** Forgets a stream that has ended. */
  forget(stream: LiveStream): void {
    const { epoch } = stream.record;
    stream.retry.cancel();
    this.#stalls.forget(stream);
    this.#options.vault.forget(epoch);
    this.#live.delete(stream);
    this.#options.table.remove(epoch);
    this.waits.changed(epoch);
  }

  #begin(
    record: StreamRecord,
    fileSystem: string,
    origin: LiveStream["origin"],
    content: "kept" | "lost",
  ): void {
    const stream: LiveStream = {
      record,
      fileSystem,
      origin,
      phase: "opening",
      report: undefined,
      error: undefined,
      stall: undefined,
      fifoLostAtMs: content === "lost" ? Date.now() : undefined,
      retry: new RetryTimer({
        backoff: reopenBackoff,
        attempt: () => this.#openInPump(stream),
        unref: true,
      }),
    };
    this.#live.add(stream);
    if (stream.fifoLostAtMs !== undefined) {
      this.#options.emit({ kind: "FifoLost", ...aboutStream(record) });
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
    // What had the FIFO before has ended.
    for (const { record } of this.having("relativePipe", stream.record.relativePipe)) {
      if (record.sequence < stream.record.sequence) this.#options.table.remove(record.epoch);
    }
    stream.phase = "open";
    stream.retry.succeeded();
    this.#stalls.opened(stream);
    this.#answer(epoch, { kind: "opened" });
    if (!first) return;
    this.#options.emit({ kind: "StreamOpened", ...aboutStream(stream.record), epoch });
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
      this.#stalls.openFailed(stream, reason);
      stream.retry.again();
      return;
    }
    this.forget(stream);
    if (this.#answer(epoch, refused(reason)) === "answered") return;
    const event = { reason: errorValue(reason), final: true };
    this.#options.emit({ kind: "StreamRefused", ...aboutStream(stream.record), ...event });
  }

  #stalled(message: Extract<FromPump, { type: "stalled" | "dropping" | "resumed" }>): void {
    const stream = this.#live.get(message.epoch);
    if (stream === undefined) return;
    if (message.type === "stalled") this.#stalls.writeFailed(stream, message.reason);
    else if (message.type === "dropping") this.#stalls.dropping(stream, message.reason);
    else this.#stalls.resumed(stream);
  }

  /** The one who asked for the stream reports a refusal. */
  #answer(epoch: string, answer: Opened): "answered" | "notAsked" {
    const resolve = this.#opening.get(epoch);
    this.#opening.delete(epoch);
    resolve?.(answer);
    return resolve === undefined ? "notAsked" : "answered";
  }

  #end(report: StreamReport): void {
    const stream = this.#live.get(report.epoch);
    if (stream === undefined) return;
    const { epoch } = stream.record;
    const { writtenBytes, droppedBytes } = report;
    const about = aboutStream(stream.record);
    this.#options.emit({ kind: "StreamClosed", ...about, epoch, writtenBytes, droppedBytes });
    this.#closed.add({ record: stream.record, report });
    this.forget(stream);
  }

  #about(epoch: string): EventStream {
    const stream = this.#live.get(epoch);
    if (stream !== undefined) return aboutStream(stream.record);
    return { key: epoch, name: null, log: null, file: null };
  }
}

function refused(reason: string): Opened {
  return { kind: "refused", reason };
}
