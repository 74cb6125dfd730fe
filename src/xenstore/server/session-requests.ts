// SPDX-License-Identifier: Apache-2.0
// The requests about the connection itself: WATCH, UNWATCH, RESET_WATCHES and the two ends of a
// transaction.

import { encodeStrings } from "../message.ts";
import {
  type Call,
  fireWatches,
  type Outcome,
  ok,
  oneString,
  quota,
  strings,
  watchPath,
} from "./call.ts";
import { growthOf } from "./growth.ts";
import { domainPath, isSpecialPath } from "./names.ts";
import { resetSession } from "./store.ts";
import { commit, createTransaction } from "./transaction.ts";
import { addWatch, eventPath, findWatch, removeWatch } from "./watches.ts";

export function watch(call: Call): Outcome {
  const { store, session } = call;
  const [text, token, depthText, ...rest] = strings(call) ?? [];
  if (text === undefined || token === undefined || rest.length > 0) return "EINVAL";
  const path = watchPath(call, text);
  if (path === undefined) return "EINVAL";
  const depth = depthText === undefined ? undefined : parseDepth(depthText, path);
  if (depth === "EINVAL") return depth;
  if (findWatch(store.watches, session, path, token) !== undefined) return "EEXIST";
  // As in C xenstored, the check does not count the new one, so there may be one more.
  if (session.watches.size > quota(call, "watches")) return "E2BIG";
  const relative = !text.startsWith("/") && !isSpecialPath(text);
  const prefixLength = relative ? domainPath(session.domid).length + 1 : 0;
  const added = addWatch(store.watches, session, path, token, { prefixLength, depth });
  if (added === undefined) return "EEXIST";
  session.watches.add(added);
  call.eventsAfter.push({ session, path: eventPath(added, path), token, mergeable: true });
  return ok;
}

/** A decimal number; with a special path only 1, which asks for the domain's number
 * (xenstore.txt of 4.22). */
function parseDepth(text: string, path: string): number | "EINVAL" {
  if (!/^\d{1,9}$/.test(text)) return "EINVAL";
  const depth = Number(text);
  return isSpecialPath(path) && depth !== 1 ? "EINVAL" : depth;
}

export function unwatch(call: Call): Outcome {
  const { store, session } = call;
  const [text, token, ...rest] = strings(call) ?? [];
  if (text === undefined || token === undefined || rest.length > 0) return "EINVAL";
  const path = watchPath(call, text);
  if (path === undefined) return "EINVAL";
  const found = findWatch(store.watches, session, path, token);
  if (found === undefined) return "ENOENT";
  removeWatch(store.watches, found);
  session.watches.delete(found);
  return ok;
}

export function resetWatches(call: Call): Outcome {
  resetSession(call.store, call.session);
  return ok;
}

export function startTransaction(call: Call): Outcome {
  const { session } = call;
  if (call.transaction !== undefined) return "EBUSY";
  // As in C xenstored, the check does not count the new one, so there may be one more.
  if (session.transactions.size > quota(call, "transactions")) return "ENOSPC";
  do session.lastTransactionId = (session.lastTransactionId % 0xffffffff) + 1;
  while (session.transactions.has(session.lastTransactionId));
  const transaction = createTransaction(session.lastTransactionId, call.store.root);
  session.transactions.set(transaction.id, transaction);
  return encodeStrings(String(transaction.id));
}

export function endTransaction(call: Call): Outcome {
  const { store, session, transaction } = call;
  const verdict = oneString(call);
  if (verdict !== "T" && verdict !== "F") return "EINVAL";
  if (transaction === undefined) return "ENOENT";
  session.transactions.delete(transaction.id);
  if (verdict === "F") return ok;
  if (transaction.hasFailed) return "ENOMEM";
  const done = commit(transaction, store.root);
  if (done === undefined) return "EAGAIN";
  const before = store.root;
  for (const made of transaction.changes) store.addedBytes += growthOf(before, made.change);
  store.root = done.root;
  fireWatches(call, before, done.changedPaths);
  return ok;
}
