// SPDX-License-Identifier: Apache-2.0
// The outlet into a stream's log: its rotating file, with the record of its positions on tmpfs and
// the index beside the log. A stream that has handed over its file has a `FormerLog` instead.

import { errnoNameOf } from "../kernel/index.ts";
import {
  type Appended,
  type Durability,
  type FileOnDisk,
  type FilePlace,
  findCopies,
  IndexWriter,
  type Interference,
  inspectChain,
  inspectLive,
  LogDirectory,
  type OpenDirectories,
  type Refusal,
  RotatingFile,
  refusalOf,
} from "../logfile/index.ts";
import { writeDueMarker } from "./due-marker.ts";
import { FormerLog } from "./former-log.ts";
import { LogJournal } from "./log-journal.ts";
import type { Intent } from "./note.ts";
import { counter, type Outlet } from "./outlet.ts";
import { isKnown, liveFileOf, positionsPath } from "./position-files.ts";
import type { Bound, FoundFiles } from "./position-record.ts";
import { Positions } from "./positions.ts";
import type { LogTarget } from "./record.ts";
import type { Stage } from "./stage-pool.ts";
import { type SinkReport, type StreamSink, sinkReport } from "./stream-sink.ts";

export interface LogSinkOptions {
  readonly target: LogTarget;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly directories: OpenDirectories;
  readonly onInterference: (interference: Interference) => void;
  /** Gets the file that the log goes to from now on. */
  readonly onLive: (live: FilePlace) => void;
  /** See `Positions.open`. */
  readonly writtenMax?: number;
}

/** Opens the log of a stream, or what is left of it when another stream has the file. */
export function openSink(options: LogSinkOptions): LogSink | FormerLog {
  const path = positionsPath(options.positionsDirectory, options.target);
  const positions = Positions.openSuperseded(path);
  return positions === undefined ? LogSink.open(options) : new FormerLog(positions, undefined);
}

/** What a sink has open. */
interface Opened {
  readonly directory: LogDirectory;
  readonly positions: Positions;
  readonly index: IndexWriter;
  readonly file: RotatingFile;
}

export class LogSink implements StreamSink, Outlet {
  readonly intent: Intent = { kind: "write" };
  readonly #durability: Durability;
  readonly #log: Opened;
  #target: LogTarget;
  #lastCopiesBytes = 0;
  #lastWriteAtMs: number | undefined;

  private constructor({ target, durability }: LogSinkOptions, log: Opened) {
    this.#target = target;
    this.#durability = durability;
    this.#log = log;
  }

  /** Throws LogfileError or KernelError; nothing is left open then. */
  static open(options: LogSinkOptions): LogSink {
    const directory = openDirectory(options);
    try {
      return new LogSink(options, openPositions(options, directory));
    } catch (error) {
      directory.close();
      throw error;
    }
  }

  get positions(): Positions {
    return this.#log.positions;
  }

  outlet(intent: Intent, nullFd: number): Outlet {
    return intent.kind === "write" ? this : counter(intent, this.positions, nullFd, "marked");
  }

