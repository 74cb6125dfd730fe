// SPDX-License-Identifier: Apache-2.0
// One pump as the main process sees it: starts it with its stages, starts it again when it ends, and
// speaks to it. Never touches a stage or a log itself.

import { type ChildProcess, spawn } from "node:child_process";
import {
  endHolder,
  ensureHolder,
  type FromPump,
  parseFromPump,
  type StreamReport,
  type ToPump,
} from "../pump/index.ts";
import { DaemonError } from "./errors.ts";
import type { EmitEvent } from "./events.ts";
import type { Program } from "./program.ts";

export interface PumpProcessOptions {
  readonly fileSystem: string;
  /** For people: the directory whose file system it is. */
  readonly directory: string;
  readonly volatileDirectory: string;
  readonly positionsDirectory: string;
  readonly program: Program;
  readonly emit: EmitEvent;
  readonly onMessage: (message: FromPump) => void;
  /** The pump is ready, now or again: tell it its streams. */
  readonly onStarted: () => void;
}

type State =
  /** Waits for its predecessor's lock, or empties the stages. */
  | { readonly kind: "starting"; readonly child: ChildProcess }
  | { readonly kind: "running"; readonly child: ChildProcess; readonly sinceMs: number }
  | { readonly kind: "waiting" }
  | { readonly kind: "stopping"; readonly child: ChildProcess }
  | { readonly kind: "stopped" };

const restartDelayMsMin = 10;
const restartDelayMsMax = 2000;
/** A pump that lived this long is started again without delay. */
const stableMs = 200;
/** A pump that hangs in its disk does not hold up whoever asks. */
const reportTimeoutMs = 300;
/** Room for the stack of one error. */
const lastWordsMax = 8192;
/** Draining is bounded by what the FIFOs hold; a pump that needs longer hangs in its disk. */
const stopTimeoutMs = 10_000;

export class PumpProcess {
  readonly #options: PumpProcessOptions;
  #state: State = { kind: "waiting" };
  #failures = 0;
  #lastWords = "";
  #strandedBytes = 0;
  #requests = 0;
  readonly #reports: Map<number, (streams: readonly StreamReport[]) => void> = new Map();

  constructor(options: PumpProcessOptions) {
    this.#options = options;
  }

