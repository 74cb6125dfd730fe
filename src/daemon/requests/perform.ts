// SPDX-License-Identifier: Apache-2.0
// Performs what was decided about a request that is there already, or that is refused.

import {
  type Answer,
  announce,
  errorValue,
  keyText,
  type LogfileKey,
  loggingPath,
  noteError,
  type UntrustedNode,
} from "../../contract/index.ts";
import { type EmitEvent, RateLimit } from "../../observe/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";
import type { Streams } from "../streams/index.ts";
import type { QuickAction } from "./decide.ts";
import type { Refusals } from "./refusals.ts";

export interface PerformerOptions {
  readonly client: XenstoreClient;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly emit: EmitEvent;
}

/** A guest that may write such a node can do it all the time. */
const untrustedIntervalMs = 60_000;
const untrustedOwnersMax = 1024;

export class Performer {
  readonly #options: PerformerOptions;
  readonly #untrusted: RateLimit = new RateLimit({
    intervalMs: untrustedIntervalMs,
    subjectsMax: untrustedOwnersMax,
  });

  constructor(options: PerformerOptions) {
    this.#options = options;
  }

  /** `store` is the id of the store in which the request was found. */
  async perform(key: LogfileKey, action: QuickAction, store: string): Promise<void> {
    const { client, streams, refusals } = this.#options;
    switch (action.kind) {
      case "nodesGone":
        streams.nodesGone(action.epoch);
        break;
      case "nodesBack":
        streams.nodesBack(action.epoch, store);
        break;
      case "announce":
        await this.#announce(key, action.pipe, action.answer);
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
        this.#reportUntrusted(key, action.node);
        break;
    }
  }

  async #announce(key: LogfileKey, pipe: string, answer: Answer): Promise<void> {
    const { client, emit } = this.#options;
    const announced = await announce(client, key, pipe, answer);
    if (announced === "gone" || answer.state === "ready") return;
    const reason = errorValue(answer.error);
    emit({ kind: "StreamRefused", key: keyText(key), reason, final: true });
  }

  #reportUntrusted(key: LogfileKey, { path, reason }: UntrustedNode): void {
    if (!this.#untrusted.admits(loggingPath(key.owner), performance.now())) return;
    this.#options.emit({ kind: "StreamUntrusted", key: keyText(key), path, reason });
  }
}
