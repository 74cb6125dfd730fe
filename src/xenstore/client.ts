// SPDX-License-Identifier: Apache-2.0
// The client: operations, transactions and watches over a link that reconnects.

import { type OptionNames, unknownOption } from "../program/portable/index.ts";
import type { XenstoreClient, XenstoreConnectOptions } from "./client-interface.ts";
import { ClientWatches } from "./client-watches.ts";
import type { Send } from "./connection.ts";
import { XenstoreError } from "./errors.ts";
import { type Link, openLink } from "./link.ts";
import { placeOf, type XenstorePlace, xenstorePlaces } from "./locate.ts";
import { decodeStrings, decodeText, encodeStrings, type MessageName } from "./message.ts";
import { createOperations } from "./operations.ts";
import { checkDomid } from "./permission.ts";
import { runTransaction } from "./transaction.ts";

const optionNames: OptionNames<XenstoreConnectOptions> = {
  socketPath: true,
  timeoutMs: true,
  reconnect: true,
  requestTimeoutMs: true,
  beforeConnect: true,
  onState: true,
  signal: true,
};

/**
 * connectXenstore(options) connects to a xenstored and keeps the connection until close(). Rejects
 * with UNREACHABLE, EINVAL for an option that there is not, or the reason of `options.signal`.
 */
export async function connectXenstore(
  options: XenstoreConnectOptions = {},
): Promise<XenstoreClient> {
  const unknown = unknownOption(options, optionNames);
  if (unknown !== undefined) throw new XenstoreError("EINVAL", unknown);
  const { socketPath: paths = xenstorePlaces(process.env) } = options;
  return connectOver(placeOf(typeof paths === "string" ? [paths] : paths), options);
}

/** connectOver(place, options) is connectXenstore to a given place. */
export async function connectOver(
  place: XenstorePlace,
  options: XenstoreConnectOptions,
): Promise<XenstoreClient> {
  const watches = new ClientWatches(() => link.connection());
  const link: Link = await openLink(place, options, {
    onEvent: (path, token) => watches.push(path, token),
    onAwaited: (cause) => options.onState?.({ kind: "awaited", cause }),
    onConnected: (connection) => {
      watches.setAgain(connection);
      options.onState?.({ kind: "connected", socketPath: place.path() });
    },
    onLost: (cause, final) => {
      if (final !== undefined) watches.fail(final);
      options.onState?.({ kind: "lost", cause });
    },
  });

  const send: Send = async (name, payload, path) =>
    link.connection().request({ name, txId: 0, payload, path });
  const ask = (name: MessageName, ...strings: string[]): Promise<Uint8Array> =>
    send(name, encodeStrings(...strings));

  async function close(): Promise<void> {
    watches.end();
    await link.close();
  }

  return {
    ...createOperations(send),
    socketPath: place.path(),
    transaction: async (body, transactionOptions = {}) =>
      runTransaction(link.connection(), body, transactionOptions),
    watch: (path) => watches.watch(path),
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

function domidText(domid: number): string {
  return String(checkDomid(domid));
}

function numberText(number: bigint | number): string {
  if (typeof number === "bigint" ? number >= 0n : Number.isSafeInteger(number) && number >= 0) {
    return String(number);
  }
  throw new XenstoreError("EINVAL", `cannot use ${number}: not a whole number of 0 or more`);
}
