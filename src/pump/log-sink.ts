// SPDX-License-Identifier: Apache-2.0
// The outlet into a stream's log: its rotating file, with the record of its positions on tmpfs and
// the index beside the log. A stream that has handed over its file has a `FormerLog` instead.

import { errnoNameOf } from "../kernel/index.ts";
import {
  type Appended,
  type ChainObserver,
  type Durability,
  type FileOnDisk,
  findCopies,
  findLive,
  IndexKeeper,
  type Interference,
  LogDirectory,
  type Refusal,
  RotatingFile,
  refusalOf,
  type Syncable,
} from "../logfile/index.ts";
import { FormerLog } from "./former-log.ts";
import type { Intent } from "./note.ts";
import { counter, type Outlet } from "./outlet.ts";
import { Positions, positionsPath } from "./positions.ts";
import type { LogTarget } from "./record.ts";
import type { Stage } from "./stage-pool.ts";
import { type SinkReport, type StreamSink, sinkReport } from "./stream-sink.ts";

export interface LogSinkOptions {
  readonly target: LogTarget;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly onInterference: (kind: Interference) => void;
}

/** Room for a line of ours with what has to go before it. */
const markerBytesMax = 1024;

interface Log {
  readonly directory: LogDirectory;
  readonly file: RotatingFile;
  readonly keeper: IndexKeeper;
}

/** Opens the log of a stream, or what is left of it when another stream has the file. */
export function openSink(options: LogSinkOptions): LogSink | FormerLog {
  const path = positionsPath(options.positionsDirectory, options.target);
  const positions = Positions.openSuperseded(path);
  return positions === undefined ? new LogSink(options) : new FormerLog(positions, undefined);
}

export class LogSink implements StreamSink, Outlet {
  readonly intent: Intent = { kind: "write" };
  readonly positions: Positions;
  readonly #options: LogSinkOptions;
  readonly #log: Log;
  #target: LogTarget;
  #lastCopiesBytes = 0;
  #lastWriteAtMs: number | undefined;

  /** Throws LogfileError or KernelError; nothing is left open then. */
  constructor(options: LogSinkOptions) {
    this.#options = options;
    this.#target = options.target;
    const { logRoot, relativeFile, limitBytes } = options.target;
    const directory = LogDirectory.open(logRoot, relativeFile);
    let positions: Positions | undefined;
    try {
      const live = findLive(directory);
      positions = Positions.open(positionsPath(options.positionsDirectory, options.target), {
        live,
        limitBytes,
        copySize: (inode) => findCopies(directory).find((copy) => copy.inode === inode)?.sizeBytes,
      });
      this.positions = positions;
      this.#log = this.#open(directory, live);
    } catch (error) {
      positions?.close();
      directory.close();
      throw error;
    }
  }

  outlet(intent: Intent, nullFd: number): Outlet {
    return intent.kind === "write" ? this : counter(intent, this.positions, nullFd);
  }

