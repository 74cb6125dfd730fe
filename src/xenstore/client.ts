// SPDX-License-Identifier: Apache-2.0
// The client: operations, transactions and watches over a link that reconnects. Watches are set
// again on each new connection, before any request of the user.

import type { XenstoreClient, XenstoreConnectOptions } from "./client-interface.ts";
import type { Connection, Send } from "./connection.ts";
import { wireErrorCodes, XenstoreError } from "./errors.ts";
import { type Link, openLink } from "./link.ts";
import { placeOf, type XenstorePlace, xenstorePlaces } from "./locate.ts";
import { decodeStrings, decodeText, encodeStrings, type MessageName } from "./message.ts";
import { createOperations } from "./operations.ts";
import { parseWatchPath } from "./path.ts";
import { checkDomid } from "./permission.ts";
import { runTransaction } from "./transaction.ts";
import { createWatchQueue, type WatchQueue, type XenstoreWatch } from "./watch.ts";

/**
 * connectXenstore(options) connects to a xenstored and keeps the connection until close().
 * Rejects with UNREACHABLE, or the reason of `options.signal`.
 */
export async function connectXenstore(
  options: XenstoreConnectOptions = {},
): Promise<XenstoreClient> {
  const { socketPath: paths = xenstorePlaces(process.env) } = options;
  return connectOver(placeOf(typeof paths === "string" ? [paths] : paths), options);
}

/** connectOver(place, options) is connectXenstore to a given place. */
export async function connectOver(
  place: XenstorePlace,
  options: XenstoreConnectOptions,
): Promise<XenstoreClient> {
  const watches = new Map<string, WatchQueue>();
  let watchCount = 0;

  const link: Link = await openLink(place, options, {
    onEvent: (path, token) => watches.get(token)?.push(path),
    onConnected: (connection) => {
      for (const watch of watches.values()) {
        void setAgain(connection, watch, () => watches.delete(watch.token));
      }
      options.onState?.({ kind: "connected", socketPath: place.path() });
    },
    onLost: (cause, final) => {
      if (final !== undefined) for (const watch of watches.values()) watch.fail(final);
      options.onState?.({ kind: "lost", cause });
    },
  });

  const send: Send = async (name, payload, path) =>
    link.connection().request({ name, txId: 0, payload, path });
  const ask = (name: MessageName, ...strings: string[]): Promise<Uint8Array> =>
    send(name, encodeStrings(...strings));

  async function watch(path: string): Promise<XenstoreWatch> {
    watchCount += 1;
    const token = `w${watchCount}`;
    const queue = createWatchQueue(parseWatchPath(path), token, () => unwatch(queue));
    // Entered before the request is sent: over /dev/xen/xenbus the first event may precede the
    // reply.
    watches.set(token, queue);
    try {
      const payload = encodeStrings(path, token);
      const onLate = (): void => void takeBack(path, token).catch(() => undefined);
      await link.connection().request({ name: "WATCH", txId: 0, payload, path, onLate });
    } catch (error) {
      watches.delete(token);
      throw error;
    }
    return queue.watch;
  }

  async function unwatch(queue: WatchQueue): Promise<void> {
    if (!watches.delete(queue.token)) return;
    queue.end();
    // Ignore errors: without a connection the server has no watch, and a refusal changes nothing.
    await takeBack(queue.path, queue.token).catch(() => undefined);
  }

  async function takeBack(path: string, token: string): Promise<void> {
    const payload = encodeStrings(path, token);
    await link.connection().request({ name: "UNWATCH", txId: 0, payload, path, sentLate: true });
  }

  async function close(): Promise<void> {
    for (const queue of watches.values()) queue.end();
    watches.clear();
    await link.close();
  }

  return {
    ...createOperations(send),
    socketPath: place.path(),
    transaction: async (body, transactionOptions = {}) =>
      runTransaction(link.connection(), body, transactionOptions),
    watch,
    introduce: async (domid, gfn, eventChannel) => {
      const numbers = [domidText(domid), numberText(gfn), numberText(eventChannel)];
      await ask("INTRODUCE", ...numbers);
    },
    release: async (domid) => {
      await ask("RELEASE", domidText(domid));
    },
    isDomainIntroduced: async (domid) =>
      decodeStrings(await ask("IS_DOMAIN_INTRODUCED", domidText(domid)))[0] === "T",
    getDomainPath: async (domid) =>
      decodeStrings(await ask("GET_DOMAIN_PATH", domidText(domid)))[0] ?? "",
    control: async (command, ...args) =>
      decodeText(await ask("CONTROL", command, ...args)).replace(/\0$/, ""),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Sets a watch again. A refusal ends the watch, also after the time-out. Other errors do not:
 * either the connection was lost, and the next one sets the watch, or the server is slow and sets
 * it later. */
async function setAgain(
  connection: Connection,
  watch: WatchQueue,
  forget: () => void,
): Promise<void> {
  const { path, token } = watch;
  const endIfRefused = (reply: unknown): void => {
    if (!(reply instanceof XenstoreError)) return;
    if (!wireErrorCodes.some((code) => code === reply.code)) return;
    forget();
    watch.fail(reply);
  };
  const payload = encodeStrings(path, token);
  const late = { sentLate: true, onLate: endIfRefused } as const;
  await connection.request({ name: "WATCH", txId: 0, payload, path, ...late }).catch(endIfRefused);
}

function domidText(domid: number): string {
  return String(checkDomid(domid));
}

function numberText(number: bigint | number): string {
  if (typeof number === "bigint" ? number >= 0n : Number.isSafeInteger(number) && number >= 0) {
    return String(number);
  }
  throw new XenstoreError("EINVAL", `cannot use ${number}: not a whole number of 0 or more`);
}
