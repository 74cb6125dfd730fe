// SPDX-License-Identifier: Apache-2.0
// Keeps the store across a restart, in a file that is replaced and so always whole. A write starts
// `delayMs` after a change, or after ten times the duration of the last write if that is longer; a
// killed process loses younger changes. A change for which the file system has no room, or that it
// takes no more, is refused: what is answered with OK can be written. There is no fsync: a crash of the
// machine may lose the file, which belongs on a tmpfs like the socket.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ReservedFile, RetryTimer, reasonOf } from "../../program/portable/index.ts";
import type { WireErrorCode } from "../errors.ts";
import { XenstoreServerError } from "./errors.ts";
import { formatSnapshot, parseSnapshot } from "./snapshot.ts";
import { createStore, type Store } from "./store.ts";

/** The parts that are kept; each is replaced when it changes. */
export type Kept = Pick<Store, "root" | "domains" | "specialPermissions" | "quotas">;

export interface StateFile {
  readonly store: Store;
  /**
   * Call after each request, with what was kept before it. If the file cannot have what the request has
   * changed, the change is undone, and the answer is this error.
   */
  admit(before: Kept): WireErrorCode | undefined;
  /** Call after requests were handled: starts a write if they changed something. */
  noteChanges(): void;
  /** Writes the changes that are not in the file yet; a store as at its first start has no file. */
  close(): Promise<void>;
}

/** A string of Node.js cannot be longer. */
const bytesMax = 512 << 20;
const delayMs = 2;
/** Keeps the share of time spent on writing a large store below a tenth. */
const restFactor = 10;
/** Room beside that for the store as it is, so that it is not measured at each change. */
const spareBytesMin = 64 * 1024;
/** What a domain, a list of special permissions or a quota adds to the text at most. */
const entryBytesMax = 4096;
const backoff = { firstMs: 100, maxMs: 2000 };

/** openStateFile(path, onError) loads the store, a new one when there is no file or no path.
 * Throws STATE_UNREADABLE. A file that cannot be written is reported, and refuses changes. */
export function openStateFile(
  path: string | undefined,
  onError: (error: Error) => void,
): StateFile {
  if (path !== undefined) return new Keeper(path, onError);
  return {
    store: createStore(),
    admit: () => undefined,
    noteChanges: () => undefined,
    close: async () => undefined,
  };
}

/** keptOf(store) is what is kept of it now. */
export function keptOf({ root, domains, specialPermissions, quotas }: Store): Kept {
  return { root, domains, specialPermissions, quotas };
}

class Keeper implements StateFile {
  readonly store: Store;
  readonly #path: string;
  readonly #onError: (error: Error) => void;
  readonly #file: ReservedFile;
  readonly #retry: RetryTimer;
  readonly #closing: AbortController = new AbortController();
  #written: Kept;
  #writing: Promise<void> | undefined;
  /** `store.addedBytes` when the store was measured last, and its bytes then. */
  #measured: { readonly atAddedBytes: number; readonly bytes: number };
  /** Whether the file system took a byte since the last batch of requests. */
  #isProbed: boolean = false;
  /** Why the last write failed. */
  #refusal: WireErrorCode | undefined;
  #reported: string | undefined;

