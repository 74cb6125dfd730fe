// SPDX-License-Identifier: Apache-2.0
// Makes the streams what xenstore asks for: reads the requests that a look is about, lets `decide.ts`
// decide, and performs it. A lost connection leaves the streams alone.

import { keyText, type LogfileKey, parseKeyText, readRequest } from "../../contract/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import {
  isXenstoreError,
  type XenstoreClient,
  type XenstoreOperations,
} from "../../xenstore/index.ts";
import { type DeadDomains, readStoreId } from "../collect/index.ts";
import type { Streams } from "../streams/index.ts";
import { type Desired, decide, type Present } from "./decide.ts";
import { keysOf } from "./keys.ts";
import { LookQueue, type LookScope } from "./look-queue.ts";
import { Openings } from "./open.ts";
import { Performer } from "./perform.ts";
import type { Refusals } from "./refusals.ts";

export interface ReconcilerOptions {
  readonly client: XenstoreClient;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly deadDomains: DeadDomains;
  readonly emit: EmitEvent;
}

/** A thousand requests read one after another take seconds; more at once gain nothing. */
const keysAtOnce = 32;
/** Servers allow clients that are not dom0 ten. */
const transactionsAtOnce = 8;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #performer: Performer;
  readonly #openings: Openings;
  readonly #looks: LookQueue = new LookQueue((scopes) => ignoreXenstoreErrors(this.#look(scopes)));

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#performer = new Performer(options);
    this.#openings = new Openings({
      ...options,
      onAnswered: (key) => this.lookAt({ kind: "logfile", key }),
    });
  }

  /** Resolves when a look at the scope is over that began after the call. */
  lookAt(scope: LookScope): Promise<void> {
    return this.#looks.add(scope);
  }

  async #look(scopes: readonly LookScope[]): Promise<void> {
    const { client } = this.#options;
    const isAboutAll = scopes.some(({ kind }) => kind === "everything");
    // Both at once: one turn of the connection.
    const [store, keys] = await Promise.all([
      readStoreId(client),
      keysOf(scopes, client, () => this.#knownKeys()),
    ]);
    for (let next = 0; next < keys.length; next += keysAtOnce) {
      const some = keys.slice(next, next + keysAtOnce);
      if (isAboutAll) await this.#observeOwners(some);
      // Reads of many keys at once are fast; actions have to wait for those before them.
      const idle = await Promise.all(some.map((key) => this.#asksForNothing(key, store)));
      await this.#lookAtKeys(
        some.filter((_, index) => idle[index] !== true),
        store,
      );
    }
  }

  /** What changes between its read and its actions has its own event, and that a look of its own. */
  async #lookAtKeys(keys: readonly LogfileKey[], store: string): Promise<void> {
    for (let next = 0; next < keys.length; next += transactionsAtOnce) {
      const reads = keys.slice(next, next + transactionsAtOnce).map((key) => {
        const read = this.#read(key);
        // Whoever waits for it has the error, if somebody still does.
        read.catch(() => undefined);
        return { key, read };
      });
      for (const { key, read } of reads) {
        await ignoreXenstoreErrors(read.then((desired) => this.#act(key, desired, store)));
      }
    }
  }

  /** Of requests that are served, refused, or not trusted. */
  #knownKeys(): readonly LogfileKey[] {
    const { streams, refusals } = this.#options;
    const served = streams.live.map(({ record }) => record.key);
    return [...served, ...refusals.keys, ...this.#performer.distrusted].flatMap(
      (text) => parseKeyText(text) ?? [],
    );
  }

  async #observeOwners(keys: readonly LogfileKey[]): Promise<void> {
    const domids = keys.flatMap(({ owner }) => (owner.kind === "domain" ? [owner.domid] : []));
    const { deadDomains } = this.#options;
    await Promise.all([...new Set(domids)].map((domid) => deadDomains.observe(domid)));
  }

  /**
   * Reads without a transaction: what changes meanwhile has its own event, and that a look of its own.
   * So this is good enough to do nothing, and not to act.
   */
  async #asksForNothing(key: LogfileKey, store: string): Promise<boolean> {
    const { client, streams, refusals } = this.#options;
    if (refusals.has(key) || this.#performer.distrusts(key)) return false;
    // Without a stream it is a new request, most likely.
    if (streams.having("key", keyText(key)).length === 0) return false;
    try {
      const desired = await readDesired(client, key);
      return decide(desired, this.#presentAt(key, store)).length === 0;
    } catch (error) {
      // A node was removed between two reads.
      if (isXenstoreError(error)) return false;
      throw error;
    }
  }

  #read(key: LogfileKey): Promise<Desired> {
    return this.#options.client.transaction((transaction) => readDesired(transaction, key));
  }

  async #act(key: LogfileKey, desired: Desired, store: string): Promise<void> {
    const pipe = desired.kind === "nodes" ? desired.nodes.pipe : undefined;
    this.#options.refusals.release(key, pipe);
    if (desired.kind !== "untrusted") this.#performer.trust(key);
    const nodes = desired.kind === "gone" ? {} : desired.nodes;
    for (const action of decide(desired, this.#presentAt(key, store))) {
      switch (action.kind) {
        case "open":
        case "renew":
          await this.#lookAtOwners(key, action.request.file, store);
          this.#openings.begin(key, action.request, store);
          break;
        default:
          await this.#performer.perform({ key, nodes, store }, action);
      }
    }
  }

  /**
   * An event says that something has changed, not when: the request that is read now may be younger
   * than the removal of another one for the same file, whose event is still to come.
   */
  async #lookAtOwners(key: LogfileKey, file: string, store: string): Promise<void> {
    const owners = this.#options.streams
      .having("file", file)
      .filter(({ record }) => record.nodes === "present" && record.key !== keyText(key));
    for (const { record } of owners) {
      const owner = parseKeyText(record.key);
      if (owner !== undefined) await this.#act(owner, await this.#read(owner), store);
    }
  }

  #presentAt(key: LogfileKey, store: string): readonly Present[] {
    return this.#options.streams.having("key", keyText(key)).map(({ record, phase, error }) => ({
      ...record,
      error,
      // Until it is answered its `state` is missing, and that asks for nothing new.
      phase: this.#openings.has(key, record.pipe) ? "opening" : phase,
      nodes: record.nodes === "present" && record.store !== store ? "lost" : record.nodes,
    }));
  }
}

/**
 * After a lost connection the next one begins with a look at everything. A node that was removed
 * during a look has an event of its own to come.
 */
async function ignoreXenstoreErrors(look: Promise<void>): Promise<void> {
  try {
    await look;
  } catch (error) {
    if (!isXenstoreError(error)) throw error;
  }
}

async function readDesired(operations: XenstoreOperations, key: LogfileKey): Promise<Desired> {
  const read = await readRequest(operations, key);
  if (read === undefined) return { kind: "gone" };
  const { nodes, untrusted } = read;
  return untrusted === undefined
    ? { kind: "nodes", nodes }
    : { kind: "untrusted", node: untrusted, nodes };
}
