// SPDX-License-Identifier: Apache-2.0
// Follows xenstore: reads what an event is about, lets `reconcile.ts` decide, and does it. A lost
// connection leaves the streams alone; after a new one everything is read again.

import {
  announce,
  domainNamePath,
  type EventScope,
  findUntrustedNode,
  hostName,
  keyText,
  type LogfileKey,
  type LogRequest,
  libxlRoot,
  listLogfiles,
  listLogfilesOf,
  loggingPath,
  logNameOf,
  nodePath,
  noteError,
  parseKeyText,
  readNodes,
  scopeOfEvent,
} from "../../contract/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import {
  isXenstoreError,
  type XenstoreClient,
  type XenstoreOperations,
  type XenstoreWatch,
} from "../../xenstore/index.ts";
import { type DeadDomains, readStoreId, sweepFifos } from "../collect/index.ts";
import type { Streams } from "../streams/index.ts";
import { type Action, type Desired, type Present, reconcile } from "./decide.ts";
import type { Refusals } from "./refusals.ts";

export interface ReconcilerOptions {
  readonly client: XenstoreClient;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly deadDomains: DeadDomains;
  readonly emit: EmitEvent;
  /** Called when all that was in the store has been looked at for the first time. */
  readonly onFirstRead: () => void;
}

/** A thousand requests read one after another take seconds; more at once gain nothing. */
const keysAtOnce = 32;
/** With more than this to look at, everything is looked at instead. */
const dueMax = 1024;

