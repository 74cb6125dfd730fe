// SPDX-License-Identifier: Apache-2.0
// Starts our own programs, and awaits the notice of one that reports when it is ready. No other file
// starts a process, except the one that starts COMMAND of `xenlog run`.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { type Notice, pause, readNotice } from "./portable/index.ts";
import type { Program } from "./program.ts";

export type { ChildProcess } from "node:child_process";

/** Where the standard output or error of the program goes: a descriptor, or a pipe to this process. */
type Output = "ignore" | "pipe" | number;

export interface StartOptions {
  /** Arguments behind those of the program. */
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Working directory; `/` keeps no file system busy. */
  readonly directory?: string;
  /** A session of its own: the program outlives us and no terminal's signals reach it. */
  readonly detached?: true;
  readonly stdout?: Output;
  readonly stderr?: Output;
  /** What the program gets as descriptors 3, 4, … */
  readonly descriptors?: readonly (number | "ipc" | "pipe")[];
}

/** Starts the program. Its events report whether that works, as in node:child_process. */
export function startProgram(program: Program, options: StartOptions = {}): ChildProcess {
  const { args = [], environment, directory = "/", detached, descriptors = [] } = options;
  return spawn(program.command, [...program.args, ...args], {
    cwd: directory,
    ...(environment === undefined ? {} : { env: environment }),
    detached: detached === true,
    stdio: ["ignore", options.stdout ?? "ignore", options.stderr ?? "ignore", ...descriptors],
  });
}

/** How the start of a program that reports went. */
export type StartOutcome =
  | { readonly kind: "ready"; readonly child: ChildProcess }
  /** It reported why it cannot run. */
  | { readonly kind: "failed"; readonly notice: Extract<Notice, { kind: "failed" }> }
  /** It ended without a notice; `signal` is null if it ended by itself. */
  | { readonly kind: "ended"; readonly signal: NodeJS.Signals | null }
  /** It runs, and has not reported in time. */
  | { readonly kind: "late"; readonly child: ChildProcess }
  /** It could not be executed. */
  | { readonly kind: "notStarted"; readonly error: Error };

export interface AwaitOptions extends Omit<StartOptions, "descriptors" | "detached"> {
  /** How long to wait for its notice. */
  readonly readyMsMax: number;
  /** How long to wait for the end of a program that has reported a failure. */
  readonly endMsMax: number;
  /** Called when the program exists, before it has reported. */
  readonly onStarted?: (child: ChildProcess) => void;
}

/** The program's notice comes on this descriptor: its `--notify-fd`. */
export const noticeDescriptor = 3;

/** The notice of a program that has ended is in the pipe already: it needs no longer to be read. */
const lastNoticeMsMax = 200;

/** Starts a program that outlives us and awaits its notice. Rejects only if `onStarted` throws. */
export async function startAndAwaitNotice(
  program: Program,
  options: AwaitOptions,
): Promise<StartOutcome> {
  const started = await startReporting(program, options);
  if (started instanceof Error) return { kind: "notStarted", error: started };
  const child = started;
  const notices = child.stdio[noticeDescriptor] as Readable;
  const waiting = new AbortController();
  try {
    options.onStarted?.(child);
    const outcome = await Promise.race([
      readNotice(notices),
      pause(options.readyMsMax, waiting.signal).then(() => "late" as const),
      endWithoutNotice(child, waiting.signal),
    ]);
    if (outcome === "late") return { kind: "late", child };
    if (outcome?.kind === "ready") return { kind: "ready", child };
    // The program reports before it ends; it has to be gone before another one is started.
    const hasEnded = await awaitEnd(child, options.endMsMax);
    if (outcome !== undefined) return { kind: "failed", notice: outcome };
    return hasEnded ? { kind: "ended", signal: child.signalCode } : { kind: "late", child };
  } finally {
    waiting.abort();
    notices.destroy();
    child.unref();
  }
}

/** The program as a process, or why there is none. */
async function startReporting(
  program: Program,
  options: AwaitOptions,
): Promise<ChildProcess | Error> {
  try {
    const child = startProgram(program, { ...options, detached: true, descriptors: ["pipe"] });
    if (child.pid === undefined) {
      const [error] = (await once(child, "error")) as [Error];
      return error;
    }
    // An error after the start is a signal that could not be sent.
    child.on("error", () => undefined);
    return child;
  } catch (error) {
    // spawn() throws for some reasons, such as E2BIG, and emits the others.
    return error as Error;
  }
}

/** A child of the program may have inherited the descriptor: then no end of file ends the reading. */
async function endWithoutNotice(child: ChildProcess, signal: AbortSignal): Promise<undefined> {
  await once(child, "exit", { signal });
  await pause(lastNoticeMsMax, signal);
}

/** Resolves when the process has ended, or after the time; true if it has ended. */
export async function awaitEnd(child: ChildProcess, waitMsMax: number): Promise<boolean> {
  const hasEnded = (): boolean =>
    child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  if (hasEnded()) return true;
  const tooLate = new AbortController();
  // AbortSignal.timeout() would let this process exit meanwhile: its timer does not keep it alive.
  const timer = setTimeout(() => tooLate.abort(), waitMsMax);
  await once(child, "exit", { signal: tooLate.signal }).catch(() => undefined);
  clearTimeout(timer);
  return hasEnded();
}
