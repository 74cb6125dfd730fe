// SPDX-License-Identifier: Apache-2.0
// Opens the streams of new requests and answers them, beside the looks: a pump that hangs delays only
// its own requests.

import {
  type Answer,
  announce,
  keyText,
  type LogfileKey,
  type LogRequest,
  logNameOf,
} from "../../contract/index.ts";
import { isXenstoreError, type XenstoreClient } from "../../xenstore/index.ts";
import type { DeadDomains } from "../collect/index.ts";
import { aboutRequest, type OpenRequest, type Streams } from "../streams/index.ts";
import { readOwnerName } from "./about.ts";
import type { Refusals } from "./refusals.ts";

export interface OpeningsOptions {
  readonly client: XenstoreClient;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly deadDomains: DeadDomains;
  /** The request is answered: what changed meanwhile is looked at now. */
  readonly onAnswered: (key: LogfileKey) => Promise<void>;
}

export class Openings {
  readonly #options: OpeningsOptions;
  /** The FIFO of each request that is not answered yet, by key. */
  readonly #pipes: Map<string, string> = new Map();

  constructor(options: OpeningsOptions) {
    this.#options = options;
  }

  /** Whether the request with this FIFO is not answered yet. */
  has(key: LogfileKey, pipe: string): boolean {
    return this.#pipes.get(keyText(key)) === pipe;
  }

  /** Returns at once; ignores a request that is being opened. */
  begin(key: LogfileKey, request: LogRequest, store: string): void {
    if (this.has(key, request.pipe)) return;
    this.#pipes.set(keyText(key), request.pipe);
    this.#open(key, request, store)
      .finally(() => {
        if (this.has(key, request.pipe)) this.#pipes.delete(keyText(key));
      })
      // The nodes may have been removed or changed while there was no stream to change.
      .then(() => this.#options.onAnswered(key))
      .catch((error: unknown) => {
        // The connection was lost: the next one begins with a look at everything.
        if (!isXenstoreError(error)) throw error;
      });
  }

  async #open(key: LogfileKey, request: LogRequest, store: string): Promise<void> {
    const { client, streams, refusals, deadDomains } = this.#options;
    const { owner } = key;
    const name = await readOwnerName(client, owner);
    const log = request.log ?? logNameOf(request.file, name);
    if (owner.kind === "domain") await deadDomains.observe(owner.domid);
    const asked: OpenRequest = { key, name, log, request, store };
    const opening = streams.open(asked);
    const isServed = (): boolean =>
      streams.having("key", keyText(key)).some(({ record }) => record.pipe === request.pipe);
    // Before the event loop goes on: a drain reads only then.
    if (isServed()) refusals.handOver(request.pipe);
    const opened = await opening;
    if (opened.kind !== "opened") refusals.report(aboutRequest(asked), request.pipe, opened.reason);
    // A stream that cannot get its next epoch goes on.
    const answer: Answer =
      opened.kind === "opened" || isServed()
        ? { state: "ready" }
        : { state: "failed", error: opened.reason };
    if (answer.state === "ready") refusals.succeed(key);
    await announce(client, key, request.pipe, answer);
  }
}
