// SPDX-License-Identifier: Apache-2.0
// One watch: a queue that the connection fills and a reader empties. It never blocks the
// connection. Equal events in the queue are merged; above `queuedEventsMax` the queue becomes one
// event for the watched path itself, which means: read everything again.

import { XenstoreError } from "./errors.ts";

export interface XenstoreWatchEvent {
  /** The node that changed, at or below the watched path. No more is known: read it again. */
  readonly path: string;
  readonly token: string;
}

/**
 * Events of one watch. The first is the watched path itself, which comes again after each
 * reconnection. One reader at a time. Leaving a `for await` loop keeps the watch; close() or
 * disposal ends it, and the loop of a reader with it.
 */
export interface XenstoreWatch extends AsyncIterable<XenstoreWatchEvent>, AsyncDisposable {
  close(): Promise<void>;
}

/** Bounds the memory of a slow reader: one that is so far behind reads everything again anyway. */
const queuedEventsMax = 1024;

/** The connection's side of a watch. */
export interface WatchQueue {
  readonly path: string;
  readonly token: string;
  readonly watch: XenstoreWatch;
  push(path: string): void;
  end(): void;
  /** fail(error) makes every further read throw `error`. */
  fail(error: XenstoreError): void;
}

type State =
  | { readonly kind: "listed"; readonly paths: Set<string> }
  | { readonly kind: "collapsed" }
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly error: XenstoreError };

interface Reader {
  resolve(result: IteratorResult<XenstoreWatchEvent, undefined>): void;
  reject(error: XenstoreError): void;
}

export function createWatchQueue(
  path: string,
  token: string,
  close: () => Promise<void>,
): WatchQueue {
  let state: State = { kind: "listed", paths: new Set() };
  let reader: Reader | undefined;

  const become = (next: State): void => {
    state = next;
    if (reader === undefined) return;
    const taken = take();
    if (taken === undefined) return;
    const { resolve, reject } = reader;
    reader = undefined;
    if (taken instanceof XenstoreError) reject(taken);
    else resolve(taken);
  };

  /** undefined = nothing yet. */
  function take(): IteratorResult<XenstoreWatchEvent, undefined> | XenstoreError | undefined {
    switch (state.kind) {
      case "listed": {
        const [first] = state.paths;
        if (first === undefined) return undefined;
        state.paths.delete(first);
        return { done: false, value: { path: first, token } };
      }
      case "collapsed":
        state = { kind: "listed", paths: new Set() };
        return { done: false, value: { path, token } };
      case "ended":
        return { done: true, value: undefined };
      case "failed":
        return state.error;
    }
  }

  const iterator: AsyncIterator<XenstoreWatchEvent, undefined> = {
    next: () =>
      new Promise((resolve, reject) => {
        if (reader !== undefined) {
          reject(new XenstoreError("EBUSY", `watch of ${path} has a reader already`, { path }));
          return;
        }
        reader = { resolve, reject };
        become(state);
      }),
    return: async () => {
      // A pending read would take the next event, and the event would be lost.
      reader?.resolve({ done: true, value: undefined });
      reader = undefined;
      return { done: true, value: undefined };
    },
  };

  return {
    path,
    token,
    watch: {
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: close,
      close,
    },
    push: (changed) => {
      // The one event for everything covers all changes until it is taken.
      if (state.kind !== "listed") return;
      state.paths.add(changed);
      become(state.paths.size > queuedEventsMax ? { kind: "collapsed" } : state);
    },
    end: () => become({ kind: "ended" }),
    fail: (error) => become({ kind: "failed", error }),
  };
}
