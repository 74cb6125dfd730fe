// SPDX-License-Identifier: Apache-2.0
// Keeps a reading end of each stream's FIFO open that nobody reads: in this process, so that content
// and writers outlive a dead pump; in a detached process, for when both are killed; and at the service
// manager, for when all are. Without any reader an O_WRONLY writer gets SIGPIPE, and what a writer
// leaves unread goes with the last descriptor.

import { closeSync, fstatSync } from "node:fs";
import { Fifo, hasWriterOrBytes } from "../fifo/index.ts";
import type { Readiness } from "../kernel/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import { signalProcess, watchProcess } from "../program/index.ts";
import {
  type DescriptorHolder,
  endDescriptorHolder,
  readDescriptorHolder,
  startDescriptorHolder,
} from "./descriptor-holder.ts";
import type { ServiceManager } from "./service-manager.ts";

/** Where a stream's FIFO is. */
export interface KeptFifo {
  readonly epoch: string;
  readonly runRoot: string;
  readonly relativePipe: string;
}

export interface FifoKeeperOptions {
  readonly volatileDirectory: string;
  readonly serviceManager: ServiceManager;
  readonly emit: EmitEvent;
}

/** Streams that come and go within this time change the detached process once. */
const collectMs = 50;
/** Starting a process with a thousand descriptors blocks this one for 30 ms: below a tenth of the
 * time, however many streams come one after another. */
const restFactor = 10;
/** A process that cannot be started now can be later. */
const retryMs = 1000;

const storedPrefix = "fifo-";

export class FifoKeeper {
  readonly #options: FifoKeeperOptions;
  readonly #stateFile: string;
  /** By epoch. */
  readonly #fds: Map<string, number> = new Map();
  /** The detached process, as far as it runs. */
  #holder: DescriptorHolder | undefined;
  #watch: Readiness | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** What the last change of the detached process took. */
  #settleMs = 0;
  /** Why none could be started the last time; said once, however often it is tried. */
  #failure: string | undefined;
  #state: "keeping" | "stopped" = "keeping";

  constructor(options: FifoKeeperOptions) {
    this.#options = options;
    this.#stateFile = `${options.volatileDirectory}/fifo-keeper.json`;
    const known = readDescriptorHolder(this.#stateFile);
    if (known?.state === "running") this.#adopt(known.holder);
  }

  /** From the beginning of a stream on. A FIFO that cannot be opened is the pump's to complain of. */
  keep(record: KeptFifo): void {
    const { epoch } = record;
    const opened = openReader(record);
    const stored = this.#inherit(epoch, opened);
    const fd = stored ?? opened;
    if (fd === undefined) return;
    this.#fds.set(epoch, fd);
    if (stored === undefined) this.#options.serviceManager.store(`${storedPrefix}${epoch}`, fd);
    else if (opened !== undefined) closeSync(opened);
    this.#changed();
  }

  /** The stream is over. */
  forget(epoch: string): void {
    const fd = this.#fds.get(epoch);
    if (fd === undefined) return;
    this.#fds.delete(epoch);
    closeSync(fd);
    this.#options.serviceManager.remove(`${storedPrefix}${epoch}`);
    this.#changed();
  }

  /** All streams of the table are kept now: what else an earlier daemon stored is nobody's. */
  discardUnknown(): void {
    this.#options.serviceManager.discard(storedPrefix);
    this.#changed();
  }

  /**
   * Lets go. The detached process stays where a writer or unread bytes wait for the next daemon, and
   * ends otherwise.
   */
  stop(): void {
    this.#state = "stopped";
    clearTimeout(this.#timer);
    for (const [epoch, fd] of this.#fds) {
      if (hasWriterOrBytes(fd)) continue;
      closeSync(fd);
      this.#fds.delete(epoch);
    }
    this.#settle();
    this.#watch?.close();
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }

  /** The descriptor that came back for this epoch, if it is of the FIFO that has the name now. */
  #inherit(epoch: string, opened: number | undefined): number | undefined {
    const name = `${storedPrefix}${epoch}`;
    const [stored, ...others] = this.#options.serviceManager.take(name);
    for (const { fd } of others) closeSync(fd);
    if (stored === undefined) return undefined;
    if (opened !== undefined && isSame(stored.fd, opened)) return stored.fd;
    closeSync(stored.fd);
    this.#options.serviceManager.remove(name);
    return undefined;
  }

  #changed(): void {
    if (this.#state !== "keeping") return;
    this.#settleAfter(Math.max(collectMs, this.#settleMs * restFactor));
  }

  #settleAfter(delayMs: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const startMs = performance.now();
      this.#settle();
      this.#settleMs = performance.now() - startMs;
    }, delayMs);
  }

  /** A detached process with these FIFOs and no others: the new one is there before the old one goes. */
  #settle(): void {
    const wanted = [...this.#fds.values()];
    if (wanted.length === 0) {
      this.#watch?.close();
      this.#holder = undefined;
      endDescriptorHolder(this.#stateFile);
      return;
    }
    const before = this.#holder;
    if (before !== undefined && holdsExactly(before, wanted)) return;
    try {
      this.#adopt(startDescriptorHolder(this.#stateFile, wanted));
      this.#failure = undefined;
      if (before !== undefined) signalProcess(before.process, "SIGKILL");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== this.#failure) this.#options.emit({ kind: "FifoKeeperFailed", reason });
      this.#failure = reason;
      if (this.#state === "keeping") this.#settleAfter(retryMs);
    }
  }

  #adopt(holder: DescriptorHolder): void {
    this.#watch?.close();
    this.#holder = holder;
    this.#watch = watchProcess(holder.process, () => {
      this.#holder = undefined;
      if (this.#state === "stopped") return;
      this.#options.emit({ kind: "FifoKeeperLost" });
      this.#settleAfter(collectMs);
    });
  }
}

function openReader(record: KeptFifo): number | undefined {
  try {
    const fifo = Fifo.find(record.runRoot, record.relativePipe);
    try {
      return fifo.openForReading();
    } finally {
      fifo.close();
    }
  } catch {
    return undefined;
  }
}

function isSame(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one), fstatSync(other)];
  return a.ino === b.ino && a.dev === b.dev;
}

/** An inode that is held open is nobody else's, so its number is enough. */
function holdsExactly(holder: DescriptorHolder, fds: readonly number[]): boolean {
  const held = holder.descriptors.map(({ inode }) => inode).sort();
  const wanted = fds.map((fd) => fstatSync(fd).ino).sort();
  return held.length === wanted.length && held.every((inode, index) => inode === wanted[index]);
}