  /** Offset at which the next byte goes. */
  get offset(): number {
    return this.positions.endAt(this.#log.file.live?.sizeBytes ?? 0);
  }

  get totalBefore(): number {
    return this.positions.writtenBytes;
  }

  /** Applies a new bound and writes the markers that are due; returns why that is not possible. */
  prepare(): Refusal | undefined {
    try {
      this.#applyBound();
      for (;;) {
        const [marker] = this.positions.record.markers;
        if (marker === undefined) return undefined;
        if (writeDueMarker(this.#log, marker) === "written") this.#grown();
      }
    } catch (error) {
      return refusalOf(error);
    }
  }

  accept({ fd }: Pick<Stage, "fd">, bytes: number): Appended {
    const refusal = this.prepare();
    if (refusal !== undefined) return { movedBytes: 0, refusal };
    const appended = this.#log.file.append(fd, bytes);
    if (appended.movedBytes > 0) {
      this.positions.wrote(appended.movedBytes);
      this.#lastWriteAtMs = Date.now();
      this.#log.index.grown(this.offset);
      this.#grown();
    }
    return appended;
  }

  mark(text: string): Refusal | undefined {
    this.positions.mark(text);
    return this.prepare();
  }

  look(): Refusal | undefined {
    try {
      this.#log.file.look();
      return undefined;
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** Another bound from now on, as soon as the file system permits. */
  reconfigure(target: LogTarget): Refusal | undefined {
    this.#target = target;
    return this.prepare();
  }

  /** Leaves the file to another stream. The sink is closed then. */
  handOverFile(): FormerLog {
    const { positions, file, index, directory } = this.#log;
    positions.superseded(this.offset);
    file.close();
    index.leave();
    directory.close();
    this.#durability.forget(this);
    return new FormerLog(positions, this.#lastWriteAtMs);
  }

  report(): SinkReport {
    const live = this.#log.file.live?.sizeBytes ?? 0;
    return sinkReport(this.positions, live, this.#copiesBytes(), this.#lastWriteAtMs);
  }

  close(): void {
    this.#durability.forget(this);
    const { file, index, directory, positions } = this.#log;
    const { live } = file;
    file.close();
    index.close(live);
    directory.close();
    positions.close();
  }

  #applyBound(): void {
    const { limitBytes, copies } = this.#target;
    const { file, positions } = this.#log;
    const { bound } = file;
    if (limitBytes === bound.limitBytes && copies === bound.copies) return;
    const next = boundOf(this.#target);
    // Noted before the files may grow to it, and until they have shrunk to it.
    positions.mayGrow(next);
    file.reconfigure({ limitBytes, copies });
    positions.within(next);
  }

  #grown(): void {
    const { directory, file, index } = this.#log;
    this.#durability.grown(this, () => ({
      directoryFd: directory.fd,
      fd: file.fd,
      name: index.name,
    }));
  }

  /** A directory that cannot be looked at is no reason to stop logging: the last sum is reported. */
  #copiesBytes(): number {
    try {
      const copies = findCopies(this.#log.directory);
      this.#lastCopiesBytes = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    } catch (error) {
      if (errnoNameOf(error) === undefined) throw error;
    }
    return this.#lastCopiesBytes;
  }
}

/** What a log is looked for with. */
type LogPlace = Pick<LogSinkOptions, "target" | "positionsDirectory" | "directories">;

/** Throws as `LogSink.open` would for what is under the log's names, and changes nothing. */
export function requireLog(place: LogPlace): void {
  const directory = openDirectory(place);
  try {
    lookAtLog(place, directory);
  } finally {
    directory.close();
  }
}

function openDirectory({ target, directories }: LogPlace): LogDirectory {
  return LogDirectory.open(target.logRoot, target.relativeFile, directories);
}

/**
 * A stream that was served has a writer that waits, so what others have done to its copies since, or a link to
 * its live file, is no reason to refuse it.
 */
function lookAtLog(
  { target, positionsDirectory }: LogPlace,
  directory: LogDirectory,
): FileOnDisk | undefined {
  return isKnown(positionsDirectory, target)
    ? inspectLive(directory, liveFileOf(positionsDirectory, target))
    : inspectChain(directory, target.copies);
}

function boundOf({ limitBytes, copies }: LogTarget): Bound {
  return { limitBytes, boundBytes: limitBytes * (copies + 1) };
}

function openPositions(options: LogSinkOptions, directory: LogDirectory): Opened {
  const { target, positionsDirectory, writtenMax } = options;
  // All looks come before the first change: a request that is refused changes nothing.
  const live = lookAtLog(options, directory);
  const found: FoundFiles = {
    live,
    bound: boundOf(target),
    copySize: ({ inode, bornMs }) =>
      findCopies(directory).find((copy) => copy.inode === inode && copy.bornMs === bornMs)
        ?.sizeBytes,
  };
  const positions = Positions.open(positionsPath(positionsDirectory, target), found, writtenMax);
  try {
    return openFile(options, directory, positions, live);
  } catch (error) {
    positions.close();
    throw error;
  }
}

function openFile(
  { target, durability, onInterference, onLive }: LogSinkOptions,
  directory: LogDirectory,
  positions: Positions,
  found: FileOnDisk | undefined,
): Opened {
  const index = new IndexWriter(directory, target.epoch);
  let file: RotatingFile | undefined;
  try {
    const journal = new LogJournal({
      directory,
      positions,
      index,
      durability,
      onInterference,
      onLive,
    });
    const { limitBytes, copies } = target;
    const bound = { limitBytes, copies };
    // The end of a file that is there is known by something else only if it was cut.
    const what = positions.record.end === null ? "whole" : "cut";
    const { boundBytes: allowedBytes } = positions.record;
    const options = { directory, journal, durability, bound };
    file = RotatingFile.open(options, { live: found, what, allowedBytes });
    positions.within(boundOf(target));
    if (file.live !== undefined) journal.opened(file.live, copies);
    return { directory, positions, index, file };
  } catch (error) {
    file?.close();
    index.leave();
    throw error;
  }
}
