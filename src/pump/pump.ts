// SPDX-License-Identifier: Apache-2.0
// The pump process: the streams of one log file system. It lives as long as its main process, and
// holds its lock as long as it lives, so that a successor knows when its stages are free.

import { closeSync, constants } from "node:fs";
import { errnoNameOf, identifyFileSystem, openPath } from "../kernel/index.ts";
import { Durability, OpenDirectories } from "../logfile/index.ts";
import { takeLock } from "../program/index.ts";
import { printLine } from "../program/portable/index.ts";
import {
  type FromPump,
  type PumpPolicies,
  type PumpStart,
  parseToPump,
  type ToPump,
} from "./messages.ts";
import { OpenStreams } from "./open-streams.ts";
import { Recovery } from "./recovery.ts";
import { RetryRound } from "./retry-round.ts";
import { StageOwner } from "./stage-owner.ts";
import { StagePool } from "./stage-pool.ts";

/** The other end of the channel: the main process. */
export interface PumpChannel {
  send(message: FromPump): void;
  /** Messages as they come, not parsed yet. */
  onMessage(listener: (message: unknown) => void): void;
}

const lockBackoff = { firstMs: 5, maxMs: 5 };

/**
 * Serves one main process and resolves when that has said stop. Between two turns of the event loop
 * every stage is empty or holds what the file system refused, so the process may just exit when the
 * main process is gone: its successor goes on from there.
 */
export async function runPump(channel: PumpChannel): Promise<void> {
  const start = await new Promise<ToPump>((resolve) => {
    channel.onMessage((message) => resolve(parseToPump(message)));
  });
  if (start.type !== "start") throw new Error(`the first message was ${start.type}, not start`);
  const contents = identifyContents(start.directory);
  if (start.contents !== null && contents !== start.contents) {
    channel.send({ type: "otherContents", contents });
    return;
  }
  // Held until the process ends; a predecessor that is stuck in a hung disk keeps us waiting.
  await takeLock(start.lockFile, "exclusive", { backoff: lockBackoff });
  await new Promise<void>((resolve, reject) => {
    const pump = new Pump(channel, start, contents, resolve);
    channel.onMessage((message) => {
      const parsed = parse(message);
      if (parsed === undefined) return;
      try {
        if (pump.receive(parsed) === "stopped") resolve();
      } catch (error) {
        reject(error);
      }
    });
    pump.begin();
  });
}

/** A message of a main process of another version is left out: the streams there are go on. */
function parse(message: unknown): ToPump | undefined {
  try {
    return parseToPump(message);
  } catch (error) {
    printLine(`xenlogd-pump: cannot understand a message: ${String(error)}`);
    return undefined;
  }
}

/** Which file system this is, by what it is; null if the directory cannot be opened. */
function identifyContents(directory: string): string | null {
  try {
    return identifyFileSystem(directory);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return null;
  }
}

class Pump {
  readonly #contents: string | null;
  readonly #pool: StagePool;
  readonly #nullFd: number = openPath("/dev/null", constants.O_WRONLY);
  readonly #durability: Durability;
  readonly #recovery: Recovery;
  #policies: PumpPolicies;
  readonly #streams: OpenStreams;
  readonly #onLeft: () => void;
  #send: PumpChannel["send"];

  /** `onLeft`: the pump ends by itself, since its stages are not those of its streams. */
  constructor(channel: PumpChannel, start: PumpStart, contents: string | null, onLeft: () => void) {
    this.#contents = contents;
    this.#send = (message) => channel.send(message);
    this.#onLeft = onLeft;
    this.#pool = StagePool.open(start.notesFile, start.stages);
    this.#durability = new Durability(start.fsync);
    this.#policies = start;
    const options = {
      pool: this.#pool,
      positionsDirectory: start.positionsDirectory,
      durability: this.#durability,
      directories: new OpenDirectories(),
      nullFd: this.#nullFd,
      owner: new StageOwner({
        found: contents,
        recorded: start.recorded,
        onFound: (found, whose) => this.#found(found, whose),
      }),
      send: (message: FromPump): void => this.#send(message),
    };
    this.#recovery = new Recovery(options);
    this.#streams = new OpenStreams({
      ...options,
      recovery: this.#recovery,
      retries: new RetryRound(),
      policies: () => this.#policies,
    });
  }

  begin(): void {
    this.#recovery.begin();
    this.#send({ type: "started", contents: this.#contents });
  }

  receive(message: ToPump): "running" | "stopped" {
    switch (message.type) {
      case "start":
        throw new Error("start came twice");
      case "open":
        this.#streams.open(message.record, message.fifoLostAtMs);
        return "running";
      case "nodesGone":
        this.#streams.nodes(message.epoch, "gone");
        return "running";
      case "nodesBack":
        this.#streams.nodes(message.epoch, "present");
        return "running";
      case "reconfigure":
        this.#streams.reconfigure(message.epoch, message);
        return "running";
      case "configure":
        this.#durability.policy = message.fsync;
        this.#policies = message;
        this.#streams.ratesChanged();
        return "running";
      case "reopen":
        this.#streams.lookAtFiles();
        return "running";
      case "report":
        this.#send({
          type: "report",
          request: message.request,
          streams: this.#streams.reports(),
        });
        return "running";
      case "stop":
        this.#stop();
        return "stopped";
    }
  }

  #stop(): void {
    const strandedBytes = this.#recovery.stop() + this.#streams.stop();
    this.#close();
    this.#send({ type: "stopped", strandedBytes });
  }

  /** The log directory was missing at the start. */
  #found(contents: string, whose: "own" | "other"): void {
    if (whose === "own") {
      this.#send({ type: "identified", contents });
      return;
    }
    // No stream is open, so the stages are as they were found. The next pump gets other ones.
    this.#send({ type: "otherContents", contents });
    this.#send = () => {};
    setImmediate(() => {
      this.#recovery.cancel();
      this.#streams.cancel();
      this.#close();
      this.#onLeft();
    });
  }

  #close(): void {
    this.#pool.close();
    this.#durability.close();
    closeSync(this.#nullFd);
  }
}
