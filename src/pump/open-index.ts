// SPDX-License-Identifier: Apache-2.0
// The open streams of a pump, found by epoch, by FIFO, by log and by the file that the log goes to without a
// search: a thousand streams are opened one after another, and each looks for those that it succeeds.

import type { FilePlace } from "../logfile/index.ts";
import type { PumpedStream } from "./pumped-stream.ts";
import type { LogTarget } from "./record.ts";

export class OpenIndex {
  readonly #byEpoch: Map<string, PumpedStream> = new Map();
  /** Several epochs of one FIFO, or of one log, in the order in which they began. */
  readonly #byPipe: Map<string, readonly PumpedStream[]> = new Map();
  readonly #byFile: Map<string, readonly PumpedStream[]> = new Map();
  /** Epochs by their live files, and the other way round. */
  readonly #epochs: Map<string, string> = new Map();
  readonly #live: Map<string, string> = new Map();

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

  /** Also before the stream is added; `delete` forgets it. */
  writes(epoch: string, place: FilePlace): void {
    this.#forgetLive(epoch);
    const text = placeText(place);
    this.#live.set(epoch, text);
    this.#epochs.set(text, epoch);
  }

  delete(epoch: string): void {
    this.#forgetLive(epoch);
    const stream = this.#byEpoch.get(epoch);
    if (stream === undefined) return;
    this.#byEpoch.delete(epoch);
    remove(this.#byPipe, stream.record.pipe, stream);
    remove(this.#byFile, fileText(stream.record), stream);
  }

  withPipe(pipe: string): readonly PumpedStream[] {
    return this.#byPipe.get(pipe) ?? [];
  }

  /** The one that took that file last. */
  withLive(place: FilePlace): PumpedStream | undefined {
    const epoch = this.#epochs.get(placeText(place));
    return epoch === undefined ? undefined : this.#byEpoch.get(epoch);
  }

  /** Those that write to the same path, or did. */
  withFile(target: LogTarget): readonly PumpedStream[] {
    return this.#byFile.get(fileText(target)) ?? [];
  }

  #forgetLive(epoch: string): void {
    const text = this.#live.get(epoch);
    if (text === undefined) return;
    this.#live.delete(epoch);
    // The next owner of the file may have taken it already.
    if (this.#epochs.get(text) === epoch) this.#epochs.delete(text);
  }
}

function placeText({ device, inode }: FilePlace): string {
  return `${device}:${inode}`;
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
