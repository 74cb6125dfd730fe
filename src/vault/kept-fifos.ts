// SPDX-License-Identifier: Apache-2.0
// A reading end of each stream's FIFO that nothing reads, in this process and at the service manager.
// Without any reader an O_WRONLY writer gets SIGPIPE, and unread bytes go with the last descriptor.

import { closeSync, fstatSync } from "node:fs";
import { Fifo, FifoError, hasWriterOrBytes } from "../fifo/index.ts";
import { errnoNameOf } from "../kernel/index.ts";
import { reasonOf } from "../program/index.ts";
import type { Kept } from "./current-process.ts";
import type { ServiceManager } from "./service-manager.ts";

/** Where a stream's FIFO is. */
export interface KeptFifo {
  readonly epoch: string;
  readonly runRoot: string;
  readonly relativePipe: string;
}

/** The end of a FIFO that is kept from now on. */
export interface FoundFifo {
  readonly kind: "found";
  readonly end: Kept;
  /**
   * `lost` if it should have been kept, and no process had the FIFO open for reading or for writing:
   * what it held is gone with its last descriptor.
   */
  readonly content: "kept" | "lost";
}

export type Keeping =
  | FoundFifo
  /** The FIFO itself cannot be opened: the pump reports why. */
  | { readonly kind: "unusable" }
  /** It is there, but this process has no room for it. */
  | { readonly kind: "noRoom"; readonly reason: string };

const namePrefix = "fifo-";
/** Of this process or of the host. */
const roomErrors: readonly string[] = ["EMFILE", "ENFILE", "ENOMEM"];

export class KeptFifos {
  readonly #manager: ServiceManager;
  readonly #byName: Map<string, number> = new Map();

  constructor(manager: ServiceManager) {
    this.#manager = manager;
  }

  get all(): readonly Kept[] {
    return [...this.#byName].map(([name, fd]) => ({ name, fd }));
  }

  /** `before` is what it should be now. */
  keep(record: KeptFifo, before: "new" | "kept"): Keeping {
    const name = `${namePrefix}${record.epoch}`;
    const reader = openReader(record, before);
    const opened = reader.kind === "opened" ? reader : undefined;
    const stored = this.#takeStored(name, opened?.fd);
    const fd = stored ?? opened?.fd;
    if (fd === undefined) return reader.kind === "opened" ? { kind: "unusable" } : reader;
    this.#byName.set(name, fd);
    if (stored === undefined) this.#manager.store(name, fd);
    else if (opened !== undefined) closeSync(opened.fd);
    const isLost = stored === undefined && opened?.hadReader === false && !hasWriterOrBytes(fd);
    return { kind: "found", end: { name, fd }, content: isLost ? "lost" : "kept" };
  }

  /** Its name if it was kept. */
  forget(epoch: string): string | undefined {
    const name = `${namePrefix}${epoch}`;
    const fd = this.#byName.get(name);
    if (fd === undefined) return undefined;
    this.#byName.delete(name);
    closeSync(fd);
    this.#manager.remove(name);
    return name;
  }

  /** All streams of the table are kept: the service manager's other FIFOs belong to no stream. */
  discardUnknown(): void {
    this.#manager.discard(namePrefix);
  }

  /** Epochs of the streams whose FIFOs are kept. */
  get epochs(): readonly string[] {
    return [...this.#byName.keys()].map((name) => name.slice(namePrefix.length));
  }

  /** Closes those without a writer and without bytes; their names. */
  closeIdle(): readonly string[] {
    const idle = this.all.filter(({ fd }) => !hasWriterOrBytes(fd));
    for (const { name, fd } of idle) {
      closeSync(fd);
      this.#byName.delete(name);
    }
    return idle.map(({ name }) => name);
  }

  close(): void {
    for (const { fd } of this.all) closeSync(fd);
    this.#byName.clear();
  }

  /** The end that came back for this name, if it is of the FIFO that has the path now. */
  #takeStored(name: string, opened: number | undefined): number | undefined {
    const [stored, ...others] = this.#manager.take(name);
    for (const { fd } of others) closeSync(fd);
    if (stored === undefined) return undefined;
    if (opened !== undefined && isSame(stored.fd, opened)) return stored.fd;
    closeSync(stored.fd);
    this.#manager.remove(name);
    return undefined;
  }
}

type Reader =
  | { readonly kind: "opened"; readonly fd: number; readonly hadReader: boolean | undefined }
  | Exclude<Keeping, FoundFifo>;

/** `hadReader` only where it should have had one: the question may disturb a reader. */
function openReader(record: KeptFifo, before: "new" | "kept"): Reader {
  try {
    const fifo = Fifo.find(record.runRoot, record.relativePipe);
    try {
      const hadReader = before === "kept" ? fifo.hasReader() : undefined;
      return { kind: "opened", hadReader, fd: fifo.openForReading() };
    } finally {
      fifo.close();
    }
  } catch (error) {
    const errno = errnoNameOf(error instanceof FifoError ? error.cause : error) ?? "";
    if (!roomErrors.includes(errno)) return { kind: "unusable" };
    return { kind: "noRoom", reason: reasonOf(error) };
  }
}

function isSame(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one), fstatSync(other)];
  return a.ino === b.ino && a.dev === b.dev;
}
