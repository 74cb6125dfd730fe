// SPDX-License-Identifier: Apache-2.0
// Collects the nodes that a toolstack has left of a domain that is gone. Only if this daemon saw the
// domain introduced, in the same store: nodes may be written before their domain is introduced.

import { type Domid, listLogfilesOf, loggingPath } from "../../contract/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import { isXenstoreError, type XenstoreClient } from "../../xenstore/index.ts";
import { readStoreId } from "./store-identity.ts";

export class DeadDomains {
  readonly #client: XenstoreClient;
  readonly #emit: EmitEvent;
  readonly #introduced: Set<Domid> = new Set();
  #storeId: string | undefined;

  constructor(client: XenstoreClient, emit: EmitEvent) {
    this.#client = client;
    this.#emit = emit;
  }

  /** Runs until the client is closed. The event names no domain, so all of them are looked at. */
  async run(): Promise<void> {
    const watch = await this.#client.watch("@releaseDomain");
    for await (const _event of watch) {
      try {
        await this.#forgetOtherStore();
        for (const domid of this.#introduced) await this.#look(domid);
      } catch (error) {
        // The connection was lost: the new one begins with an event.
        if (!isXenstoreError(error)) throw error;
      }
    }
  }

  /** Remembers the domain if it is introduced now. */
  async observe(domid: Domid): Promise<void> {
    // Both at once: one turn of the connection.
    const [isIntroduced] = await Promise.all([
      this.#client.isDomainIntroduced(domid),
      this.#forgetOtherStore(),
    ]);
    if (isIntroduced) this.#introduced.add(domid);
  }

  /** A domain that was introduced in a store which lost everything need not be in this one. */
  async #forgetOtherStore(): Promise<void> {
    const storeId = await readStoreId(this.#client);
    if (storeId !== this.#storeId) this.#introduced.clear();
    this.#storeId = storeId;
  }

  async #look(domid: Domid): Promise<void> {
    if (await this.#client.isDomainIntroduced(domid)) return;
    const left = await this.#client.transaction(async (transaction) => {
      const owner = { kind: "domain", domid } as const;
      const keys = await listLogfilesOf(transaction, owner);
      if (keys.length > 0) await transaction.rm(loggingPath(owner));
      return keys.length;
    });
    this.#introduced.delete(domid);
    if (left > 0) this.#emit({ kind: "NodesCollected", domid, requests: left });
  }
}
