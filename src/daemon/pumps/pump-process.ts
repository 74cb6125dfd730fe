// SPDX-License-Identifier: Apache-2.0
// One pump as the main process sees it: starts it with its stages, starts it again when it ends, and
// sends it messages. Never touches a stage or a log itself.

import type { EmitEvent } from "../../observe/index.ts";
import { isDiskFault, type Program, RetryTimer, reasonOf } from "../../program/index.ts";
import type { FromPump, PumpPolicies, StreamReport, ToPump } from "../../pump/index.ts";
import type { Vault } from "../../vault/index.ts";
import { DaemonError } from "../errors/index.ts";
import { choosePool, type Found, type IdlePool, type PoolChoice } from "./pool-choice.ts";
import { notesFile, pumpLockFile } from "./pool-files.ts";
import { PumpChild, type PumpEnd } from "./pump-child.ts";
import { PumpReports } from "./pump-reports.ts";

export interface PumpProcessOptions {
  readonly fileSystem: string;
  /** For people: the directory whose file system it is. */
  readonly directory: string;
  readonly volatileDirectory: string;
  readonly positionsDirectory: string;
  readonly vault: Vault;
  /** Stages that no other pump of this daemon uses. */
  readonly idlePools: () => readonly IdlePool[];
  readonly program: Program;
  /** As it is configured now. */
  readonly policies: () => PumpPolicies;
  readonly emit: EmitEvent;
  readonly onMessage: (message: FromPump) => void;
  /** The pump is ready, now or again, and has no streams yet. */
  readonly onStarted: () => void;
  /** The disk of the daemon's own files takes nothing: there is no pump until it does. */
  readonly onWaiting: (reason: string) => void;
}

type State =
  /** Waits for its predecessor's lock, or empties the stages. */
  | { readonly kind: "starting"; readonly child: PumpChild }
  | { readonly kind: "running"; readonly child: PumpChild; readonly sinceMs: number }
  /** There is none; another is started soon. */
  | { readonly kind: "waiting" }
  | { readonly kind: "stopping"; readonly child: PumpChild }
  | { readonly kind: "stopped" };

const restartBackoff = { firstMs: 10, maxMs: 2000 };
/** After a pump that lived this long the pauses begin small again. */
const stableMs = 200;
/** Draining is bounded by what the FIFOs hold; a pump that needs longer hangs in its disk. */
const stopMsMax = 10_000;