/** Who may write such a node may do it all the time: the daemon's own log is bounded, too. */
const untrustedIntervalMs = 60_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  /** Requests whose pump has not answered, by key, with the FIFO they are about. */
  readonly #opening: Map<string, string> = new Map();
  /** When an owner's untrusted node was told of last. */
  readonly #untrustedAtMs: Map<string, number> = new Map();
  /** What the next look is about, by its own text. */
  readonly #due: Map<string, EventScope> = new Map();
  #looking: Promise<void> = Promise.resolve();
  /** The look that has not begun yet, if there is one. */
  #next: Promise<void> | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Runs until the client is closed. */
  async run(): Promise<void> {
    const watch = await this.#options.client.watch(libxlRoot);
    await new Promise<void>((resolve, reject) => {
      this.#follow(watch, reject).then(resolve, reject);
    });
  }

  /** Waits for no look, so that what changes during one is the next one's, all of it. */
  async #follow(watch: XenstoreWatch, onBug: (error: unknown) => void): Promise<void> {
    for await (const event of watch) {
      const scope = scopeOfEvent(event.path);
      if (scope.kind === "unrelated") continue;
      this.#lookInTurn(scope)
        .then(() => {
          if (scope.kind === "everything") this.#options.onFirstRead();
        })
        .catch(onBug);
    }
  }

  /** Looks at one log file again, for a reason that is not in xenstore. */
  async lookAt(key: LogfileKey): Promise<void> {
    await this.#lookInTurn({ kind: "logfile", key });
  }

  /** Collects the FIFOs that no request is about; see `fifo-sweep.ts`. */
  async sweep(fifoDirectory: string): Promise<void> {
    const { client, streams, refusals, emit } = this.#options;
    try {
      const keys = await listLogfiles(client);
      const asked = await Promise.all(
        keys.map((key) => client.readIfExists(nodePath(key, "pipe"))),
      );
      const named = new Set([
        ...asked.filter((pipe) => pipe !== undefined),
        ...streams.live.map(({ record }) => record.pipe),
        ...refusals.held.map(({ pipe }) => pipe),
      ]);
      const removed = sweepFifos(fifoDirectory, named, Date.now());
      if (removed.length > 0) emit({ kind: "FifosCollected", names: removed });
    } catch (error) {
      // Another time: there is no hurry.
      if (!isXenstoreError(error)) throw error;
    }
  }

  /**
   * One look at a time, or two of them would act on the same stream; what is asked for meanwhile
   * is one look. Resolves when a look is over that has begun after the call.
   */
  #lookInTurn(scope: EventScope): Promise<void> {
    this.#due.set(JSON.stringify(scope), scope);
    this.#next ??= this.#looking = this.#looking.then(async () => {
      this.#next = undefined;
      const due = [...this.#due.values()];
      this.#due.clear();
      await passOver(this.#look(due));
    });
    return this.#next;
  }

  async #look(scopes: readonly EventScope[]): Promise<void> {
    const isAboutAll =
      scopes.length > dueMax || scopes.some((scope) => scope.kind === "everything");
    const store = await readStoreId(this.#options.client);
    const keys = isAboutAll
      ? await this.#keysIn({ kind: "everything" })
      : await this.#keysInAny(scopes);
    const all = [...keys.values()];
    for (let next = 0; next < all.length; next += keysAtOnce) {
      const some = all.slice(next, next + keysAtOnce);
      if (isAboutAll) await this.#observeOwners(some);
      // Only what there is to do has to wait for what was done before it.
      const settled =
        all.length > 1 ? await Promise.all(some.map((key) => this.#isSettled(key, store))) : [];
      for (const key of some.filter((_, index) => settled[index] !== true)) {
        await passOver(this.#lookAtKey(key, store));
      }
    }
  }

  async #keysInAny(scopes: readonly EventScope[]): Promise<ReadonlyMap<string, LogfileKey>> {
    const found = await Promise.all(scopes.map((scope) => this.#keysIn(scope)));
    return new Map(found.flatMap((keys) => [...keys]));
  }

  async #observeOwners(keys: readonly LogfileKey[]): Promise<void> {
    const domids = keys.flatMap(({ owner }) => (owner.kind === "domain" ? [owner.domid] : []));
    const { deadDomains } = this.#options;
    await Promise.all([...new Set(domids)].map((domid) => deadDomains.observe(domid)));
  }

  /**
   * True if the request asks for nothing; acting on it needs another look, in turn. Reads without a
   * transaction: what changes meanwhile has its own event, and that a look of its own.
   */
  async #isSettled(key: LogfileKey, store: string): Promise<boolean> {
    const { client, refusals } = this.#options;
    if (refusals.held.some((refused) => keyText(refused.key) === keyText(key))) return false;
    try {
      const desired = await readDesired(client, key);
      return reconcile(desired, this.#presentAt(key, store)).length === 0;
    } catch (error) {
      // A node that went between two requests.
      if (isXenstoreError(error)) return false;
      throw error;
    }
  }

  async #lookAtKey(key: LogfileKey, store: string): Promise<void> {
    const desired = await this.#options.client.transaction((transaction) =>
      readDesired(transaction, key),
    );
    const pipe = desired.kind === "nodes" ? desired.nodes.pipe : undefined;
    this.#options.refusals.release(key, pipe);
    for (const action of reconcile(desired, this.#presentAt(key, store))) {
      await this.#perform(key, action, store);
    }
  }

  /**
   * An event says that something has changed, not when: the request that is read now may be younger
   * than the removal of another one for the same file, whose event is still to come.
   */
  async #lookAtOwners(key: LogfileKey, file: string, store: string): Promise<void> {
    const owners = this.#options.streams.live.filter(
      ({ record }) =>
        record.file === file && record.nodes === "present" && record.key !== keyText(key),
    );
    for (const { record } of owners) {
      const owner = parseKeyText(record.key);
      if (owner !== undefined) await this.#lookAtKey(owner, store);
    }
  }

  #presentAt(key: LogfileKey, store: string): readonly Present[] {
    const text = keyText(key);
    return this.#options.streams.live
      .filter(({ record }) => record.key === text)
      .map(({ record, phase, error }) => ({
        ...record,
        error,
        // Until it is announced its `state` is missing, and that asks for nothing new.
        phase: this.#opening.get(text) === record.pipe ? "opening" : phase,
        nodes: record.nodes === "present" && record.store !== store ? "lost" : record.nodes,
      }));
  }

  /** The keys that the event may be about: those in the store and those of our streams. */
  async #keysIn(scope: EventScope): Promise<ReadonlyMap<string, LogfileKey>> {
    const { client, streams } = this.#options;
    switch (scope.kind) {
      case "unrelated":
        return new Map();
      case "logfile":
        return new Map([[keyText(scope.key), scope.key]]);
      case "owner":
        return join(await listLogfilesOf(client, scope.owner), streams, (key) =>
          sameOwner(key, scope.owner),
        );
      case "everything":
        return join(await listLogfiles(client), streams, () => true);
    }
  }

  async #perform(key: LogfileKey, action: Action, store: string): Promise<void> {
    const { client, streams, refusals } = this.#options;
    switch (action.kind) {
      case "open":
      case "renew":
        await this.#lookAtOwners(key, action.request.file, store);
        this.#open(key, action.request, store);
        break;
      case "nodesGone":
        streams.nodesGone(action.epoch);
        break;
      case "nodesBack":
        streams.nodesBack(action.epoch, store);
        break;
      case "announce":
        await announce(client, key, action.pipe, action.answer);
        break;
      case "reconfigure":
        streams.reconfigure(action.epoch, action.request.limitBytes, action.request.copies);
        break;
      case "noteError": {
        const noted = await noteError(client, key, action.pipe, action.error);
        if (noted === "noted") streams.noteError(action.epoch, action.error);
        break;
      }
      case "drainRefused":
        refusals.hold(key, action.pipe, action.nodes);
        break;
      case "reportUntrusted":
        this.#reportUntrusted(key, action.path);
        break;
    }
  }

  #reportUntrusted(key: LogfileKey, path: string): void {
    const owner = loggingPath(key.owner);
    const now = performance.now();
    if (now - (this.#untrustedAtMs.get(owner) ?? Number.NEGATIVE_INFINITY) < untrustedIntervalMs) {
      return;
    }
    this.#untrustedAtMs.set(owner, now);
    this.#options.emit({ kind: "StreamUntrusted", key: keyText(key), path });
  }

  /** Not waited for: a pump that hangs holds up its own requests only. */
  #open(key: LogfileKey, request: LogRequest, store: string): void {
    const text = keyText(key);
    if (this.#opening.get(text) === request.pipe) return;
    this.#opening.set(text, request.pipe);
    this.#openAndAnnounce(key, request, store)
      .finally(() => {
        if (this.#opening.get(text) === request.pipe) this.#opening.delete(text);
      })
      // Removed or changed before the stream was there to be told of it.
      .then(() => this.lookAt(key))
      .catch((error: unknown) => {
        if (!isXenstoreError(error)) throw error;
      });
  }

  async #openAndAnnounce(key: LogfileKey, request: LogRequest, store: string): Promise<void> {
    const { client, streams, deadDomains, refusals } = this.#options;
    const { owner } = key;
    const name =
      owner.kind === "host"
        ? hostName
        : ((await client.readIfExists(domainNamePath(owner.domid))) ?? String(owner.domid));
    const log = request.log ?? logNameOf(request.file, name);
    if (owner.kind === "domain") await deadDomains.observe(owner.domid);
    const opened = await streams.open({ key, name, log, request, store });
    if (opened.kind === "opened") refusals.succeed(key);
    await announce(
      client,
      key,
      request.pipe,
      opened.kind === "opened" ? { state: "ready" } : { state: "failed", error: opened.reason },
    );
  }
}

