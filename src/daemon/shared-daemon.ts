// SPDX-License-Identifier: Apache-2.0
// Ends a daemon that `run` started when no `run` and no stream is left. The last `run` stops it in
// order; this is for a last `run` that was killed.

import type { Places } from "../places/index.ts";
import { isLocked } from "../program/index.ts";
import type { Streams } from "./streams/index.ts";

/** `shared`: started by a `run` for all that run at the same time; ends after the last of them. */
export type Lifetime = "permanent" | "shared";

const lookEveryMs = 1000;

/** Returns a function that ends the watch. */
export function watchLifetime(
  lifetime: Lifetime,
  places: Places,
  streams: Streams,
  onUnneeded: () => void,
): () => void {
  if (lifetime === "permanent") return () => {};
  const timer = setInterval(() => {
    if (hasClients(places)) return;
    // The nodes of a killed `run` stay in the store; each stream goes on until its last writer is gone.
    for (const stream of streams.live) {
      if (stream.record.nodes === "present") streams.changes.nodesGone(stream.record.epoch);
    }
    if (streams.live.length === 0) onUnneeded();
  }, lookEveryMs);
  return () => clearInterval(timer);
}

/**
 * Each `run` holds a shared lock on the file while it lives. An exclusive lock is that of the last
 * one, which is about to stop this daemon: it is not a client any more.
 */
export function hasClients(places: Places): boolean {
  const path = `${places.stateDirectory}/clients.lock`;
  return !isLocked(path, "shared") && isLocked(path, "exclusive");
}
