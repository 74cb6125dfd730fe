// SPDX-License-Identifier: Apache-2.0
// The counters of refused requests as files on tmpfs, one for each FIFO that is drained, so that the
// next daemon goes on with them after a SIGKILL.

import { createHash } from "node:crypto";
import { readdirSync, rmdirSync } from "node:fs";
import { DropCounter, readDropCounter } from "../../fifo/index.ts";
import { errnoNameOf } from "../../kernel/index.ts";
import type { EmitEvent, EventStream } from "../../observe/index.ts";
import { makeDirectory } from "../../program/index.ts";
import { parseAbout } from "./about.ts";

export class RefusedCounters {
  readonly #directory: string;
  readonly #emit: EmitEvent;
  /** Names of files that this daemon counts in. */
  readonly #inUse: Set<string> = new Set();

  constructor(volatileDirectory: string, emit: EmitEvent) {
    this.#directory = `${volatileDirectory}/refused`;
    this.#emit = emit;
    // Without a directory the numbers are in memory only.
    ignoreErrno(() => makeDirectory(this.#directory, 0o700), undefined);
  }

  open(pipe: string, about: EventStream): DropCounter {
    const name = createHash("sha256").update(`${about.key}\n${pipe}`).digest("hex");
    this.#inUse.add(name);
    return new DropCounter(`${this.#directory}/${name}`, JSON.stringify(about));
  }

  /** Nothing more is counted for the request: its number is reported. */
  report(about: EventStream, counter: DropCounter): void {
    const droppedBytes = counter.bytes;
    counter.remove();
    this.#inUse.delete(counter.name);
    if (droppedBytes > 0) this.#emit({ kind: "RefusedDrained", ...about, droppedBytes });
  }

  /** Reports what a killed daemon has counted of requests that this one does not know. */
  reportLeft(): void {
    for (const name of ignoreErrno(() => readdirSync(this.#directory), [])) {
      if (this.#inUse.has(name)) continue;
      const path = `${this.#directory}/${name}`;
      const about = parseAbout(readDropCounter(path)?.label ?? "");
      const counter = new DropCounter(path, "");
      if (about === undefined) counter.remove();
      else this.report(about, counter);
    }
  }

  /** Removes the directory, unless a request is counted there. */
  [Symbol.dispose](): void {
    ignoreErrno(() => rmdirSync(this.#directory), undefined);
  }
}

function ignoreErrno<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return otherwise;
  }
}
