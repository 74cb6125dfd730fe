// SPDX-License-Identifier: Apache-2.0
// A server that the test plays, for what real ones do rarely: it hears each request, and says what
// it is told to.

import { createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import {
  encodeMessage,
  encodeStrings,
  type MessageName,
  messageName,
  messageType,
  payloadBytesMax,
  type XenstoreMessage,
} from "../../../src/xenstore/message.ts";

export interface PlayedConnection {
  readonly socket: Socket;
  /** What was asked so far, in order. */
  readonly requests: readonly PlayedRequest[];
}

export interface PlayedRequest {
  readonly name: MessageName | undefined;
  /** The payload, NUL shown as `|`. */
  readonly text: string;
  readonly txId: number;
  /** Answers with strings, as a request of that type or as an ERROR. */
  answer(...strings: readonly string[]): void;
  refuse(code: string): void;
}

export interface PlayedServer {
  readonly connections: readonly PlayedConnection[];
  /** All requests of all connections, in order. */
  readonly requests: readonly PlayedRequest[];
}

/** playServer(t, socketPath, onRequest, onConnection) listens until the end of the test. */
export async function playServer(
  t: TestContext,
  socketPath: string,
  onRequest: (request: PlayedRequest, connection: PlayedConnection) => void,
  onConnection: (socket: Socket, number: number) => void = () => undefined,
): Promise<PlayedServer> {
  const connections: PlayedConnection[] = [];
  const requests: PlayedRequest[] = [];
  const server = createServer((socket) => {
    const decoder = createDecoder(payloadBytesMax);
    const asked: PlayedRequest[] = [];
    const connection = { socket, requests: asked };
    connections.push(connection);
    socket.on("error", () => undefined);
    onConnection(socket, connections.length);
    socket.on("data", (chunk) => {
      for (const message of decoder.push(chunk).messages) {
        const request = playedRequest(socket, message);
        asked.push(request);
        requests.push(request);
        onRequest(request, connection);
      }
    });
  });
  t.after(() => {
    server.close();
    for (const { socket } of connections) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return { connections, requests };
}

function playedRequest(socket: Socket, message: XenstoreMessage): PlayedRequest {
  const say = (type: number, strings: readonly string[]): void => {
    socket.write(encodeMessage({ ...message, type, payload: encodeStrings(...strings) }));
  };
  return {
    name: messageName(message.type),
    text: Buffer.from(message.payload).toString("latin1").replaceAll("\0", "|"),
    txId: message.txId,
    answer: (...strings) => say(message.type, strings),
    refuse: (code) => say(messageType("ERROR"), [code]),
  };
}
