// SPDX-License-Identifier: Apache-2.0
// The daemon's answer to a request, and how the toolstack reads it. A late answer never brings back
// nodes that were removed, nor does it reach the next request under the same id.

import type { XenstoreClient, XenstoreOperations } from "../xenstore/index.ts";
import { toAscii } from "./errors.ts";
import { type LogfileKey, nodePath } from "./tree.ts";

export type Answer =
  | { readonly state: "ready" }
  | { readonly state: "failed"; readonly error: string };

/** One line on a terminal; every server takes values of this length. */
export const errorBytesMax = 1024;

/**
 * Writes the answer to the request whose FIFO is `pipe`; "gone" if that request is no longer there.
 * An unchanged answer is not written again: the write would fire watches.
 */
export async function announce(
  client: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  answer: Answer,
): Promise<"announced" | "gone"> {
  const isDone = answer.state === "ready" && (await announceFirst(client, key, pipe));
  return isDone ? "announced" : await announceNext(client, key, pipe, answer);
}

/** A first `ready`, which most are: read and written in one turn, and dropped if it is another case. */
async function announceFirst(
  client: XenstoreClient,
  key: LogfileKey,
  pipe: string,
): Promise<boolean> {
  try {
    await client.transaction(async (transaction) => {
      const [foundPipe, foundError, foundState] = await Promise.all([
        transaction.readIfExists(nodePath(key, "pipe")),
        transaction.readIfExists(nodePath(key, "error")),
        transaction.readIfExists(nodePath(key, "state")),
        transaction.write(nodePath(key, "state"), "ready"),
      ]);
      const isFirst = foundPipe === pipe && foundError === undefined && foundState === undefined;
      if (!isFirst) throw notFirst;
    });
    return true;
  } catch (error) {
    if (error !== notFirst) throw error;
    return false;
  }
}

const notFirst = new Error("not a first answer");

function announceNext(
  client: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  answer: Answer,
): Promise<"announced" | "gone"> {
  return client.transaction(async (transaction) => {
    // All at once: one turn of the connection.
    const [foundPipe, foundError, foundState] = await Promise.all([
      transaction.readIfExists(nodePath(key, "pipe")),
      transaction.readIfExists(nodePath(key, "error")),
      transaction.readIfExists(nodePath(key, "state")),
    ]);
    if (foundPipe !== pipe) return "gone";
    const error = answer.state === "failed" ? errorValue(answer.error) : undefined;
    if (foundError !== error) await writeOrRemove(transaction, nodePath(key, "error"), error);
    if (foundState !== answer.state) {
      await transaction.write(nodePath(key, "state"), answer.state);
    }
    return "announced";
  });
}

/**
 * Writes beside `ready` why the present values are not in use; `undefined` removes that; "gone" if
 * the nodes are no longer those of a served request with that `pipe`.
 */
export function noteError(
  client: XenstoreClient,
  key: LogfileKey,
  pipe: string,
  error: string | undefined,
): Promise<"noted" | "gone"> {
  return client.transaction(async (transaction) => {
    if ((await transaction.readIfExists(nodePath(key, "pipe"))) !== pipe) return "gone";
    // A toolstack that removed `state` made a new request, which gets its own answer.
    if ((await transaction.readIfExists(nodePath(key, "state"))) !== "ready") return "gone";
    const path = nodePath(key, "error");
    if ((await transaction.readIfExists(path)) !== error) {
      await writeOrRemove(transaction, path, error);
    }
    return "noted";
  });
}

/** Of a sentence that is too long its begin and its end are kept: the end says why. */
const errorEndBytes = 256;

/** A sentence as `error` has it: printable ASCII, at most 1024 bytes. */
export function errorValue(sentence: string): string {
  const text = toAscii(sentence);
  if (text.length <= errorBytesMax) return text;
  const beginBytes = errorBytesMax - errorEndBytes - "...".length;
  return `${text.slice(0, beginBytes)}...${text.slice(-errorEndBytes)}`;
}

/**
 * The answer to the request whose FIFO is `pipe`: "gone" if that request is no longer there,
 * "none" while the daemon has not answered.
 */
export async function readAnswer(
  operations: XenstoreOperations,
  key: LogfileKey,
  pipe: string,
): Promise<Answer | "none" | "gone"> {
  // All at once: one turn of the connection.
  const [present, state] = await Promise.all([
    operations.readIfExists(nodePath(key, "pipe")),
    operations.readIfExists(nodePath(key, "state")),
  ]);
  if (present !== pipe) return "gone";
  if (state === "ready") return { state };
  if (state !== "failed") return "none";
  const error = await operations.readIfExists(nodePath(key, "error"));
  return { state, error: error ?? "the daemon gave no reason" };
}

async function writeOrRemove(
  operations: XenstoreOperations,
  path: string,
  value: string | undefined,
): Promise<void> {
  await (value === undefined ? operations.rm(path) : operations.write(path, value));
}
