// SPDX-License-Identifier: Apache-2.0
// The streams of this daemon: in memory, on tmpfs, and in the pump of their file system. What they
// should be comes from elsewhere (`reconciler.ts`); this is what they are.

import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { keyText, type LogfileKey, type LogRequest, relativeBelow } from "../contract/index.ts";
import type { Places } from "../control/index.ts";
import type { FromPump, StreamRecord, StreamReport } from "../pump/index.ts";
import type { EmitEvent } from "./events.ts";
import { fileSystemOf, readMounts } from "./file-systems.ts";
import type { PumpProcess } from "./pump-process.ts";
import type { StreamTable } from "./stream-table.ts";

export type Opened =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly reason: string };

/** A stream and what the main process knows of it. */
export interface LiveStream {
  record: StreamRecord;
  readonly fileSystem: string;
  /** `opening` until the pump has answered. */
  phase: "opening" | "open";
  nodes: "present" | "gone";
  report: StreamReport | undefined;
}

export interface ClosedStream {
  readonly record: StreamRecord;
  readonly report: StreamReport;
}

/** What xenstore asks for, and in which store. */
export interface OpenRequest {
  readonly key: LogfileKey;
  readonly name: string;
  readonly log: string;
  readonly request: LogRequest;
  readonly store: string;
}

/** Streams that are remembered after their end, for `list --all` and for whoever waits. */
const closedMax = 256;

/** Bytes of randomness in an epoch. */
const epochBytes = 8;

export interface StreamsOptions {
  readonly places: Places;
  readonly table: StreamTable;
  readonly emit: EmitEvent;
  /** Makes the pump of a file system, and starts it. */
  readonly pumpFor: (fileSystem: string, directory: string) => PumpProcess;
}

export class Streams {
  readonly #options: StreamsOptions;
  readonly #live: Map<string, LiveStream> = new Map();
  readonly #closed: Map<string, ClosedStream> = new Map();
  readonly #opening: Map<string, (answer: Opened) => void> = new Map();
  readonly #closing: Map<string, Set<(closed: ClosedStream) => void>> = new Map();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get live(): readonly LiveStream[] {
    return [...this.#live.values()];
  }

  get closed(): readonly ClosedStream[] {
    return [...this.#closed.values()];
  }

  /** Goes on with the streams of the table, before anybody asks xenstore. */
  restore(): void {
    for (const record of this.#options.table.load()) this.#begin(record);
  }

  /**
   * Begins a stream with a new epoch; resolves when its pump has it, or will not. The FIFO of a stream
   * that is there ends that one's epoch.
   */
  async open(request: OpenRequest): Promise<Opened> {
    const record = this.#recordOf(request);
    if (typeof record === "string") return refused(record);
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
      this.#begin(record);
    });
  }

