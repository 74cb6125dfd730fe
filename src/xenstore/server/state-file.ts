// SPDX-License-Identifier: Apache-2.0
// Keeps the store across a restart, in a file that is replaced and so always whole. A write starts
// `delayMs` after a change, or after ten times the duration of the last write if that is longer; a
// killed process loses younger changes. There is no fsync: a crash of the machine may lose the
// file, which belongs on a tmpfs like the socket.

import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { readStateFile, reasonOf, replaceFileLater } from "../../program/portable/index.ts";
import { XenstoreServerError } from "./errors.ts";
import { formatSnapshot, parseSnapshot } from "./snapshot.ts";
import { createStore, type Store } from "./store.ts";

export interface StateFile {
  readonly store: Store;
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

/** openStateFile(path, onError) loads the store, a new one when there is no file or no path.
 * Rejects with STATE_UNREADABLE. */
export async function openStateFile(
  path: string | undefined,
  onError: (error: Error) => void,
): Promise<StateFile> {
  if (path === undefined) {
    return { store: createStore(), noteChanges: () => undefined, close: async () => undefined };
  }
  const store = load(path);
  let written = keptOf(store);
  let writing: Promise<void> | undefined;
  const closing = new AbortController();

  const write = async (): Promise<void> => {
    while (!isSame(written, store)) {
      const startMs = performance.now();
      const kept = keptOf(store);
      try {
        await replaceFileLater(path, formatSnapshot(store));
        written = kept;
      } catch (error) {
        const message = `cannot write ${path}: ${reasonOf(error)}`;
        onError(new XenstoreServerError("STATE_UNWRITABLE", message, error));
        return;
      }
      await rest((performance.now() - startMs) * restFactor, closing.signal);
    }
  };

  return {
    store,
    noteChanges: () => {
      if (writing !== undefined || isSame(written, store)) return;
      writing = rest(delayMs, closing.signal)
        .then(write)
        .finally(() => {
          writing = undefined;
        });
    },
    close: async () => {
      closing.abort();
      await writing;
      if (isNew(store)) await rm(path, { force: true }).catch(() => undefined);
      else await write();
    },
  };
}

/** The parts that are kept; each is replaced when it changes. */
type Kept = Pick<Store, "root" | "domains" | "specialPermissions" | "quotas">;

function keptOf({ root, domains, specialPermissions, quotas }: Store): Kept {
  return { root, domains, specialPermissions, quotas };
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

function load(path: string): Store {
  try {
    const text = readStateFile(path, bytesMax);
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
