// SPDX-License-Identifier: Apache-2.0
// What one C xenstored said, byte for byte, as text: a line for what a client sent and a line for
// all that came before it sent again. Long requests are there as their hash alone, since the suite
// makes them anyway; replies are whole.
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

/** recorded(target, lines) writes down what passes on its wires. */
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
    begin: async (caseName) => {
      lines.push(`= ${caseName}`);
      await target.begin(caseName);
    },
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

/** replayed(text) answers from a transcript, and fails where the suite sends something else. */
export function replayed(text: string): Target {
  const cases = parse(text);
  let entries = new Map<string, Entry[]>();
  return {
    name: "transcript",
    begin: async (caseName) => {
      const found = cases.get(caseName);
      if (found === undefined)
        throw new Error(`the transcript lacks "${caseName}": record it again`);
      entries = found;
    },
    open: async (client) => replayedWire(client, entries.get(client) ?? []),
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

function parse(text: string): ReadonlyMap<string, Map<string, Entry[]>> {
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
