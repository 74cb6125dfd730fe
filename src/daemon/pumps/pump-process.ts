// SPDX-License-Identifier: Apache-2.0
// One pump as the main process sees it: starts it with its stages, starts it again when it ends, and
// speaks to it. Never touches a stage or a log itself.

import { type ChildProcess, spawn } from "node:child_process";
import type { Readiness } from "../../kernel/index.ts";
import type { FsyncPolicy } from "../../logfile/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import type { Program } from "../../program/index.ts";
import { type FromPump, parseFromPump, type StreamReport, type ToPump } from "../../pump/index.ts";
import { endHolder, ensureHolder, type StoredStages, watchHolder } from "../../vault/index.ts";
import { DaemonError } from "../errors/index.ts";

export interface PumpProcessOptions {
  readonly fileSystem: string;
  /** For people: the directory whose file system it is. */
  readonly directory: string;
  readonly volatileDirectory: string;
  readonly positionsDirectory: string;
  readonly storedStages: StoredStages;
  readonly program: Program;
  /** As it is configured now. */
  readonly fsync: () => FsyncPolicy;
  readonly emit: EmitEvent;
  readonly onMessage: (message: FromPump) => void;
  /** The pump is ready, now or again: tell it its streams. */
  readonly onStarted: () => void;
}

