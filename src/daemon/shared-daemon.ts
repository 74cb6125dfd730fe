// SPDX-License-Identifier: Apache-2.0
// The end of a daemon that `run` started: when no `run` is there any more and no stream either. The
// last `run` stops it in order; this is for when that one was killed.

import { closeSync, constants } from "node:fs";
import { openPath, tryLock } from "../kernel/index.ts";
import type { Places } from "../places/index.ts";
import type { Streams } from "./streams/index.ts";

export type Lifetime = "permanent" | "transient";

const lookEveryMs = 1000;

/** Returns what ends the watching. */
export function watchLifetime(
  lifetime: Lifetime,
  places: Places,
  streams: Streams,
  onUnneeded: () => void,
): () => void {
  if (lifetime === "permanent") return () => {};
  const timer = setInterval(() => {
    if (hasClients(places)) return;
    // Orphans' nodes stay behind in the store; their writers are heard to the end.
    for (const stream of streams.live) {
      if (stream.record.nodes === "present") streams.nodesGone(stream.record.epoch);
    }
    if (streams.live.length === 0) onUnneeded();
  }, lookEveryMs);
  return () => clearInterval(timer);
}

/**
 * Each `run` holds a shared lock on the file as long as it lives. An exclusive one is the last of
 * them, which is about to stop us.
 */
export function hasClients(places: Places): boolean {
  const path = `${places.stateDirectory}/clients.lock`;
  const fd = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    return tryLock(fd, "shared") && !tryLock(fd, "exclusive");
  } finally {
    closeSync(fd);
  }
}
