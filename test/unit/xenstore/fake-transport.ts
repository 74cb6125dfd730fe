// SPDX-License-Identifier: Apache-2.0
// A transport whose other side is the test.

import { encodeStrings, messageType, type XenstoreMessage } from "../../../src/xenstore/message.ts";
import type { OpenTransport, TransportHandlers } from "../../../src/xenstore/transport.ts";

export interface FakeTransport {
  readonly open: OpenTransport;
  readonly sent: XenstoreMessage[];
  readonly ended: () => boolean;
  /** The client's handlers, once it has opened the transport. */
  readonly handlers: () => TransportHandlers;
  /** Answers the request at `index` of `sent`. */
  answer(index: number, text: string): void;
  refuse(index: number, code: string): void;
}

export function fakeTransport(inFlightMax = 256): FakeTransport {
  const sent: XenstoreMessage[] = [];
  let current: TransportHandlers | undefined;
  let ended = false;
  const handlers = (): TransportHandlers => {
    if (current === undefined) throw new Error("not opened");
    return current;
  };
  const request = (index: number): XenstoreMessage => {
    const message = sent[index];
    if (message === undefined) throw new Error(`request ${index} was not sent`);
    return message;
  };
  return {
    sent,
    handlers,
    ended: () => ended,
    open: async (given) => {
      current = given;
      return {
        inFlightMax,
        payloadBytesMax: 4096,
        send: (message) => sent.push(message),
        end: () => {
          ended = true;
        },
      };
    },
    answer: (index, text) =>
      handlers().onMessage({ ...request(index), payload: Buffer.from(text, "latin1") }),
    refuse: (index, code) =>
      handlers().onMessage({
        ...request(index),
        type: messageType("ERROR"),
        payload: encodeStrings(code),
      }),
  };
}