/**
 * Lost on the way: the new connection's first event is about everything. What was removed while it
 * was looked at has an event of its own to come.
 */
async function passOver(look: Promise<void>): Promise<void> {
  try {
    await look;
  } catch (error) {
    if (!isXenstoreError(error)) throw error;
  }
}

async function readDesired(operations: XenstoreOperations, key: LogfileKey): Promise<Desired> {
  const [nodes, path] = await Promise.all([
    readNodes(operations, key),
    findUntrustedNode(operations, key),
  ]);
  if (nodes === undefined) return { kind: "gone" };
  return path === undefined ? { kind: "nodes", nodes } : { kind: "untrusted", path };
}

function sameOwner(key: LogfileKey, owner: LogfileKey["owner"]): boolean {
  if (key.owner.kind === "host" || owner.kind === "host") return key.owner.kind === owner.kind;
  return key.owner.domid === owner.domid;
}

function join(
  listed: readonly LogfileKey[],
  streams: Streams,
  isMeant: (key: LogfileKey) => boolean,
): ReadonlyMap<string, LogfileKey> {
  const ours = streams.live.map(({ record }) => parseKeyText(record.key));
  return new Map(
    [...listed, ...ours.filter((key) => key !== undefined).filter(isMeant)].map((key) => [
      keyText(key),
      key,
    ]),
  );
}