  /** Offset at which the next byte goes. */
  get offset(): number {
    return this.positions.endAt(this.#log.file.live?.sizeBytes ?? 0);
  }

  get totalBefore(): number {
    return this.offset;
  }

  /** Applies a new bound and writes the markers that are due; returns why that is not possible. */
  prepare(): Refusal | undefined {
    try {
      this.#applyBound(this.#log);
      while (this.positions.record.markers.length > 0) this.#writeMarker(this.#log);
      return undefined;
    } catch (error) {
      return refusalOf(error);
    }
  }

  accept({ fd }: Stage, bytes: number): Appended {
    return this.append(fd, bytes);
  }

  append(pipeFd: number, bytes: number): Appended {
    const refusal = this.prepare();
    if (refusal !== undefined) return { movedBytes: 0, refusal };
    const appended = this.#log.file.append(pipeFd, bytes);
    if (appended.movedBytes > 0) {
      this.#lastWriteAtMs = Date.now();
      this.#log.keeper.grown(this.offset);
      this.#grown(this.#log);
    }
    return appended;
  }

  /** A line of ours, in place: after what is in the log now, before what comes. */
  mark(text: string): Refusal | undefined {
    this.positions.mark(text);
    return this.prepare();
  }

  /** Looks at once whether somebody has moved the files. */
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
    this.positions.superseded(this.offset);
    const { file, keeper, directory } = this.#log;
    file.close();
    keeper.leave();
    directory.close();
    this.#options.durability.forget(this);
    return new FormerLog(this.positions, this.#lastWriteAtMs);
  }

  report(): SinkReport {
    const live = this.#log.file.live?.sizeBytes ?? 0;
    return sinkReport(this.positions, live, this.#copiesBytes(this.#log), this.#lastWriteAtMs);
  }

  close(): void {
    this.#options.durability.forget(this);
    const { file, keeper, directory } = this.#log;
    const { live } = file;
    file.close();
    keeper.close(live);
    directory.close();
    this.positions.close();
  }

  #open(directory: LogDirectory, live: FileOnDisk | undefined): Log {
    const { target, durability } = this.#options;
    const keeper = new IndexKeeper(directory, target.epoch);
    let file: RotatingFile | undefined;
    try {
      const observer = this.#observer(directory, keeper);
      const { limitBytes, copies } = target;
      file = new RotatingFile({ directory, observer, limitBytes, copies }, live);
      if (file.live !== undefined) keeper.take(file.live, this.positions.record.base, copies);
      const { foreignBytes } = this.positions;
      if (foreignBytes > 0) {
        const end = this.positions.endAt(file.live?.sizeBytes ?? 0);
        keeper.mark("foreign", end - foreignBytes, foreignBytes);
      }
      durability.renamed({ directoryFd: directory.fd, fds: presentOf(keeper.fd) });
      return { directory, file, keeper };
    } catch (error) {
      file?.close();
      keeper.leave();
      throw error;
    }
  }

  #observer(directory: LogDirectory, keeper: IndexKeeper): ChainObserver {
    const { durability, onInterference } = this.#options;
    return {
      changing: (live, foreignBytes) => {
        const end = this.positions.endAt(live.sizeBytes);
        this.positions.changing(end + foreignBytes, foreignBytes);
        if (foreignBytes > 0) keeper.mark("foreign", end, foreignBytes);
      },
      trimming: (live, limitBytes) => keeper.trimming(live, limitBytes),
      shortened: (fd) => durability.complete(fd),
      changed: (live, copy) => {
        this.positions.changed(live);
        const { base } = this.positions.record;
        if (this.#log === undefined) return;
        if (copy === undefined) keeper.take(live, base, this.#target.copies);
        else keeper.rotated(live, base, copy, this.#target.copies);
        durability.renamed({ directoryFd: directory.fd, fds: presentOf(keeper.fd) });
      },
      extended: (live, foreignBytes) => {
        this.positions.inserted(foreignBytes);
        keeper.mark("foreign", this.positions.endAt(live.sizeBytes) - foreignBytes, foreignBytes);
      },
      interfered: (kind) => {
        if (kind === "directory") keeper.moved();
        onInterference(kind);
      },
      finished: (fd) => durability.finish(fd),
    };
  }

  #applyBound({ file }: Log): void {
    const { limitBytes, copies } = this.#target;
    const { bound } = file;
    if (limitBytes === bound.limitBytes && copies === bound.copies) return;
    // Noted before the file may grow to it, and until it has shrunk to it.
    if (limitBytes > bound.limitBytes) this.positions.reconfigure(limitBytes);
    file.rebound({ limitBytes, copies });
    this.positions.reconfigure(limitBytes);
  }

  /** Its place is noted before it is written, so that it stands there once whatever happens. */
  #writeMarker(log: Log): void {
    const { file, keeper } = log;
    const [marker] = this.positions.record.markers;
    if (marker === undefined) return;
    const { text, place } = marker;
    if (place === null) {
      file.insert(markerBytesMax, (live, lineIs) => {
        const bytes = lineOf(text, lineIs);
        const offset = this.positions.endAt(live.sizeBytes);
        this.positions.placeMarker({ offset, bytes: bytes.length });
        return bytes;
      });
      return;
    }
    const { sizeBytes } = file.settled();
    const position = place.offset - this.positions.record.base;
    const missingBytes = position + place.bytes - sizeBytes;
    if (missingBytes > 0) {
      // Somebody has taken the file from under it.
      if (position < 0 || sizeBytes < position) {
        this.positions.marked(0);
        return;
      }
      if (position + place.bytes > file.bound.limitBytes) {
        // The limit was lowered before it was written: it needs another place.
        file.cutBack(position);
        this.positions.placeMarker(null);
        return;
      }
      const whole = place.bytes === Buffer.byteLength(text) + 1;
      file.writeAt(position, lineOf(text, whole ? "whole" : "cut"));
    }
    keeper.mark("marker", place.offset, place.bytes);
    this.positions.marked(place.bytes);
    this.#grown(log);
  }

  #grown(log: Log): void {
    this.#options.durability.grown(this, () => filesOf(log));
  }

  /** A directory that cannot be looked at is no reason to stop logging: what was seen last counts. */
  #copiesBytes({ directory }: Log): number {
    try {
      const copies = findCopies(directory);
      this.#lastCopiesBytes = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    } catch (error) {
      if (errnoNameOf(error) === undefined) throw error;
    }
    return this.#lastCopiesBytes;
  }
}

function filesOf({ directory, file, keeper }: Log): Syncable {
  return { directoryFd: directory.fd, fds: presentOf(file.fd, keeper.fd) };
}

function presentOf(...fds: readonly (number | undefined)[]): readonly number[] {
  return fds.filter((fd) => fd !== undefined);
}

/** A marker has lines of its own: after a part of a line it begins with a newline. */
function lineOf(text: string, lineIs: "whole" | "cut"): Buffer {
  return Buffer.from(lineIs === "cut" ? `\n${text}\n` : `${text}\n`);
}