export class PumpProcess {
  readonly #options: PumpProcessOptions;
  readonly #reports: PumpReports = new PumpReports();
  readonly #restart: RetryTimer = new RetryTimer({
    backoff: restartBackoff,
    attempt: () => {
      if (this.#state.kind === "waiting") this.#launch();
    },
  });
  #state: State = { kind: "waiting" };
  /** Its stages in the vault, from the first start on. */
  #pool: string | undefined;
  /** Why the pump that ends now has refused its stages. */
  #found: Found | undefined;
  /** What the stages hold: known from a pump that has stopped in order, and of new stages. */
  #strandedBytes: number | "unknown" = "unknown";
  /** The first start's outcome; later ones are tried until they succeed. */
  #first: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  /** Called when the pump runs. */
  readonly #onRunning: Set<() => void> = new Set();

  constructor(options: PumpProcessOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the pump is ready. Rejects with DaemonError if it gives up; one that is killed is
   * started again.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
      this.#launch();
    });
  }

  /** Does nothing while it is not running: after `onStarted` the streams are sent again. */
  send(message: ToPump): void {
    if (this.#state.kind === "running") this.#state.child.send(message);
  }

  /** Sends the present configuration; a pump that is starting gets it when it has started. */
  configure(): void {
    this.send({ type: "configure", ...this.#options.policies() });
  }

  /** The state of its streams, or none when it does not answer in time. */
  report(): Promise<readonly StreamReport[]> {
    if (this.#state.kind !== "running") return Promise.resolve([]);
    return this.#reports.ask((request) => this.send({ type: "report", request }));
  }

  /**
   * Lets the pump move what its FIFOs hold and ends it. Resolves with the bytes that stay in its
   * stages, "unknown" if it hangs or died; without any the stages are given up.
   */
  async stop(): Promise<number | "unknown"> {
    // One that was killed a moment ago has left bytes that its successor is about to write.
    if (this.#first === undefined) await this.#running(stopMsMax);
    const state = this.#state;
    if (state.kind === "starting" || state.kind === "running") {
      const { child } = state;
      this.#state = { kind: "stopping", child };
      if (state.kind === "running") child.send({ type: "stop" });
      else child.disconnect();
      await child.endOrLetGo(stopMsMax);
    }
    this.#state = { kind: "stopped" };
    this.#restart.cancel();
    this.#giveUpEmptyStages();
    return this.#strandedBytes;
  }

  #giveUpEmptyStages(): void {
    if (this.#strandedBytes === 0 && this.#pool !== undefined) {
      this.#options.vault.giveUpStages(this.#pool);
    }
  }

  /** Its stages in the vault; before its first start they are a guess, see pool-choice.ts. */
  get pool(): { readonly name: string; readonly kind: "own" | "guessed" } | undefined {
    if (this.#pool === undefined) return undefined;
    return { name: this.#pool, kind: this.#first === undefined ? "own" : "guessed" };
  }

  /** `found` is what the pump before has found instead of the owner of its stages. */
  #launch(found?: Found): void {
    const { directory, program, volatileDirectory, positionsDirectory, vault } = this.#options;
    try {
      const choice = this.#choosePool(found);
      this.#pool = choice.name;
      const stages = vault.stagesOf(choice.name);
      if (stages.contents === "new") this.#strandedBytes = 0;
      const child = new PumpChild({
        program,
        stages,
        start: {
          lockFile: pumpLockFile(volatileDirectory, choice.name),
          notesFile: notesFile(volatileDirectory, choice.name),
          directory,
          contents: choice.contents,
          recorded: vault.contentsOf(choice.name) ?? null,
          positionsDirectory,
          ...this.#options.policies(),
        },
        onMessage: (message, from) => this.#receive(message, from),
        onEnd: (end) => this.#ended(end),
      });
      this.#state = { kind: "starting", child };
    } catch (error) {
      this.#failed({ reason: reasonOf(error), how: isDiskFault(error) ? "diskFault" : "gaveUp" });
    }
  }

  #choosePool(found: Found | undefined): PoolChoice {
    const { fileSystem, idlePools, vault } = this.#options;
    if (this.#pool === undefined) return choosePool(fileSystem, idlePools(), found);
    const own = { name: this.#pool, contents: vault.contentsOf(this.#pool) };
    // A pump that is started again goes on with its stages.
    if (found === undefined) return { name: own.name, contents: own.contents ?? null };
    return choosePool(fileSystem, [own, ...idlePools()], found);
  }

  #receive(message: FromPump, child: PumpChild): void {
    switch (message.type) {
      case "started":
        this.#started(child, message.contents);
        break;
      case "identified":
        if (this.#pool !== undefined)
          this.#options.vault.noteContents(this.#pool, message.contents);
        break;
      case "otherContents":
        this.#found = { contents: message.contents };
        break;
      case "report":
        this.#reports.answered(message.request, message.streams);
        break;
      case "stopped":
        this.#strandedBytes = message.strandedBytes;
        break;
      default:
        this.#options.onMessage(message);
    }
  }

  #started(child: PumpChild, contents: string | null): void {
    if (this.#state.kind !== "starting") return;
    this.#state = { kind: "running", child, sinceMs: performance.now() };
    this.#strandedBytes = "unknown";
    const { emit, fileSystem, onStarted, vault } = this.#options;
    if (this.#pool !== undefined) {
      vault.pumpStarted(this.#pool, child.pid);
      if (contents !== null) vault.noteContents(this.#pool, contents);
    }
    emit({ kind: "PumpStarted", fileSystem, pid: child.pid });
    this.#first?.resolve();
    this.#first = undefined;
    // It may have waited long for its predecessor's lock.
    this.configure();
    onStarted();
    for (const resolve of this.#onRunning) resolve();
  }

  #ended(end: PumpEnd): void {
    const before = this.#state;
    if (before.kind === "stopping" || before.kind === "stopped") return;
    this.#state = { kind: "waiting" };
    const found = this.#found;
    this.#found = undefined;
    if (found !== undefined) {
      this.#launch(found);
      return;
    }
    if (before.kind === "running" && performance.now() - before.sinceMs >= stableMs) {
      this.#restart.succeeded();
    }
    this.#failed(end);
  }

  #failed({ reason, how }: PumpEnd): void {
    const { directory, emit, fileSystem } = this.#options;
    const message = `the pump for ${directory} cannot start: ${reason}`;
    if (this.#first !== undefined && how !== "killed") {
      this.#state = { kind: "stopped" };
      this.#giveUpEmptyStages();
      this.#first.reject(new DaemonError(how === "gaveUp" ? "pump" : "pumpDisk", message));
      return;
    }
    emit({ kind: "PumpEnded", fileSystem, reason });
    if (how === "diskFault") this.#options.onWaiting(message);
    this.#restart.again();
  }

  /** Resolves when the pump runs, or after the time. */
  async #running(waitMsMax: number): Promise<void> {
    if (this.#state.kind !== "waiting" && this.#state.kind !== "starting") return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onRunning.delete(done);
        resolve();
      };
      const timer = setTimeout(done, waitMsMax);
      this.#onRunning.add(done);
    });
  }
}