type State =
  /** Waits for its predecessor's lock, or empties the stages. */
  | { readonly kind: "starting"; readonly child: ChildProcess }
  | { readonly kind: "running"; readonly child: ChildProcess; readonly sinceMs: number }
  /** There is none; another is started soon. */
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
  /** What the stages hold: known from a pump that has stopped in order, and of new stages. */
  #strandedBytes: number | "unknown" = "unknown";
  #requests = 0;
  readonly #reports: Map<number, (streams: readonly StreamReport[]) => void> = new Map();
  /** The first start's outcome; later ones are tried until they succeed. */
  #first: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  #holderWatch: Readiness | undefined;
  /** Whoever waits for the next start, or for the end of all of them. */
  readonly #onChange: Set<() => void> = new Set();

  constructor(options: PumpProcessOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the pump is ready. Rejects with DaemonError if it cannot: if it gives up, that is,
   * not if somebody kills it.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
      this.#launch();
    });
  }

  /** Nothing is lost when it is not running: `onStarted` tells it all again. */
  send(message: ToPump): void {
    if (this.#state.kind === "running") post(this.#state.child, message);
  }

  /** Uses what is configured now; one that is starting is told when it has started. */
  configure(): void {
    this.send({ type: "configure", fsync: this.#options.fsync() });
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
   * stages, "unknown" if it hangs or died; without any the holder goes too.
   */
  async stop(): Promise<number | "unknown"> {
    // One that was killed a moment ago has left bytes that its successor is about to write.
    if (this.#first === undefined) await this.#settled(stopTimeoutMs);
    const state = this.#state;
    if (state.kind === "starting" || state.kind === "running") {
      const { child } = state;
      this.#state = { kind: "stopping", child };
      if (state.kind === "running") post(child, { type: "stop" });
      else child.disconnect();
      await ended(child, stopTimeoutMs);
      letGo(child);
    }
    this.#state = { kind: "stopped" };
    this.#holderWatch?.close();
    if (this.#strandedBytes === 0) this.#giveUpStages();
    return this.#strandedBytes;
  }

  get #holderFile(): string {
    return `${this.#options.volatileDirectory}/holder-${this.#options.fileSystem}.json`;
  }

  /** Only when they are known to be empty. */
  #giveUpStages(): void {
    endHolder(this.#holderFile);
    this.#options.storedStages.clear();
  }

  #launch(): void {
    try {
      this.#launchWithStages();
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error), "gaveUp");
    }
  }

  #launchWithStages(): void {
    const { fileSystem, program, volatileDirectory, positionsDirectory, emit } = this.#options;
    const { stages, found } = ensureHolder(this.#holderFile, this.#options.storedStages);
    if (found === "lost") emit({ kind: "HolderLost", fileSystem, stages: "lost" });
    if (found === "restored") emit({ kind: "HolderRestored", fileSystem });
    if (found === "none" || found === "lost") this.#strandedBytes = 0;
    const child = spawn(program.command, [...program.args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      cwd: "/",
    });
    this.#state = { kind: "starting", child };
    this.#lastWords = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = `${this.#lastWords}${text}`.slice(-lastWordsMax);
    });
    child.on("message", (message) => this.#receive(message, child));
    child.on("error", (error) => {
      // Without a pid it was never started; other errors are about a channel whose end is told below.
      if (child.pid === undefined) this.#ended(error.message, "gaveUp");
    });
    child.on("exit", (code, signal) => {
      const how = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
      const error = errorIn(this.#lastWords);
      const reason = error === undefined ? how : `${how}: ${error}`;
      this.#ended(reason, signal === null ? "gaveUp" : "killed");
    });
    post(child, {
      type: "start",
      lockFile: `${volatileDirectory}/pump-${fileSystem}.lock`,
      notesFile: `${volatileDirectory}/notes-${fileSystem}`,
      positionsDirectory,
      stages,
      fsync: this.#options.fsync(),
    });
  }

  #receive(raw: unknown, child: ChildProcess): void {
    let message: FromPump;
    try {
      message = parseFromPump(raw);
    } catch {
      // Of another version, or out of its mind: its successor starts from what is on disk.
      child.kill("SIGKILL");
      return;
    }
    if (message.type === "started") {
      this.#started(child);
    } else if (message.type === "report") {
      this.#reports.get(message.request)?.(message.streams);
    } else if (message.type === "holderReplaced") {
      this.#options.emit({ kind: "HolderReplaced", fileSystem: this.#options.fileSystem });
      this.#watchHolder();
    } else if (message.type === "stopped") {
      this.#strandedBytes = message.strandedBytes;
    } else {
      this.#options.onMessage(message);
    }
  }

  #started(child: ChildProcess): void {
    if (this.#state.kind !== "starting") return;
    this.#state = { kind: "running", child, sinceMs: performance.now() };
    this.#strandedBytes = "unknown";
    const { emit, fileSystem, onStarted, storedStages } = this.#options;
    storedStages.release();
    emit({ kind: "PumpStarted", fileSystem, pid: child.pid ?? 0 });
    this.#first?.resolve();
    this.#first = undefined;
    // It may have waited long for its predecessor's lock.
    this.configure();
    onStarted();
    this.#changed();
    this.#watchHolder();
  }

  /** While the pump lives its stages do, so another holder can take the place of one that ends. */
  #watchHolder(): void {
    this.#holderWatch?.close();
    this.#holderWatch = watchHolder(this.#holderFile, () => {
      if (this.#state.kind !== "running") return;
      const { emit, fileSystem } = this.#options;
      emit({ kind: "HolderLost", fileSystem, stages: "open" });
      this.send({ type: "replaceHolder", stateFile: this.#holderFile });
    });
  }

  #ended(reason: string, how: "gaveUp" | "killed"): void {
    const before = this.#state;
    if (before.kind === "stopping" || before.kind === "stopped") return;
    this.#state = { kind: "waiting" };
    if (before.kind === "running" && performance.now() - before.sinceMs >= stableMs) {
      this.#failures = 0;
    }
    this.#failed(reason, how);
  }

  #failed(reason: string, how: "gaveUp" | "killed"): void {
    const { directory, emit, fileSystem } = this.#options;
    if (this.#first !== undefined && how === "gaveUp") {
      this.#state = { kind: "stopped" };
      const message = `the pump for ${directory} cannot start: ${reason}`;
      this.#first.reject(new DaemonError("pump", message));
      return;
    }
    emit({ kind: "PumpEnded", fileSystem, reason });
    const delayMs = restartDelayMsMin * 2 ** Math.min(this.#failures, 16);
    this.#failures += 1;
    setTimeout(
      () => {
        if (this.#state.kind === "waiting") this.#launch();
      },
      Math.min(delayMs, restartDelayMsMax),
    );
  }

  /** Resolves when the pump runs, or after the time. */
  async #settled(timeoutMs: number): Promise<void> {
    if (this.#state.kind !== "waiting" && this.#state.kind !== "starting") return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onChange.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#onChange.add(done);
    });
  }

  #changed(): void {
    for (const tell of this.#onChange) tell();
  }
}

/** A child that is gone by now is told of by its exit. */
function post(child: ChildProcess, message: ToPump): void {
  child.send(message, () => {});
}

/** A pump that hangs in its disk does not keep the main process from its end. */
function letGo(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  child.stderr?.destroy();
  child.unref();
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
