// SPDX-License-Identifier: Apache-2.0
// Waits for the daemon's answer, woken by a watch. If xenstored is lost the wait goes on: the watch
// fires again when it is back.

import { type LogfileKey, logfilePath, nodePath, readAnswer } from "../contract/index.ts";
import { isXenstoreError, type XenstoreClient, type XenstoreWatch } from "../xenstore/index.ts";
import { ToolstackError } from "./errors.ts";

/** Returns when the answer is `ready`; throws ToolstackError `refused` or `removed`. */
export async function waitUntilReady(
  xenstore: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  signal: AbortSignal,
): Promise<void> {
  // The directory, not `state`: a watch of a node that never existed may miss the removal of its
  // parent.
  const watch = await xenstore.watch(logfilePath(key));
  // Closing the watch ends the loop below.
  const stop = (): void => void watch.close().catch(() => undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (!signal.aborted) await readUntilReady(watch, xenstore, key, pipe, signal);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", stop);
    // Nobody has to wait for that.
    stop();
  }
}

async function readUntilReady(
  watch: XenstoreWatch,
  xenstore: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  signal: AbortSignal,
): Promise<void> {
  for await (const _event of watch) {
    if (await isReady(xenstore, key, pipe, signal)) return;
  }
  signal.throwIfAborted();
  throw new ToolstackError("xenstore", "the connection to xenstore was closed while we waited");
}

/**
 * Without a transaction where that is as good: `state` is read first, so a `pipe` of ours after it
 * says that the `state` was ours, too. A refusal is two nodes.
 */
async function readAnswerOf(
  xenstore: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof readAnswer>>> {
  const [state, present] = await Promise.all([
    xenstore.readIfExists(nodePath(key, "state")),
    xenstore.readIfExists(nodePath(key, "pipe")),
  ]);
  if (present !== pipe) return "gone";
  if (state === undefined) return "none";
  if (state === "ready") return { state };
  return await xenstore.transaction((t) => readAnswer(t, key, pipe), { signal });
}

async function isReady(
  xenstore: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const answer = await readAnswerOf(xenstore, key, pipe, signal);
    if (answer === "none") return false;
    if (answer === "gone") {
      throw new ToolstackError("removed", `${logfilePath(key)} was removed while we waited`);
    }
    if (answer.state === "failed") throw new ToolstackError("refused", answer.error);
    return true;
  } catch (error) {
    if (isXenstoreError(error, "LOST") || isXenstoreError(error, "UNREACHABLE")) return false;
    throw error;
  }
}
