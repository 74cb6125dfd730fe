// SPDX-License-Identifier: Apache-2.0
// What a signal to xenlog does: before COMMAND starts it ends the preparations, while COMMAND runs it
// is passed to COMMAND, after that it is ignored: closing the log takes some seconds at most.

import { readFileSync } from "node:fs";
import type { ChildProcess } from "../../program/index.ts";
import { type CliContext, type HandledSignal, signalExitCode } from "../invocation/index.ts";

export interface SignalRoute {
  /** Aborted by the first signal that comes before COMMAND. */
  readonly preparing: AbortSignal;
  forwardTo(child: ChildProcess): void;
  /** COMMAND has ended: further signals are ignored. */
  ignore(): void;
}

interface InterruptibleRoute extends SignalRoute, Disposable {
  /** The signal that came before COMMAND started. */
  interruptedBy(): HandledSignal | undefined;
}

type Phase =
  | { readonly kind: "preparing" }
  | { readonly kind: "interrupted"; readonly signal: HandledSignal }
  | { readonly kind: "running"; readonly child: ChildProcess }
  | { readonly kind: "over" };

const routed = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

/** Runs `body`; the exit code is 128 + the signal's number if a signal interrupts the preparations. */
export async function withSignals(
  context: CliContext,
  body: (signals: SignalRoute) => Promise<number>,
): Promise<number> {
  using signals = routeSignals(context);
  try {
    return await body(signals);
  } catch (error) {
    const signal = signals.interruptedBy();
    if (signal !== undefined) return signalExitCode(signal);
    throw error;
  }
}

function routeSignals(context: CliContext): InterruptibleRoute {
  const preparing = new AbortController();
  let phase: Phase = { kind: "preparing" };
  const handle = (signal: HandledSignal): void => {
    switch (phase.kind) {
      case "preparing":
        phase = { kind: "interrupted", signal };
        preparing.abort();
        return;
      case "running":
        if (!terminalHasSent(signal)) phase.child.kill(signal);
        return;
      case "interrupted":
      case "over":
        return;
    }
  };
  const undo = routed.map((signal) => context.onSignal(signal, () => handle(signal)));
  return {
    preparing: preparing.signal,
    interruptedBy: () => (phase.kind === "interrupted" ? phase.signal : undefined),
    forwardTo: (child) => {
      phase = { kind: "running", child };
    },
    ignore: () => {
      phase = { kind: "over" };
    },
    [Symbol.dispose]: () => {
      for (const restore of undo) restore();
    },
  };
}

/** The terminal sends Ctrl-C to its whole foreground group: COMMAND has the signal already. */
function terminalHasSent(signal: HandledSignal): boolean {
  return (signal === "SIGINT" || signal === "SIGQUIT") && isForeground();
}

function isForeground(): boolean {
  const stat = readFileSync("/proc/self/stat", "latin1");
  // proc_pid_stat(5) after the name: state, ppid, pgrp, session, tty_nr, tpgid.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
}
