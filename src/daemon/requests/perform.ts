// SPDX-License-Identifier: Apache-2.0
// Performs what was decided about a request that is there already, or that is refused.

import {
  type Answer,
  announce,
  keyText,
  type LogfileKey,
  type LogNodes,
  loggingPath,
  noteError,
  type UntrustedNode,
} from "../../contract/index.ts";
import { type EmitEvent, type EventStream, LastingEvents } from "../../observe/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";
import type { Streams } from "../streams/index.ts";
import { readAbout } from "./about.ts";
import type { QuickAction } from "./decide.ts";
import type { Refusals } from "./refusals.ts";

export interface PerformerOptions {
  readonly client: XenstoreClient;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly emit: EmitEvent;
}

/** A request as it was found. */
export interface Found {
  readonly key: LogfileKey;
  readonly nodes: LogNodes;
  /** The id of its store. */
  readonly store: string;
}

export class Performer {
  readonly #options: PerformerOptions;
  /** By owner: a guest that may write a node of one request may write those of many. */
  readonly #untrusted: LastingEvents;

  constructor(options: PerformerOptions) {
    this.#options = options;
    this.#untrusted = new LastingEvents(options);
  }

  async perform(found: Found, action: QuickAction): Promise<void> {
    const { key, nodes, store } = found;
    const { client, streams, refusals } = this.#options;
    switch (action.kind) {
      case "nodesGone":
        streams.changes.nodesGone(action.epoch);
        break;
      case "nodesBack":
        streams.changes.nodesBack(action.epoch, store);
        break;
      case "announce":
        await this.#announce(found, action.pipe, action.answer);
        break;
      case "reconfigure": {
        const { limitBytes, copies, rateBytesPerSecond, burstBytes } = action.request;
        streams.changes.reconfigure(action.epoch, {
          limitBytes,
          copies,
          rateBytesPerSecond: rateBytesPerSecond ?? null,
          burstBytes: burstBytes ?? null,
        });
        break;
      }
      case "noteError": {
        const noted = await noteError(client, key, action.pipe, action.error);
        if (noted === "noted") streams.changes.noteError(action.epoch, action.error);
        break;
      }
      case "drainRefused":
        refusals.hold(key, action.pipe, nodes, await this.#about(found));
        break;
      case "reportUntrusted":
        this.#reportUntrusted(key, action.node, await this.#about(found));
        break;
    }
  }

  /** Keys of requests with a node that another domain may write. */
  get distrusted(): readonly string[] {
    return this.#untrusted.parts;
  }

  /** Whether the last look at the request found a node that is not trusted. */
  distrusts(key: LogfileKey): boolean {
    return this.#untrusted.has(loggingPath(key.owner), keyText(key));
  }

  /** No other domain may write a node of the request now, or there is none. */
  trust(key: LogfileKey): void {
    this.#untrusted.end(loggingPath(key.owner), keyText(key));
  }

  async #announce(found: Found, pipe: string, answer: Answer): Promise<void> {
    const { client, refusals } = this.#options;
    const announced = await announce(client, found.key, pipe, answer);
    if (announced === "gone" || answer.state === "ready") return;
    refusals.report(await this.#about(found), pipe, answer.error);
  }

  #reportUntrusted(key: LogfileKey, node: UntrustedNode, about: EventStream): void {
    const event = { kind: "StreamUntrusted", ...about, ...node } as const;
    this.#untrusted.begin(loggingPath(key.owner), event, keyText(key));
  }

  #about({ key, nodes }: Found): Promise<EventStream> {
    return readAbout(this.#options.client, key, nodes);
  }
}
