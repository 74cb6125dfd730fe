// SPDX-License-Identifier: Apache-2.0
// Starts our own programs, and awaits the notice of one that reports when it is ready. The only file
// but for COMMAND of `xenlog run` that starts a process.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { type Notice, pause, readNotice } from "./portable/index.ts";
import type { Program } from "./program.ts";

export type { ChildProcess } from "node:child_process";

/** Where the standard output or error of the program goes: a descriptor, or a pipe to us. */
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

/** Starts the program. Whether that works is reported by its events, as child_process has it. */
export function startProgram(program: Program, options: StartOptions = {}): ChildProcess {
  const { args = [], environment, directory = "/", detached, descriptors = [] } = options;
  return spawn(program.command, [...program.args, ...args], {
    cwd: directory,
    ...(environment === undefined ? {} : { env: environment }),
    detached: detached === true,
    stdio: ["ignore", options.stdout ?? "ignore", options.stderr ?? "ignore", ...descriptors],
  });
}

/** What became of a program that was to report. */
export type StartOutcome =
  | { readonly kind: "ready"; readonly child: ChildProcess }
  /** It said why it cannot run. */
  | { readonly kind: "failed"; readonly notice: Extract<Notice, { kind: "failed" }> }
  /** It ended without a word; `signal` is null if it ended by itself. */
  | { readonly kind: "ended"; readonly signal: NodeJS.Signals | null }
  | { readonly kind: "late"; readonly child: ChildProcess }
  /** It could not be executed. */
  | { readonly kind: "notStarted"; readonly error: Error };

export interface AwaitOptions extends Omit<StartOptions, "descriptors" | "detached"> {
  /** How long its notice is awaited. */
  readonly readyMsMax: number;
  /** How long the end of a program is awaited that has reported a failure. */
  readonly endMsMax: number;
  /** Called when the program exists, before it has reported. */
  readonly onStarted?: (child: ChildProcess) => void;
}

/** The program's notice comes on this descriptor: its `--notify-fd`. */
export const noticeDescriptor = 3;

/** Starts a program that outlives us and awaits its notice. Rejects only if `onStarted` throws. */
export async function startAndAwaitNotice(
  program: Program,
  options: AwaitOptions,
): Promise<StartOutcome> {
  const child = startProgram(program, { ...options, detached: true, descriptors: ["pipe"] });
  child.unref();
  if (child.pid === undefined) {
    const [error] = (await once(child, "error")) as [Error];
    return { kind: "notStarted", error };
  }
  // Later errors are of signals that could not be sent.
  child.on("error", () => undefined);
  const notices = child.stdio[noticeDescriptor] as Readable;
  const timer = new AbortController();
  try {
    options.onStarted?.(child);
    const late = pause(options.readyMsMax, timer.signal).then(
      () => "late" as const,
      () => "late" as const,
    );
    const notice = await Promise.race([readNotice(notices), late]);
    if (notice === "late") return { kind: "late", child };
    if (notice?.kind === "ready") return { kind: "ready", child };
    // It reports before it ends, and has to be gone before another one takes its place.
    await awaitEnd(child, options.endMsMax);
    if (notice !== undefined) return { kind: "failed", notice };
    return { kind: "ended", signal: child.signalCode };
  } finally {
    timer.abort();
    notices.destroy();
  }
}

/** Resolves when the process has ended, or after the time. */
export async function awaitEnd(child: ChildProcess, waitMsMax: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await once(child, "exit", { signal: AbortSignal.timeout(waitMsMax) }).catch(() => undefined);
}
