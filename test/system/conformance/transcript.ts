// SPDX-License-Identifier: Apache-2.0
// What C xenstored answered, byte for byte, as text: a line for what a client sent and a line for
// all that it got before it sent again. Of a long request only the hash is kept, since the suite
// makes the request again; replies are complete.
//
//   = nodes: a removal takes …            a case begins
//   > a %0d|||%01||||||||%06|||/a/b|      a sent these bytes: `|` stands for 0, %0d for 13
//   > a sha256:8f2c… 1043                 a sent that many
//   < a %0d|||%01||||||||%03|||OK|        a got these bytes
//   ! a                                   a's connection ended

import { createHash } from "node:crypto";
import type { Target, Wire } from "./wire.ts";

const shownBytesMax = 48;

type Entry = { readonly kind: ">" | "<" | "!"; text: string };

/** recorded(target, lines) writes down what passes on the wires of one case. */
export function recorded(target: Target, lines: string[]): Target {
  const note = (kind: Entry["kind"], client: string, bytes: Uint8Array | undefined): void => {
    const words = bytes === undefined ? "" : kind === ">" ? shownRequest(bytes) : textOf(bytes);
    const before = lines.at(-1);
    // How a stream was cut into reads is chance.
    if (kind === "<" && before?.startsWith(`< ${client} `)) {
      lines[lines.length - 1] += words;
      return;
    }
    // A reset takes along what was not read yet, or not.
    if (kind === "!" && before?.startsWith(`< ${client} `)) lines.pop();
    lines.push(`${kind} ${client} ${words}`.trimEnd());
  };
  return {
    ...target,
    open: async (client) => {
      const wire = await target.open(client);
      return {
        close: wire.close,
        send: (bytes) => {
          note(">", client, bytes);
          wire.send(bytes);
        },
        receive: async () => {
          const bytes = await wire.receive();
          note(bytes === undefined ? "!" : "<", client, bytes);
          return bytes;
        },
      };
    },
  };
}

/** What the clients of one case sent and got. */
export type CaseTranscript = ReadonlyMap<string, readonly Entry[]>;

/** replayed(transcript) answers from it, and fails if the suite sends something else. */
export function replayed(transcript: CaseTranscript): Target {
  // A client that closes and opens again goes on in its entries.
  const left = new Map([...transcript].map(([client, entries]) => [client, [...entries]]));
  return {
    name: "transcript",
    open: async (client) => replayedWire(client, left.get(client) ?? []),
    startDomain: async () => undefined,
    end: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function replayedWire(client: string, entries: Entry[]): Wire {
  return {
    send: (bytes) => {
      const entry = entries.shift();
      if (entry?.kind === ">" && entry.text === shownRequest(bytes)) return;
      throw new Error(`${client} sends what the transcript does not have: record it again`);
    },
    receive: async () => {
      const entry = entries[0];
      if (entry === undefined || entry.kind === ">") {
        throw new Error(`the transcript has no more for ${client}: record it again`);
      }
      entries.shift();
      return entry.kind === "!" ? undefined : bytesOf(entry.text);
    },
    close: () => undefined,
  };
}

/** parseTranscript(text) has the cases by their names. */
export function parseTranscript(text: string): ReadonlyMap<string, CaseTranscript> {
  const cases = new Map<string, Map<string, Entry[]>>();
  let entries = new Map<string, Entry[]>();
  for (const line of text.split("\n")) {
    const kind = line[0];
    const rest = line.slice(2);
    if (kind === "=") {
      entries = new Map();
      cases.set(rest, entries);
    } else if (kind === ">" || kind === "<" || kind === "!") {
      const [client = ""] = rest.split(" ", 1);
      const entry: Entry = { kind, text: rest.slice(client.length + 1) };
      const known = entries.get(client);
      if (known === undefined) entries.set(client, [entry]);
      else known.push(entry);
    }
  }
  return cases;
}

function shownRequest(bytes: Uint8Array): string {
  if (bytes.byteLength <= shownBytesMax) return textOf(bytes);
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  return `sha256:${hash} ${bytes.byteLength}`;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("latin1")
    .replace(/[^!-~]|[%|]/g, (byte) =>
      byte === "\0" ? "|" : `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
}

function bytesOf(text: string): Buffer {
  const plain = text
    .replaceAll("|", "\0")
    .replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(plain, "latin1");
}
