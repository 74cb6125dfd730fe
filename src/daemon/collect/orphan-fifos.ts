// SPDX-License-Identifier: Apache-2.0
// Collects the FIFOs that no request names, at once and then every hour.

import { listLogfiles, nodePath } from "../../contract/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import { isXenstoreError, type XenstoreClient } from "../../xenstore/index.ts";
import { sweepFifos } from "./fifo-sweep.ts";

export interface OrphanFifosOptions {
  readonly client: XenstoreClient;
  readonly fifoDirectory: string;
  /** The FIFOs that the daemon reads, whose requests may be gone. */
  readonly pipesInUse: () => readonly string[];
  readonly emit: EmitEvent;
  readonly onFailure: (error: unknown) => void;
}

/** As old as a FIFO has to be to be collected. */
const collectEveryMs = 60 * 60 * 1000;

export class OrphanFifos implements Disposable {
  readonly #options: OrphanFifosOptions;
  readonly #timer: NodeJS.Timeout;

  /** To be made when all requests have been looked at: a new daemon knows none of its FIFOs yet. */
  constructor(options: OrphanFifosOptions) {
    this.#options = options;
    const collect = (): void => {
      this.#collect().catch(options.onFailure);
    };
    collect();
    this.#timer = setInterval(collect, collectEveryMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #collect(): Promise<void> {
    const { client, fifoDirectory, pipesInUse, emit } = this.#options;
    try {
      const keys = await listLogfiles(client);
      const asked = await Promise.all(
        keys.map((key) => client.readIfExists(nodePath(key, "pipe"))),
      );
      const named = new Set([...asked.filter((pipe) => pipe !== undefined), ...pipesInUse()]);
      const removed = sweepFifos(fifoDirectory, named, Date.now());
      if (removed.length > 0) emit({ kind: "FifosCollected", names: removed });
    } catch (error) {
      // The connection was lost; an hour later is early enough.
      if (!isXenstoreError(error)) throw error;
    }
  }
}
