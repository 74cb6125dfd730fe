// SPDX-License-Identifier: Apache-2.0
// The detached process that this daemon has started: what was sent into it, and its end. FIFO ends are
// sent as messages that nothing receives. One cannot be taken out again.

import { closeSync } from "node:fs";
import {
  descriptorsPerMessageMax,
  growSendQueue,
  type Readiness,
  sendMessage,
} from "../kernel/index.ts";
import { watchProcess } from "../program/index.ts";
import type { VaultProcess } from "./state-file.ts";
import { endVaultProcess, type SharedStage, startVaultProcess } from "./vault-process.ts";

/** Room for 5000 messages of one descriptor; measured. */
const sendQueueBytes = 4 << 20;

/** An end that is kept, by its name. */
export interface Kept {
  readonly name: string;
  readonly fd: number;
}

export class CurrentProcess {
  readonly process: VaultProcess;
  readonly startedAtMs: number = performance.now();
  readonly #directory: string;
  readonly #sendFd: number;
  readonly #lifelineFd: number;
  readonly #names: Set<string> = new Set();
  #dead = 0;
  #watch: Readiness | undefined;

  /** Starts it with these stages, and sends these ends. Throws, and leaves nothing behind then. */
  constructor(directory: string, stages: readonly SharedStage[], ends: readonly Kept[]) {
    const started = startVaultProcess(directory, stages);
    this.process = started.process;
    this.#directory = directory;
    this.#sendFd = started.sendFd;
    this.#lifelineFd = started.lifelineFd;
    try {
      growSendQueue(this.#sendFd, sendQueueBytes);
      for (let next = 0; next < ends.length; next += descriptorsPerMessageMax) {
        this.send(ends.slice(next, next + descriptorsPerMessageMax));
      }
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Ends that it has though they are not wanted any more. */
  get deadEnds(): number {
    return this.#dead;
  }

  get ends(): number {
    return this.#names.size;
  }

  /** In one message, all of them or none. Throws KernelError, or Error if the queue is full. */
  send(ends: readonly Kept[]): void {
    const text = ends.map(({ name }) => name).join("\n");
    const descriptors = ends.map(({ fd }) => fd);
    if (sendMessage(this.#sendFd, { text, descriptors }) === "busy") {
      throw new Error("the queue of the process that keeps descriptors is full");
    }
    for (const { name } of ends) this.#names.add(name);
  }

  /** The end of that name is not wanted any more. */
  forget(name: string): void {
    if (this.#names.delete(name)) this.#dead += 1;
  }

  /** Calls it when the process has ended before `close` or `end`. */
  onEnd(listener: () => void): void {
    this.#watch = watchProcess(this.process.process, listener);
  }

  /** Lets it live, as the state file says. */
  close(): void {
    this.#watch?.close();
    closeSync(this.#sendFd);
    closeSync(this.#lifelineFd);
  }

  /** What it alone has open is gone then. */
  end(): void {
    endVaultProcess(this.process, this.#directory);
    this.close();
  }
}
