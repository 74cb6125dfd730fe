// SPDX-License-Identifier: Apache-2.0
// Where a stream's bytes end: its rotating file, with the record of its positions on tmpfs and the
// index beside the log. A stream whose file another one has taken over keeps its counters only.

import { existsSync } from "node:fs";
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
import { lossMarker } from "./markers.ts";
import type { StreamReport } from "./messages.ts";
import { Positions } from "./positions.ts";
import type { LogTarget } from "./record.ts";

/** What the sink knows of its stream. */
type SinkReport = Omit<StreamReport, "epoch" | "state" | "lastWriteAt">;

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

export class LogSink {
  readonly #options: LogSinkOptions;
  #target: LogTarget;
  #positions: Positions;
  #log: Log | undefined;
  #lastCopiesBytes = 0;

  /** Throws LogfileError or KernelError. */
  constructor(options: LogSinkOptions) {
    this.#options = options;
    this.#target = options.target;
    const path = positionsPath(options.positionsDirectory, options.target);
    const superseded = Positions.openSuperseded(path);
    if (superseded !== undefined) {
      this.#positions = superseded;
      return;
    }
    const { logRoot, relativeFile, limitBytes } = options.target;
    const directory = LogDirectory.open(logRoot, relativeFile);
    let positions: Positions | undefined;
    try {
      const live = findLive(directory);
      positions = Positions.open(path, {
        live,
        limitBytes,
        copySize: (inode) => findCopies(directory).find((copy) => copy.inode === inode)?.sizeBytes,
      });
      this.#positions = positions;
      this.#log = this.#open(directory, live);
    } catch (error) {
      positions?.close();
      directory.close();
      throw error;
    }
  }

  /** Whether another stream has its file. */
  static isSuperseded(positionsDirectory: string, target: LogTarget): boolean {
    const positions = Positions.openSuperseded(positionsPath(positionsDirectory, target));
    positions?.close();
    return positions !== undefined;
  }

  /** Whether anything is known of such a stream: without it there is none, or no more. */
  static isKnown(positionsDirectory: string, target: LogTarget): boolean {
    return existsSync(positionsPath(positionsDirectory, target));
  }

  get isSuperseded(): boolean {
    return this.#log === undefined;
  }

  /** Offset at which the next byte goes. */
  get offset(): number {
    return this.#positions.endAt(this.#log?.file.live?.sizeBytes ?? 0);
  }

  dropped(reason: string): number {
    return this.#positions.record.dropped[reason] ?? 0;
  }

