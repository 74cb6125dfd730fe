// SPDX-License-Identifier: Apache-2.0
// Runs a body inside a transaction and again on a conflict. Bound to one connection: its id is not
// valid on another one.

import { type Backoff, pause, spreadPauseMs } from "../program/portable/index.ts";
import type { XenstoreTransaction, XenstoreTransactionOptions } from "./client-interface.ts";
import type { Connection, ConnectionRequest } from "./connection.ts";
import { isXenstoreError, XenstoreError } from "./errors.ts";
import { decodeStrings, encodeStrings } from "./message.ts";
import { createOperations } from "./operations.ts";

/**
 * Xen's own tools retry without end; with a bound a body that always conflicts ends with an error.
 */
const attemptsDefault = 1000;

/** The pause grows until a hundred clients have time for one attempt each. */
const conflictBackoff: Backoff = { firstMs: 1, maxMs: 128 };

/** runTransaction(connection, body, options): see XenstoreClient.transaction. */
export async function runTransaction<T>(
  connection: Connection,
  body: (transaction: XenstoreTransaction) => Promise<T>,
  options: XenstoreTransactionOptions,
): Promise<T> {
  const { attemptsMax = attemptsDefault, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const outcome = await runOnce(connection, body);
    if (outcome.kind === "committed") return outcome.value;
    if (attempt >= attemptsMax) throw outcome.error;
    await pause(spreadPauseMs(conflictBackoff, attempt - 1, Math.random()), signal);
  }
}

type Outcome<T> =
  | { readonly kind: "committed"; readonly value: T }
  | { readonly kind: "conflict"; readonly error: XenstoreError };

async function runOnce<T>(
  connection: Connection,
  body: (transaction: XenstoreTransaction) => Promise<T>,
): Promise<Outcome<T>> {
  const txId = await startTransaction(connection);
  let ended = false;
  const operations = createOperations(async (name, payload, path) => {
    if (ended) {
      // Not ENOENT: rm() and exists() would take it for an answer.
      throw new XenstoreError("EINVAL", `xenstore ${name}: its transaction has ended`, { path });
    }
    return connection.request({ name, txId, payload, path });
  });
  const end = (verdict: "T" | "F"): Promise<Uint8Array> => {
    ended = true;
    return connection.request(endOf(txId, verdict));
  };

  let value: T;
  try {
    value = await body(operations);
  } catch (error) {
    // Ignore errors: the caller needs the body's error, and a lost connection ended the
    // transaction.
    await end("F").catch(() => undefined);
    throw error;
  }
  try {
    await end("T");
    return { kind: "committed", value };
  } catch (error) {
    if (isXenstoreError(error, "EAGAIN")) return { kind: "conflict", error };
    throw error;
  }
}

async function startTransaction(connection: Connection): Promise<number> {
  const request: ConnectionRequest = {
    name: "TRANSACTION_START",
    txId: 0,
    payload: encodeStrings(""),
    onLate: (reply) => void dropLate(connection, reply).catch(() => undefined),
  };
  return parseTxId(await connection.request(request));
}

/**
 * Ends a transaction whose start timed out: C xenstored would keep it as long as the connection.
 */
async function dropLate(connection: Connection, reply: Uint8Array | XenstoreError): Promise<void> {
  if (!(reply instanceof XenstoreError)) await connection.request(endOf(parseTxId(reply), "F"));
}

/** Sent even late: otherwise the transaction would stay open. */
function endOf(txId: number, verdict: "T" | "F"): ConnectionRequest {
  return { name: "TRANSACTION_END", txId, payload: encodeStrings(verdict), sentLate: true };
}

function parseTxId(reply: Uint8Array): number {
  const [id] = decodeStrings(reply);
  const txId = Number(id);
  if (Number.isInteger(txId) && txId > 0 && txId <= 0xffffffff) return txId;
  throw new XenstoreError("PROTOCOL", `cannot use ${JSON.stringify(id)} as a transaction id`);
}
