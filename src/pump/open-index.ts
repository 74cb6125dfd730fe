// SPDX-License-Identifier: Apache-2.0
// The open streams of a pump, found by epoch, by FIFO, and by log without a search: a thousand streams
// are opened one after another, and each looks for those that it succeeds.

import type { PumpedStream } from "./pumped-stream.ts";
import type { LogTarget } from "./record.ts";

export class OpenIndex {
  readonly #byEpoch: Map<string, PumpedStream> = new Map();
  /** Several epochs of one FIFO, or of one log, in the order in which they began. */
  readonly #byPipe: Map<string, readonly PumpedStream[]> = new Map();
  readonly #byFile: Map<string, readonly PumpedStream[]> = new Map();

  get all(): readonly PumpedStream[] {
    return [...this.#byEpoch.values()];
  }

  get(epoch: string): PumpedStream | undefined {
    return this.#byEpoch.get(epoch);
  }

  /** Not an epoch that is there already. */
  add(stream: PumpedStream): void {
    const { record } = stream;
    this.#byEpoch.set(record.epoch, stream);
    append(this.#byPipe, record.pipe, stream);
    append(this.#byFile, fileText(record), stream);
  }

  delete(epoch: string): void {
    const stream = this.#byEpoch.get(epoch);
    if (stream === undefined) return;
    this.#byEpoch.delete(epoch);
    remove(this.#byPipe, stream.record.pipe, stream);
    remove(this.#byFile, fileText(stream.record), stream);
  }

  withPipe(pipe: string): readonly PumpedStream[] {
    return this.#byPipe.get(pipe) ?? [];
  }

  /** Those that write the same file, or did. */
  withFile(target: LogTarget): readonly PumpedStream[] {
    return this.#byFile.get(fileText(target)) ?? [];
  }
}

/** Neither path contains a null byte. */
function fileText({ logRoot, relativeFile }: LogTarget): string {
  return `${logRoot}\0${relativeFile}`;
}

function append(
  map: Map<string, readonly PumpedStream[]>,
  text: string,
  stream: PumpedStream,
): void {
  map.set(text, [...(map.get(text) ?? []), stream]);
}

function remove(
  map: Map<string, readonly PumpedStream[]>,
  text: string,
  stream: PumpedStream,
): void {
  const rest = (map.get(text) ?? []).filter((other) => other !== stream);
  if (rest.length === 0) map.delete(text);
  else map.set(text, rest);
}