  #recordOf({ key, name, log, request, store }: OpenRequest): StreamRecord | string {
    const { logDirectory, runDirectory } = this.#options.places;
    const relativeFile = relativeBelow(request.file, logDirectory);
    if (relativeFile === undefined) {
      return `file is "${request.file}"; it must be below ${logDirectory}`;
    }
    const relativePipe = relativeBelow(request.pipe, runDirectory);
    if (relativePipe === undefined) {
      return `pipe is "${request.pipe}"; it must be below ${runDirectory}`;
    }
    return {
      version: 1,
      epoch: randomBytes(epochBytes).toString("hex"),
      key: keyText(key),
      name,
      log,
      pipe: request.pipe,
      file: request.file,
      runRoot: runDirectory,
      relativePipe,
      logRoot: logDirectory,
      relativeFile,
      limitBytes: request.limitBytes,
      copies: request.copies,
      overflow: request.overflow,
      store,
    };
  }

  nodesGone(epoch: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    stream.nodes = "gone";
    this.#pumpOf(stream).send({ type: "nodesGone", epoch });
  }

  /** The nodes are there again, in this store. */
  nodesBack(epoch: string, store: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    stream.nodes = "present";
    stream.record = { ...stream.record, store };
    this.#options.table.add(stream.record);
    this.#pumpOf(stream).send({ type: "nodesBack", epoch });
  }

  /** Resolves when the stream is closed; at once with `undefined` if it is not known. */
  async waitClosed(epoch: string, signal: AbortSignal): Promise<ClosedStream | undefined> {
    const closed = this.#closed.get(epoch);
    if (closed !== undefined || !this.#live.has(epoch)) return closed;
    const waiters = this.#closing.get(epoch) ?? new Set();
    this.#closing.set(epoch, waiters);
    return await new Promise((resolve) => {
      const end = (result: ClosedStream | undefined): void => {
        signal.removeEventListener("abort", onAbort);
        waiters.delete(end);
        resolve(result);
      };
      const onAbort = (): void => end(undefined);
      signal.addEventListener("abort", onAbort);
      waiters.add(end);
    });
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
      if (own === fileSystem) this.#refused(record.epoch, reason);
    }
  }

  receive(message: FromPump): void {
    switch (message.type) {
      case "opened":
        this.#opened(message.epoch);
        break;
      case "refused":
        this.#refused(message.epoch, message.reason);
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
      case "orphaned":
        this.#options.emit({ kind: "StageOrphaned", bytes: message.bytes });
        break;
      case "started":
      case "stopped":
      case "report":
        break;
    }
  }

  /** Forgets a stream that nobody will go on with: the daemon stops for good. */
  forget(stream: LiveStream): void {
    this.#live.delete(stream.record.epoch);
    this.#options.table.remove(stream.record.epoch);
  }

  #begin(record: StreamRecord): void {
    const fileSystem = fileSystemOf(record.file, readMounts());
    const stream: LiveStream = {
      record,
      fileSystem,
      phase: "opening",
      nodes: "present",
      report: undefined,
    };
    this.#live.set(record.epoch, stream);
    this.#tell(stream);
  }

  #tell(stream: LiveStream): void {
    const pump = this.#pumpOf(stream);
    pump.send({ type: "open", record: stream.record });
    if (stream.nodes === "gone") pump.send({ type: "nodesGone", epoch: stream.record.epoch });
  }

  #pumpOf(stream: LiveStream): PumpProcess {
    return this.#options.pumpFor(stream.fileSystem, dirname(stream.record.file));
  }

  #opened(epoch: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    if (stream.phase === "opening") {
      const { key, file } = stream.record;
      this.#options.emit({ kind: "StreamOpened", key, epoch, file });
    }
    stream.phase = "open";
    this.#answer(epoch, { kind: "opened" });
  }

  #refused(epoch: string, reason: string): void {
    const stream = this.#live.get(epoch);
    if (stream === undefined) return;
    this.#options.emit({ kind: "StreamRefused", key: stream.record.key, reason });
    this.forget(stream);
    this.#answer(epoch, refused(reason));
  }

  #answer(epoch: string, answer: Opened): void {
    this.#opening.get(epoch)?.(answer);
    this.#opening.delete(epoch);
  }

  #end(report: StreamReport): void {
    const stream = this.#live.get(report.epoch);
    if (stream === undefined) return;
    const { record } = stream;
    const { epoch } = record;
    this.forget(stream);
    const closed: ClosedStream = { record, report };
    this.#closed.set(epoch, closed);
    for (const oldest of this.#closed.keys()) {
      if (this.#closed.size <= closedMax) break;
      this.#closed.delete(oldest);
    }
    this.#options.emit({
      kind: "StreamClosed",
      key: record.key,
      epoch,
      writtenBytes: report.writtenBytes,
    });
    for (const resolve of this.#closing.get(epoch) ?? []) resolve(closed);
    this.#closing.delete(epoch);
  }

  #keyOf(epoch: string): string {
    return this.#live.get(epoch)?.record.key ?? epoch;
  }
}

function refused(reason: string): Opened {
  return { kind: "refused", reason };
}
