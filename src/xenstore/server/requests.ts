// SPDX-License-Identifier: Apache-2.0
// One message in, deliveries out: the table of requests and the rules that hold for all of them.

import type { WireErrorCode } from "../errors.ts";
import {
  encodeStrings,
  type MessageName,
  messageName,
  messageType,
  type XenstoreMessage,
} from "../message.ts";
import { type Call, type Event, type Outcome, subjectOf } from "./call.ts";
import { control } from "./control.ts";
import * as domains from "./domain-requests.ts";
import * as limits from "./limit-requests.ts";
import * as nodes from "./node-requests.ts";
import * as sessions from "./session-requests.ts";
import type { Session, Store } from "./store.ts";

export type Delivery =
  | { readonly kind: "event"; readonly event: Event }
  | { readonly kind: "reply"; readonly message: XenstoreMessage };

/** Other requests get ENOSYS. */
const handlers: Partial<Record<MessageName, (call: Call) => Outcome>> = {
  CONTROL: control,
  DIRECTORY: nodes.directory,
  DIRECTORY_PART: nodes.directoryPartOf,
  GET_DOMAIN_PATH: domains.getDomainPath,
  GET_FEATURE: limits.getFeature,
  GET_PERMS: nodes.getPermissions,
  GET_QUOTA: limits.getQuota,
  INTRODUCE: domains.introduce,
  IS_DOMAIN_INTRODUCED: domains.isIntroduced,
  MKDIR: nodes.mkdir,
  READ: nodes.read,
  RELEASE: domains.release,
  RESET_WATCHES: sessions.resetWatches,
  RESUME: domains.resume,
  RM: nodes.remove,
  SET_FEATURE: limits.setFeature,
  SET_PERMS: nodes.setPermissions,
  SET_QUOTA: limits.setQuota,
  SET_TARGET: domains.setTarget,
  TRANSACTION_END: sessions.endTransaction,
  TRANSACTION_START: sessions.startTransaction,
  UNWATCH: sessions.unwatch,
  WATCH: sessions.watch,
  WRITE: nodes.write,
};

/**
 * handleRequest(store, session, message) handles `message` and returns what to send, in this order:
 * the events that it caused, the reply, the first event of a new watch.
 */
export function handleRequest(
  store: Store,
  session: Session,
  message: XenstoreMessage,
): Delivery[] {
  const eventsBefore: Event[] = [];
  const eventsAfter: Event[] = [];
  const outcome = answer(store, session, message, eventsBefore, eventsAfter);
  const replied: Delivery = { kind: "reply", message: reply(message, outcome) };
  if (eventsBefore.length + eventsAfter.length === 0) return [replied];
  return [...eventsBefore.map(toDelivery), replied, ...eventsAfter.map(toDelivery)];
}

/** The answer to a request whose change is undone, without its events. */
export function refuse(message: XenstoreMessage, code: WireErrorCode): Delivery[] {
  return [{ kind: "reply", message: reply(message, code) }];
}

function answer(
  store: Store,
  session: Session,
  message: XenstoreMessage,
  eventsBefore: Event[],
  eventsAfter: Event[],
): Outcome {
  const name = messageName(message.type);
  const handler = name === undefined ? undefined : handlers[name];
  if (handler === undefined) return "ENOSYS";
  // Watches belong to the connection, not to the transaction that the header names.
  const inTransaction = message.txId !== 0 && name !== "WATCH" && name !== "UNWATCH";
  const transaction = inTransaction ? session.transactions.get(message.txId) : undefined;
  if (inTransaction && transaction === undefined) return "ENOENT";
  const { payload } = message;
  const subject = subjectOf(store, session);
  return handler({ store, session, subject, transaction, payload, eventsBefore, eventsAfter });
}

function reply(request: XenstoreMessage, outcome: Outcome): XenstoreMessage {
  const { reqId, txId } = request;
  return typeof outcome === "string"
    ? { type: messageType("ERROR"), reqId, txId, payload: errorPayload(outcome) }
    : { type: request.type, reqId, txId, payload: outcome };
}

function errorPayload(code: WireErrorCode): Uint8Array {
  return encodeStrings(code);
}

function toDelivery(event: Event): Delivery {
  return { kind: "event", event };
}
