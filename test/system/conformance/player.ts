// SPDX-License-Identifier: Apache-2.0
// Plays a case on a server and writes down what comes back, in the words of the cases:
//
//   "a WRITE /w|v"          a's request; `|` stands for NUL, `#1` after the name is a transaction
//   "a WRITE … & READ …"    several requests in one piece
//   "a BYTES 0a0b…"         bytes that need not be frames, in hexadecimal
//   "a CLOSE"               a goes away, "xen START 5" the hypervisor makes domain 5
//   "a< OK" "b< !ENOENT"    the reply, or the error
//   "a* /w t"               an event: path and token
//   "a is dropped"          the server closed the connection
//
// After each step every client asks one more question, whose answer ends what the step caused.

import { createDecoder, type MessageDecoder } from "../../../src/xenstore/decoder.ts";
import {
  encodeMessage,
  encodeStrings,
  headerBytes,
  type MessageName,
  messageName,
  messageType,
  payloadBytesMax,
  replyBytesMax,
  type XenstoreMessage,
} from "../../../src/xenstore/message.ts";
import type { Target, Wire } from "./wire.ts";

export interface Player {
  /** Plays one step and resolves with what each client got, a client's lines in their order. */
  play(step: string): Promise<string[]>;
  close(): void;
}

const questionReqId = 0xfffffff0;
const question = encodeMessage({
  type: messageType("GET_DOMAIN_PATH"),
  reqId: questionReqId,
  txId: 0,
  payload: encodeStrings("0"),
});

interface Client {
  readonly wire: Wire;
  readonly decoder: MessageDecoder;
  /** Sent, not answered; what is no frame is not here. */
  readonly asked: XenstoreMessage[];
  reqId: number;
  /** `half`: in the middle of a frame, no question can be asked; `faulty`: it claimed too much,
   * and what comes is its end. */
  state: "whole" | "half" | "faulty" | "dropped";
}

export function createPlayer(target: Target): Player {
  const clients = new Map<string, Client>();

  const clientOf = async (name: string): Promise<Client> => {
    const known = clients.get(name);
    if (known !== undefined) return known;
    const wire = await target.open(name);
    const opened: Client = {
      wire,
      decoder: createDecoder(replyBytesMax),
      asked: [],
      reqId: 0,
      state: "whole",
    };
    clients.set(name, opened);
    return opened;
  };

  const play = async (step: string): Promise<string[]> => {
    const [name = "", verb = ""] = step.split(" ", 2);
    const rest = step.slice(name.length + 1);
    if (name === "xen") {
      await target.startDomain(Number(rest.split(" ")[1]));
      return [];
    }
    const client = await clientOf(name);
    if (verb === "CLOSE") {
      client.wire.close();
      clients.delete(name);
    } else {
      for (const bytes of bytesOf(rest, client)) client.wire.send(bytes);
    }
    const order = [...clients].sort(([one]) => (one === name ? -1 : 0));
    const lines: string[] = [];
    for (const [each, asker] of order) lines.push(...(await answers(each, asker)));
    return lines;
  };
  return {
    play,
    close: () => {
      for (const { wire } of clients.values()) wire.close();
    },
  };
}

/** The bytes of a step; notes what is expected to be answered. */
function bytesOf(text: string, client: Client): Buffer[] {
  if (!text.startsWith("BYTES ")) {
    const requests = text.split(" & ").map((request) => toMessage(request, ++client.reqId));
    client.asked.push(...requests);
    return [Buffer.concat(requests.map(encodeMessage))];
  }
  const pieces = text
    .slice("BYTES ".length)
    .split(" ")
    .map((piece) => Buffer.from(piece, "hex"));
  const { messages, state } = wholeFrames(Buffer.concat(pieces));
  client.asked.push(...messages);
  client.state = state;
  return pieces;
}

function wholeFrames(bytes: Buffer): {
  messages: readonly XenstoreMessage[];
  state: Client["state"];
} {
  const { messages, fault } = createDecoder(payloadBytesMax).push(bytes);
  const usedBytes = messages.reduce((sum, { payload }) => sum + headerBytes + payload.length, 0);
  if (fault !== undefined) return { messages, state: "faulty" };
  return { messages, state: usedBytes === bytes.length ? "whole" : "half" };
}

function toMessage(request: string, reqId: number): XenstoreMessage {
  const match = /^([A-Z_]+|\d+)(?:#(\d+))?(?: (.*))?$/s.exec(request);
  if (match === null) throw new Error(`unreadable request ${request}`);
  const [, type = "", txId = "0", payload = ""] = match;
  return {
    type: /^\d+$/.test(type) ? Number(type) : messageType(type as MessageName),
    reqId,
    txId: Number(txId),
    payload: Buffer.from(payload.replaceAll("|", "\0"), "latin1"),
  };
}

/** What has come to a client up to the answer to a question, or to its end. */
async function answers(name: string, client: Client): Promise<string[]> {
  if (client.state === "dropped") return [];
  const lines: string[] = [];
  if (client.state === "whole") client.wire.send(question);
  while (client.state !== "half" || client.asked.length > 0) {
    const bytes = await client.wire.receive();
    if (bytes === undefined) {
      client.state = "dropped";
      return [...lines, `${name} is dropped`];
    }
    for (const message of client.decoder.push(bytes).messages) {
      if (message.reqId === questionReqId) return lines;
      lines.push(toLine(name, client, message));
    }
  }
  return lines;
}

function toLine(name: string, { asked }: Client, message: XenstoreMessage): string {
  const text = Buffer.from(message.payload).toString("latin1").replaceAll("\0", "|");
  if (messageName(message.type) === "WATCH_EVENT") {
    return `${name}* ${text.replace("|", " ").replace(/\|$/, "")}`;
  }
  const request = asked.shift();
  const isError = messageName(message.type) === "ERROR";
  const isAnswer =
    request?.reqId === message.reqId &&
    request.txId === message.txId &&
    (isError || request.type === message.type);
  const shown = isError ? `!${text.slice(0, -1)}` : text === "OK|" ? "OK" : text;
  return `${name}< ${shown}${isAnswer ? "" : " (not its type and ids)"}`;
}