  /** Does what is due before the next byte, and says what is in the way. */
  prepare(): Refusal | undefined {
    const log = this.#log;
    if (log === undefined) return undefined;
    try {
      this.#rebound(log);
      while (this.#positions.record.markers.length > 0) this.#writeMarker(log);
      return undefined;
    } catch (error) {
      return refusalOf(error);
    }
  }

  append(pipeFd: number, bytes: number): Appended {
    const log = this.#log;
    if (log === undefined) throw new Error("append to a log that another stream has");
    const refusal = this.prepare();
    if (refusal !== undefined) return { movedBytes: 0, refusal };
    const appended = log.file.append(pipeFd, bytes);
    if (appended.movedBytes > 0) {
      log.keeper.grown(this.offset);
      this.#grown(log);
    }
    return appended;
  }

  /** A line of ours, in place: after what is in the log now, before what comes. */
  mark(text: string): Refusal | undefined {
    this.#positions.mark(text);
    return this.prepare();
  }

  /** Counts what was dropped for a reason up to a total. */
  drop(reason: string, total: number): void {
    this.#positions.droppedUpTo(reason, total);
  }

  /** A stage is gone with that many of the stream's bytes: counted and told once for each stage. */
  lose(stageInode: number, certainty: "exact" | "atMost", bytes: number): "told" | "known" {
    const text = lossMarker(bytes, certainty, Date.now());
    const counted = certainty === "exact" ? bytes : 0;
    if (this.#positions.lost(stageInode, "crash", counted, text) === "known") return "known";
    // What is in the way of the line is in the way of the bytes that come, too, and is told then.
    this.prepare();
    return "told";
  }

  /** Looks at once whether somebody has moved the files. */
  look(): Refusal | undefined {
    try {
      this.#log?.file.look();
      return undefined;
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** From now on with that bound, as soon as the file system lets us. */
  rebound(target: LogTarget): Refusal | undefined {
    this.#target = target;
    return this.prepare();
  }

  /** Leaves the file to another stream; what comes is dropped. */
  supersede(): void {
    this.#positions.superseded(this.offset);
    this.#log?.file.close();
    this.#log?.keeper.leave();
    this.#log?.directory.close();
    this.#options.durability.forget(this);
    this.#log = undefined;
  }

  report(): SinkReport {
    const live = this.#log?.file.live?.sizeBytes ?? 0;
    const copies = this.#log === undefined ? 0 : this.#copiesBytes(this.#log);
    const { oldest, end, rotations, writtenBytes, dropped } = this.#positions.of(live, copies);
    return {
      offset: end,
      oldestOffset: oldest,
      sizeBytes: copies + live,
      rotations,
      writtenBytes,
      droppedBytes: { ...dropped },
    };
  }

  close(): void {
    this.#options.durability.forget(this);
    if (this.#log !== undefined) {
      const { file, keeper, directory } = this.#log;
      const { live } = file;
      file.close();
      keeper.close(live);
      directory.close();
    }
    this.#positions.close();
  }

  #open(directory: LogDirectory, live: FileOnDisk | undefined): Log {
    const { target, durability } = this.#options;
    const keeper = new IndexKeeper(directory, target.epoch);
    let file: RotatingFile | undefined;
    try {
      const observer = this.#observer(directory, keeper);
      const { limitBytes, copies } = target;
      file = new RotatingFile({ directory, observer, limitBytes, copies }, live);
      if (file.live !== undefined) keeper.take(file.live, this.#positions.record.base, copies);
      const { foreignBytes } = this.#positions;
      if (foreignBytes > 0) {
        const end = this.#positions.endAt(file.live?.sizeBytes ?? 0);
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
        const end = this.#positions.endAt(live.sizeBytes);
        this.#positions.changing(end + foreignBytes, foreignBytes);
        if (foreignBytes > 0) keeper.mark("foreign", end, foreignBytes);
      },
      trimming: (live, limitBytes) => keeper.trimming(live, limitBytes),
      shortened: (fd) => durability.complete(fd),
      changed: (live, copy) => {
        this.#positions.changed(live);
        const { base } = this.#positions.record;
        // The first one is told of when all are there: see `#open`.
        if (this.#log === undefined) return;
        if (copy === undefined) keeper.take(live, base, this.#target.copies);
        else keeper.rotated(live, base, copy, this.#target.copies);
        durability.renamed({ directoryFd: directory.fd, fds: presentOf(keeper.fd) });
      },
      extended: (live, foreignBytes) => {
        this.#positions.inserted(foreignBytes);
        keeper.mark("foreign", this.#positions.endAt(live.sizeBytes) - foreignBytes, foreignBytes);
      },
      interfered: (kind) => {
        if (kind === "directory") keeper.moved();
        onInterference(kind);
      },
      finished: (fd) => durability.finish(fd),
    };
  }

  #rebound({ file }: Log): void {
    const { limitBytes, copies } = this.#target;
    const { bound } = file;
    if (limitBytes === bound.limitBytes && copies === bound.copies) return;
    // Noted before the file may grow to it, and until it has shrunk to it.
    if (limitBytes > bound.limitBytes) this.#positions.limit(limitBytes);
    file.rebound({ limitBytes, copies });
    this.#positions.limit(limitBytes);
  }

  /** Its place is noted before it is written, so that it stands there once whatever happens. */
  #writeMarker(log: Log): void {
    const { file, keeper } = log;
    const [marker] = this.#positions.record.markers;
    if (marker === undefined) return;
    const { text, place } = marker;
    if (place === null) {
      file.insert(markerBytesMax, (live, lineIs) => {
        const bytes = lineOf(text, lineIs);
        const offset = this.#positions.endAt(live.sizeBytes);
        this.#positions.placeMarker({ offset, bytes: bytes.length });
        return bytes;
      });
      return;
    }
    const { sizeBytes } = file.settled();
    const position = place.offset - this.#positions.record.base;
    const missingBytes = position + place.bytes - sizeBytes;
    if (missingBytes > 0) {
      // Somebody has taken the file from under it.
      if (position < 0 || sizeBytes < position) {
        this.#positions.marked(0);
        return;
      }
      if (position + place.bytes > file.bound.limitBytes) {
        // The limit was lowered before it was written: it needs another place.
        file.cutBack(position);
        this.#positions.placeMarker(null);
        return;
      }
      const whole = place.bytes === Buffer.byteLength(text) + 1;
      file.writeAt(position, lineOf(text, whole ? "whole" : "cut"));
    }
    keeper.mark("marker", place.offset, place.bytes);
    this.#positions.marked(place.bytes);
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

function positionsPath(positionsDirectory: string, { epoch }: LogTarget): string {
  return `${positionsDirectory}/${epoch}`;
}

function filesOf({ directory, file, keeper }: Log): Syncable {
  return { directoryFd: directory.fd, fds: presentOf(file.fd, keeper.fd) };
}

function presentOf(...fds: readonly (number | undefined)[]): readonly number[] {
  return fds.filter((fd) => fd !== undefined);
}

/** A marker has lines of its own: it ends the one that was cut by what it tells. */
function lineOf(text: string, lineIs: "whole" | "cut"): Buffer {
  return Buffer.from(lineIs === "cut" ? `\n${text}\n` : `${text}\n`);
}
