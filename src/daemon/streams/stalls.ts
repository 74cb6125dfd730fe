// SPDX-License-Identifier: Apache-2.0
// Streams that cannot write into their logs, or not open them: since when and why, for `list` and for
// the daemon's own log.

import { errorValue } from "../../contract/index.ts";
import { type EmitEvent, LastingEvents, type Stall } from "../../observe/index.ts";
import type { StreamRecord } from "../../pump/index.ts";
import { mountPointOf, readMounts } from "../pumps/index.ts";
import type { LiveStream, StreamStall } from "./live-streams.ts";
import { aboutStream } from "./stream-events.ts";

export class Stalls {
  readonly #emit: EmitEvent;
  readonly #events: LastingEvents;
  readonly #onChange: (epoch: string) => void;

  /** `onChange` is called when a stream's stall begins or ends. */
  constructor(emit: EmitEvent, onChange: (epoch: string) => void) {
    this.#emit = emit;
    this.#events = new LastingEvents({ emit });
    this.#onChange = onChange;
  }

  /** Its log refuses bytes. */
  writeFailed(stream: LiveStream, reason: string): void {
    const stall = this.#begin(stream, "write", reason);
    const { record } = stream;
    const fields = { ...aboutStream(record), ...fieldsOf(stall) };
    this.#events.begin(record.epoch, { kind: "StreamStalled", ...fields });
    if (stall.droppingSince !== undefined) this.#reportDropping(stream, stall);
  }

  /** It has been stalled for too long: its bytes are dropped. */
  dropping(stream: LiveStream, reason: string): void {
    const { droppingSince = new Date().toISOString(), ...stall } = this.#begin(
      stream,
      "write",
      reason,
    );
    stream.stall = { ...stall, droppingSince };
    this.#reportDropping(stream, stream.stall);
    this.#onChange(stream.record.epoch);
  }

  /** A subject of its own: the line about the stall may have been written a moment ago. */
  #reportDropping({ record }: LiveStream, stall: StreamStall): void {
    const fields = { ...aboutStream(record), ...fieldsOf(stall) };
    this.#events.begin(droppingSubject(record), { kind: "StreamDropping", ...fields });
  }

  /** It was open once and cannot be opened now. */
  openFailed(stream: LiveStream, reason: string): void {
    this.#begin(stream, "open", reason);
    const { record } = stream;
    this.#events.begin(record.epoch, {
      kind: "StreamRefused",
      ...aboutStream(record),
      reason: errorValue(reason),
      final: false,
    });
  }

  /** Its pump is another one, which reports anew what it cannot write. */
  pumpStarted(stream: LiveStream): void {
    if (stream.stall !== undefined) stream.stall = { ...stream.stall, cause: "unsure" };
  }

  /** A pump reports bytes that it cannot write before it reports that the stream is open. */
  opened(stream: LiveStream): void {
    if (stream.stall?.cause !== "write") this.resumed(stream);
  }

  resumed(stream: LiveStream): void {
    if (stream.stall === undefined) return;
    const { record } = stream;
    stream.stall = undefined;
    // Where the begin was not said, the end says nothing.
    const said = [record.epoch, droppingSubject(record)].map((part) => this.#events.end(part));
    if (said.includes(true)) {
      this.#emit({ kind: "StreamResumed", ...aboutStream(record) });
    }
    this.#onChange(record.epoch);
  }

  /** The stream has ended. */
  forget({ record }: LiveStream): void {
    this.#events.end(record.epoch);
    this.#events.end(droppingSubject(record));
  }

  #begin(stream: LiveStream, cause: StreamStall["cause"], reason: string): StreamStall {
    const { stall: before, record } = stream;
    const stall: StreamStall = {
      cause,
      reason: errorValue(reason),
      fileSystem: before?.fileSystem ?? mountPointOf(record.file, readMounts()),
      since: before?.since ?? new Date().toISOString(),
      droppingSince: before?.droppingSince,
    };
    stream.stall = stall;
    if (before === undefined) this.#onChange(record.epoch);
    return stall;
  }
}

function droppingSubject({ epoch }: StreamRecord): string {
  return `${epoch}/dropping`;
}

function fieldsOf({ reason, fileSystem, since }: StreamStall): Stall {
  return { reason, fileSystem, since };
}
