// SPDX-License-Identifier: Apache-2.0
// Random requests of three clients, inside and outside transactions, on the server's rules and
// on a reference that knows no trees: a flat map from path to value and time of change. The
// reference decides conflicts by C xenstored's rule, by comparing times.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { scenario } from "../../unit/xenstore/scenario.ts";

type Nodes = Map<string, { value: string; time: number }>;

interface ModelTransaction {
  nodes: Nodes;
  /** Nodes as they were outside when first touched; undefined: there was none. */
  readonly seen: Map<string, number | undefined>;
  readonly changes: ((nodes: Nodes) => void)[];
}

class Model {
  readonly nodes: Nodes = new Map([["/", { value: "", time: 0 }]]);
  readonly transactions = new Map<string, ModelTransaction>();
  #time = 0;

  request(client: string, verb: string, path: string, value: string, inside: boolean): string {
    const transaction = inside ? this.transactions.get(client) : undefined;
    if (verb === "TRANSACTION_START") {
      const begun = { nodes: this.nodes, seen: new Map(), changes: [] };
      this.transactions.set(client, begun);
      return "";
    }
    if (verb === "COMMIT" || verb === "ABORT") return this.#end(client, verb);
    const view = (): Nodes => (transaction ? this.#view(transaction) : this.nodes);
    this.#touch(transaction, path);
    const node = view().get(path);
    switch (verb) {
      case "READ":
        return node?.value ?? "!ENOENT";
      case "DIRECTORY":
        return node ? childrenOf(view(), path).join(",") : "!ENOENT";
      case "RM":
        if (node === undefined) return view().has(parentOf(path)) ? "OK" : "!ENOENT";
        this.#touch(transaction, parentOf(path));
        for (const below of belowOf(view(), path)) this.#touch(transaction, below);
        this.#change(transaction, (nodes, time) => {
          for (const below of belowOf(nodes, path)) nodes.delete(below);
          stamp(nodes, parentOf(path), time);
        });
        return "OK";
      default:
        this.#change(transaction, (nodes, time) => write(nodes, path, value, time));
        return "OK";
    }
  }

  isDoomed(client: string): boolean {
    const transaction = this.transactions.get(client);
    return transaction !== undefined && this.#conflicts(transaction);
  }

  #change(transaction: ModelTransaction | undefined, made: (nodes: Nodes, time: number) => void) {
    const time = ++this.#time;
    if (transaction === undefined) return made(this.nodes, time);
    transaction.changes.push((nodes) => made(nodes, time));
  }

  /** What a transaction sees is made anew each time: the nodes outside, and its changes. */
  #view(transaction: ModelTransaction): Nodes {
    if (!this.#conflicts(transaction)) transaction.nodes = new Map(this.nodes);
    const nodes = new Map(transaction.nodes);
    for (const change of transaction.changes) change(nodes);
    return nodes;
  }

  #touch(transaction: ModelTransaction | undefined, path: string): void {
    if (transaction === undefined) return;
    for (let at = path; ; at = parentOf(at)) {
      const view = this.#view(transaction);
      if (!transaction.seen.has(at)) transaction.seen.set(at, transaction.nodes.get(at)?.time);
      if (view.has(at)) return;
    }
  }

  #conflicts({ seen }: ModelTransaction): boolean {
    return [...seen].some(([path, time]) => this.nodes.get(path)?.time !== time);
  }

  #end(client: string, verb: string): string {
    const transaction = this.transactions.get(client);
    this.transactions.delete(client);
    if (transaction === undefined) return "!ENOENT";
    if (verb === "ABORT") return "OK";
    if (this.#conflicts(transaction)) return "!EAGAIN";
    for (const change of transaction.changes) change(this.nodes);
    return "OK";
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

function belowOf(nodes: Nodes, path: string): string[] {
  return [...nodes.keys()].filter((key) => key === path || key.startsWith(`${path}/`));
}

function childrenOf(nodes: Nodes, path: string): string[] {
  const keys = [...nodes.keys()].filter((key) => key !== "/" && parentOf(key) === path);
  return keys.map((key) => key.slice(key.lastIndexOf("/") + 1)).sort((a, b) => (a < b ? -1 : 1));
}

/** New objects each time: nodes are shared between the views. */
function stamp(nodes: Nodes, path: string, time: number): void {
  nodes.set(path, { value: nodes.get(path)?.value ?? "", time });
}

function write(nodes: Nodes, path: string, value: string, time: number): void {
  for (let at = path; !nodes.has(at); at = parentOf(at)) {
    stamp(nodes, at, time);
    if (nodes.has(parentOf(at))) stamp(nodes, parentOf(at), time);
  }
  nodes.set(path, { value, time });
}

const paths = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/e/f/g"];
const verbs = ["READ", "DIRECTORY", "WRITE", "WRITE", "RM"];

const step = fc.record({
  client: fc.constantFrom("a", "b", "c"),
  verb: fc.constantFrom(...verbs, ...verbs, "TRANSACTION_START", "COMMIT", "COMMIT", "ABORT"),
  path: fc.constantFrom(...paths),
  value: fc.constantFrom("1", "2"),
  inside: fc.boolean(),
});

test("any mixture of requests and transactions has the outcome of the reference", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const { play, arrange } = scenario();
      arrange("x RM /tool|");
      const model = new Model();
      const ids = new Map<string, string>();
      for (const { client, verb, path, value, inside } of steps) {
        const id = ids.get(client);
        if (verb === "TRANSACTION_START" && id !== undefined) continue;
        const within = inside && id !== undefined;
        const at = within ? `#${id}` : "";
        // What a transaction reads that can no longer be committed is its own affair.
        const doomed = within && model.isDoomed(client) && verb !== "COMMIT";
        const expected = model.request(client, verb, path, value, within);
        const [reply = ""] = play(requestText(client, verb, path, value, at, id));
        const text = reply.slice(`${client}< `.length);
        if (verb === "TRANSACTION_START") ids.set(client, text.slice(0, -1));
        else if (verb === "COMMIT" || verb === "ABORT") ids.delete(client);
        if (verb === "TRANSACTION_START" || doomed) continue;
        const names = text.startsWith("!") ? text : text.split("|").slice(0, -1).join(",");
        assert.equal(verb === "DIRECTORY" ? names : text, expected, `${client} ${verb} ${path}`);
      }
      for (const path of paths) {
        const expected = model.nodes.get(path)?.value ?? "!ENOENT";
        assert.deepEqual(play(`x READ ${path}|`), [`x< ${expected}`]);
      }
    }),
    { numRuns: 400 },
  );
});

function requestText(
  client: string,
  verb: string,
  path: string,
  value: string,
  at: string,
  id: string | undefined,
): string {
  switch (verb) {
    case "TRANSACTION_START":
      return `${client} TRANSACTION_START |`;
    case "COMMIT":
      return `${client} TRANSACTION_END#${id ?? 0} T|`;
    case "ABORT":
      return `${client} TRANSACTION_END#${id ?? 0} F|`;
    case "WRITE":
      return `${client} WRITE${at} ${path}|${value}`;
    default:
      return `${client} ${verb}${at} ${path}|`;
  }
}
