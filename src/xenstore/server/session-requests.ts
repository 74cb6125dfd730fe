// SPDX-License-Identifier: Apache-2.0
// The requests about the connection itself: WATCH, UNWATCH, RESET_WATCHES and the two ends of a
// transaction.

import { encodeStrings } from "../message.ts";
import { type Call, type Outcome, ok, oneString, strings, tellWatches } from "./call.ts";
import { domainPath, isSpecialPath, resolveWatchPath } from "./names.ts";
import { resetSession } from "./store.ts";
import { commit, createTransaction } from "./transaction.ts";
import { addWatch, eventPath, findWatch, removeWatch } from "./watches.ts";

export function watch(call: Call): Outcome {
  const { store, session } = call;
  const [text, token, ...rest] = strings(call) ?? [];
  if (text === undefined || token === undefined || rest.length > 0) return "EINVAL";
  const path = resolveWatchPath(text, session.domid);
  if (path === undefined) return "EINVAL";
  const relative = !text.startsWith("/") && !isSpecialPath(text);
  const prefixLength = relative ? domainPath(session.domid).length + 1 : 0;
  const added = addWatch(store.watches, session, path, token, prefixLength);
  if (added === undefined) return "EEXIST";
  session.watches.add(added);
  call.eventsAfter.push({ session, path: eventPath(added, path), token, mergeable: true });
  return ok;
}

export function unwatch(call: Call): Outcome {
  const { store, session } = call;
  const [text, token, ...rest] = strings(call) ?? [];
  if (text === undefined || token === undefined || rest.length > 0) return "EINVAL";
  const path = resolveWatchPath(text, session.domid);
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
  const done = commit(transaction, store.root);
  if (done === undefined) return "EAGAIN";
  const before = store.root;
  store.root = done.root;
  tellWatches(call, before, done.changedPaths);
  return ok;
}
