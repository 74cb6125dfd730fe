// SPDX-License-Identifier: Apache-2.0
// What changes of a stream while it lives: its nodes, its bound. On tmpfs first, so that a pump which
// is started now has it, then in the pump.

import { errnoNameOf } from "../../kernel/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import type { StreamRecord, ToPump } from "../../pump/index.ts";
import type { LiveStream, LiveStreams } from "./live-streams.ts";
import { aboutStream } from "./stream-events.ts";
import type { StreamTable } from "./stream-table.ts";

export interface StreamChangesOptions {
  readonly live: LiveStreams;
  readonly table: StreamTable;
  readonly emit: EmitEvent;
  readonly send: (stream: LiveStream, message: ToPump) => void;
}

type Changeable = Pick<StreamRecord, "limitBytes" | "copies" | "rateBytesPerSecond" | "burstBytes">;

/** A stream that has ended is left alone. */
export class StreamChanges {
  readonly #options: StreamChangesOptions;

  constructor(options: StreamChangesOptions) {
    this.#options = options;
  }

  nodesGone(epoch: string): void {
    const stream = this.#record(epoch, { nodes: "gone" });
    if (stream === undefined) return;
    stream.error = undefined;
    this.#options.send(stream, { type: "nodesGone", epoch });
  }

  /** The nodes are there again, in this store. */
  nodesBack(epoch: string, store: string): void {
    const stream = this.#record(epoch, { nodes: "present", store });
    if (stream !== undefined) this.#options.send(stream, { type: "nodesBack", epoch });
  }

  reconfigure(epoch: string, change: Changeable): void {
    const stream = this.#record(epoch, change);
    if (stream === undefined) return;
    const { send, emit } = this.#options;
    send(stream, { type: "reconfigure", epoch, ...change });
    const about = aboutStream(stream.record);
    emit({ kind: "StreamReconfigured", ...about, epoch, ...change });
  }

  /** What xenstore says beside `ready`. */
  noteError(epoch: string, error: string | undefined): void {
    const stream = this.#options.live.get(epoch);
    if (stream === undefined || stream.error === error) return;
    stream.error = error;
    if (error === undefined) return;
    const about = aboutStream(stream.record);
    this.#options.emit({ kind: "StreamChangeRefused", ...about, epoch, reason: error });
  }

  #record(
    epoch: string,
    change: Partial<Pick<StreamRecord, "nodes" | "store"> & Changeable>,
  ): LiveStream | undefined {
    const stream = this.#options.live.get(epoch);
    if (stream === undefined) return undefined;
    stream.record = { ...stream.record, ...change };
    try {
      this.#options.table.add(stream.record);
    } catch (error) {
      // The next daemon reads it from xenstore, later than it would from the table.
      if (errnoNameOf(error) === undefined) throw error;
    }
    return stream;
  }
}