  /** Resolves when the pump is ready; rejects with DaemonError if it ends before that. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#launch(resolve, (reason) => {
        this.#state = { kind: "stopped" };
        const { directory } = this.#options;
        reject(new DaemonError("pump", `the pump for ${directory} cannot start: ${reason}`));
      }).catch(reject);
    });
  }

  /** Nothing is lost when it is not running: `onStarted` tells it all again. */
  send(message: ToPump): void {
    if (this.#state.kind === "running") post(this.#state.child, message);
  }

  /** The state of its streams, or none when it does not answer in time. */
  report(): Promise<readonly StreamReport[]> {
    if (this.#state.kind !== "running") return Promise.resolve([]);
    this.#requests += 1;
    const request = this.#requests;
    this.send({ type: "report", request });
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer([]), reportTimeoutMs);
      const answer = (streams: readonly StreamReport[]): void => {
        clearTimeout(timer);
        this.#reports.delete(request);
        resolve(streams);
      };
      this.#reports.set(request, answer);
    });
  }

  /**
   * Lets the pump move what its FIFOs hold and ends it. Resolves with the bytes that stay in its
   * stages; without any the holder goes too.
   */
  async stop(): Promise<number> {
    const state = this.#state;
    if (state.kind === "starting" || state.kind === "running") {
      const { child } = state;
      this.#state = { kind: "stopping", child };
      if (state.kind === "running") post(child, { type: "stop" });
      else child.disconnect();
      await ended(child, stopTimeoutMs);
    }
    const settled = this.#state.kind !== "stopping" || !isRunning(this.#state.child);
    this.#state = { kind: "stopped" };
    // A pump that does not end owns its stages still.
    if (settled && this.#strandedBytes === 0) endHolder(this.#holderFile);
    return this.#strandedBytes;
  }

  get #holderFile(): string {
    return `${this.#options.volatileDirectory}/holder-${this.#options.fileSystem}.json`;
  }

  async #launch(onReady: () => void, onEnded: (reason: string) => void): Promise<void> {
    const { fileSystem, program, volatileDirectory, positionsDirectory } = this.#options;
    const { stages, found } = await ensureHolder(this.#holderFile);
    // Stopped meanwhile: a pump that comes now would be nobody's.
    if (this.#state.kind === "stopped") return;
    if (found === "started" && this.#failures > 0) {
      this.#options.emit({ kind: "HolderLost", fileSystem });
    }
    const child = spawn(program.command, [...program.args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      cwd: "/",
    });
    this.#state = { kind: "starting", child };
    this.#lastWords = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = `${this.#lastWords}${text}`.slice(-lastWordsMax);
    });
    child.on("message", (message) => this.#receive(parseFromPump(message), child, onReady));
    child.on("error", (error) => {
      // Without a pid it was never started; other errors are about a channel whose end is told below.
      if (child.pid === undefined) onEnded(error.message);
    });
    child.on("exit", (code, signal) => this.#ended(code, signal, onEnded));
    post(child, {
      type: "start",
      lockFile: `${volatileDirectory}/pump-${fileSystem}.lock`,
      notesFile: `${volatileDirectory}/notes-${fileSystem}`,
      positionsDirectory,
      stages,
    });
  }

  #receive(message: FromPump, child: ChildProcess, onReady: () => void): void {
    if (message.type === "started") {
      if (this.#state.kind !== "starting") return;
      this.#state = { kind: "running", child, sinceMs: Date.now() };
      this.#options.emit({
        kind: "PumpStarted",
        fileSystem: this.#options.fileSystem,
        pid: child.pid ?? 0,
      });
      onReady();
      this.#options.onStarted();
    } else if (message.type === "report") {
      this.#reports.get(message.request)?.(message.streams);
    } else if (message.type === "stopped") {
      this.#strandedBytes = message.strandedBytes;
    } else {
      this.#options.onMessage(message);
    }
  }

  #ended(
    code: number | null,
    signal: NodeJS.Signals | null,
    onEnded: (reason: string) => void,
  ): void {
    const how = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
    const error = errorIn(this.#lastWords);
    const reason = error === undefined ? how : `${how}: ${error}`;
    const before = this.#state;
    if (before.kind === "stopping" || before.kind === "stopped") return;
    this.#state = { kind: "waiting" };
    if (before.kind === "starting") {
      onEnded(reason);
      return;
    }
    this.#options.emit({ kind: "PumpEnded", fileSystem: this.#options.fileSystem, reason });
    const stable = before.kind === "running" && Date.now() - before.sinceMs >= stableMs;
    this.#restart(stable ? 0 : this.#failures);
  }

  #restart(failures: number): void {
    this.#failures = failures + 1;
    const delayMs = Math.min(restartDelayMsMin * 2 ** Math.min(failures, 16), restartDelayMsMax);
    setTimeout(() => {
      if (this.#state.kind !== "waiting") return;
      const again = (reason: string): void => {
        this.#options.emit({ kind: "PumpEnded", fileSystem: this.#options.fileSystem, reason });
        if (this.#state.kind === "waiting") this.#restart(this.#failures);
      };
      this.#launch(() => {}, again).catch((error: Error) => again(error.message));
    }, delayMs);
  }
}

/** A child that is gone by now is told of by its exit. */
function post(child: ChildProcess, message: ToPump): void {
  child.send(message, () => {});
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** The message of the error that ended a Node.js process, from what it printed. */
function errorIn(printed: string): string | undefined {
  return /^(?:[A-Za-z]*Error)(?: \[[A-Z_]+\])?: (.+)$/m.exec(printed)?.[1];
}

function ended(child: ChildProcess, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (!isRunning(child)) {
      resolve();
      return;
    }
    const timer = setTimeout(resolve, timeoutMs);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
