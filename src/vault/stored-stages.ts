// SPDX-License-Identifier: Apache-2.0
// The stages of one pump at the service manager, where they outlive a holder that is killed with all
// the rest.

import { closeSync, fstatSync } from "node:fs";
import type { StageStore } from "./holder.ts";
import type { ServiceManager, StoredDescriptor } from "./service-manager.ts";

export class StoredStages implements StageStore {
  readonly #manager: ServiceManager;
  readonly #prefix: string;
  #taken: readonly StoredDescriptor[];

  constructor(manager: ServiceManager, fileSystem: string) {
    this.#manager = manager;
    this.#prefix = `stage-${fileSystem}-`;
    this.#taken = manager.take(this.#prefix);
  }

  get inherited(): ReadonlyMap<number, number> {
    return new Map(this.#taken.map(({ fd }) => [fstatSync(fd).ino, fd]));
  }

  replace(stageFds: readonly number[]): void {
    this.clear();
    for (const [index, fd] of stageFds.entries()) {
      this.#manager.store(`${this.#prefix}${index}`, fd);
    }
  }

  /** The stages are given up: they are known to be empty, or lost. */
  clear(): void {
    for (const name of this.#manager.namesOf(this.#prefix)) this.#manager.remove(name);
  }

  /**
   * Lets go of what was inherited. Only when the pump has started, and has the lock of its predecessor:
   * closing a pipe takes its mutex, which one that hangs in its disk would not give back.
   */
  release(): void {
    for (const { fd } of this.#taken) closeSync(fd);
    this.#taken = [];
  }
}