  constructor(path: string, onError: (error: Error) => void) {
    this.#path = path;
    this.#file = new ReservedFile(path);
    const store = load(path, this.#file);
    this.store = store;
    this.#written = keptOf(store);
    this.#onError = onError;
    this.#retry = new RetryTimer({ backoff, attempt: () => this.#begin(0), unref: true });
    this.#measured = this.#measure();
    try {
      this.#makeRoom();
      // Without a file there is nothing whose room the next one could have.
      if (!existsSync(path)) this.#file.replace(formatSnapshot(store));
    } catch (error) {
      this.#failed(error);
    }
  }

  admit(before: Kept): WireErrorCode | undefined {
    const { store } = this;
    if (isSame(before, store)) return undefined;
    if (before.root === store.root) store.addedBytes += entryBytesMax;
    const refusal = this.#refusal ?? this.#probe() ?? this.#findRoom();
    if (refusal !== undefined) Object.assign(store, before);
    return refusal;
  }

  noteChanges(): void {
    this.#isProbed = false;
    this.#begin(delayMs);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#retry.cancel();
    await this.#writing;
    if (isNew(this.store)) {
      this.#file.removeIfPossible();
      return;
    }
    await this.#write();
    this.#retry.cancel();
    this.#file.close();
  }

  #begin(delay: number): void {
    if (this.#writing !== undefined) return;
    if (isSame(this.#written, this.store) && this.#refusal === undefined) return;
    this.#writing = rest(delay, this.#closing.signal)
      .then(() => this.#write())
      .finally(() => {
        this.#writing = undefined;
      });
  }

  async #write(): Promise<void> {
    while (!isSame(this.#written, this.store) || this.#refusal !== undefined) {
      const startMs = performance.now();
      const kept = keptOf(this.store);
      try {
        await this.#file.replaceLater(formatSnapshot(this.store));
      } catch (error) {
        this.#failed(error);
        return;
      }
      this.#written = kept;
      this.#refusal = undefined;
      this.#retry.succeeded();
      await rest((performance.now() - startMs) * restFactor, this.#closing.signal);
    }
  }

  #probe(): WireErrorCode | undefined {
    if (this.#isProbed) return undefined;
    try {
      this.#file.probe();
      this.#isProbed = true;
      return undefined;
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** A smaller change, or a removal, may find room nevertheless. */
  #findRoom(): WireErrorCode | undefined {
    if (this.#boundBytes() <= this.#file.roomBytes) return undefined;
    try {
      this.#makeRoom();
      return undefined;
    } catch (error) {
      this.#report(error);
      return wireCodeOf(error);
    }
  }

  /** Changes are refused until a write succeeds. */
  #failed(error: unknown): WireErrorCode {
    this.#refusal = wireCodeOf(error);
    this.#report(error);
    this.#retry.again();
    return this.#refusal;
  }

  /** Once for each reason, until all is well again. */
  #report(error: unknown): void {
    const message = `cannot write ${this.#path}: ${reasonOf(error)}; changes are refused`;
    if (message === this.#reported) return;
    this.#reported = message;
    this.#onError(new XenstoreServerError("STATE_UNWRITABLE", message, error));
  }

  /** What the text of the store has at most. */
  #boundBytes(): number {
    const { bytes, atAddedBytes } = this.#measured;
    return bytes + this.store.addedBytes - atAddedBytes;
  }

  /** Throws the file system's error if there is no room for the store as it is. */
  #makeRoom(): void {
    this.#measured = this.#measure();
    const { bytes } = this.#measured;
    try {
      this.#file.reserve(2 * bytes + spareBytesMin);
      this.#reported = undefined;
    } catch (error) {
      if (this.#file.roomBytes < bytes) throw error;
    }
  }

  #measure(): { readonly atAddedBytes: number; readonly bytes: number } {
    const bytes = Buffer.byteLength(formatSnapshot(this.store));
    return { atAddedBytes: this.store.addedBytes, bytes };
  }
}

/** EIO for the rest: ENOENT and EACCES would be read as an answer about the node. */
function wireCodeOf(error: unknown): WireErrorCode {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOSPC":
    case "EDQUOT":
      return "ENOSPC";
    case "EROFS":
      return "EROFS";
    default:
      return "EIO";
  }
}

function isSame(one: Kept, other: Kept): boolean {
  return (
    one.root === other.root &&
    one.domains === other.domains &&
    one.specialPermissions === other.specialPermissions &&
    one.quotas === other.quotas
  );
}

function isNew(store: Store): boolean {
  return store.domains.size === 0 && formatSnapshot(store) === formatSnapshot(createStore());
}

function load(path: string, file: ReservedFile): Store {
  try {
    const text = file.read(bytesMax);
    return text === undefined ? createStore() : parseSnapshot(text);
  } catch (error) {
    const message = `cannot use ${path}: ${reasonOf(error)}`;
    throw new XenstoreServerError("STATE_UNREADABLE", message, error);
  }
}

/** Waits; returns at once when the server closes. */
async function rest(restMs: number, signal: AbortSignal): Promise<void> {
  await sleep(restMs, undefined, { signal }).catch(() => undefined);
}
