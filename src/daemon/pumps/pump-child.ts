// SPDX-License-Identifier: Apache-2.0
// One pump process from its start to its end: its messages, and why it ended.

import {
  awaitEnd,
  type ChildProcess,
  diskFaultExitCode,
  type Program,
  startProgram,
} from "../../program/index.ts";
import { type FromPump, parseFromPump, type ToPump } from "../../pump/index.ts";
import type { StagesForPump } from "../../vault/index.ts";

type PumpStart = Extract<ToPump, { readonly type: "start" }>;

export interface PumpEnd {
  readonly reason: string;
  /**
   * `gaveUp` by itself, `killed` by a signal, or the disk of the daemon's own files takes nothing:
   * the same pump can be started when that is over.
   */
  readonly how: "gaveUp" | "diskFault" | "killed";
}

export interface PumpChildOptions {
  readonly program: Program;
  readonly stages: StagesForPump;
  readonly start: Omit<PumpStart, "type" | "stages">;
  readonly onMessage: (message: FromPump, child: PumpChild) => void;
  readonly onEnd: (end: PumpEnd) => void;
}

/** Its standard error is 2, the channel 3. */
const firstStageDescriptor = 4;
/** Room for the stack of one error. */
const lastWordsMax = 8192;

export class PumpChild {
  readonly #child: ChildProcess;

  /** Throws what the kernel refuses. */
  constructor({ program, stages, start, onMessage, onEnd }: PumpChildOptions) {
    const descriptors = ["ipc", ...stages.descriptors] as const;
    const child = startProgram(program, { stderr: "pipe", descriptors });
    this.#child = child;
    let lastWords = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      lastWords = `${lastWords}${text}`.slice(-lastWordsMax);
    });
    child.on("message", (raw) => {
      const message = this.#parse(raw);
      if (message !== undefined) onMessage(message, this);
    });
    child.on("error", (error) => {
      // Without a pid it was never started. Other errors are about the channel: an exit follows.
      if (child.pid === undefined) onEnd({ reason: error.message, how: "gaveUp" });
    });
    child.on("exit", (code, signal) => {
      onEnd(endOf(code, signal, errorIn(lastWords)));
    });
    const locations = stages.locations(firstStageDescriptor);
    this.send({ type: "start", ...start, stages: locations });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** If the child has ended, its exit is reported. */
  send(message: ToPump): void {
    this.#child.send(message, () => {});
  }

  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** Waits for its end, no longer than that, and does not depend on it from then on. */
  async endOrLetGo(waitMsMax: number): Promise<void> {
    await awaitEnd(this.#child, waitMsMax);
    this.disconnect();
    this.#child.stderr?.destroy();
    this.#child.unref();
  }

  #parse(raw: unknown): FromPump | undefined {
    try {
      return parseFromPump(raw);
    } catch {
      // Of another version, or damaged: its successor starts from what is on disk.
      this.#child.kill("SIGKILL");
      return undefined;
    }
  }
}

/** The message of the error that ended a Node.js process, from what it printed. */
function errorIn(printed: string): string | undefined {
  return /^(?:xenlogd-pump: )?(?:[A-Za-z]*Error)(?: \[[A-Z_]+\])?: (.+)$/m.exec(printed)?.[1];
}

function endOf(code: number | null, signal: string | null, error: string | undefined): PumpEnd {
  if (code === diskFaultExitCode && error !== undefined) return { reason: error, how: "diskFault" };
  const end = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
  const reason = error === undefined ? end : `${end}: ${error}`;
  return { reason, how: signal === null ? "gaveUp" : "killed" };
}
