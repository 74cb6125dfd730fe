// SPDX-License-Identifier: Apache-2.0
// What a signal to `run` means: before COMMAND it ends the preparations, during COMMAND it is
// COMMAND's, after COMMAND the log is closed regardless, which takes seconds at most.

import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { CliContext, HandledSignal } from "../invocation/index.ts";

export interface SignalRoute extends Disposable {
  /** Aborted by the first signal that comes before COMMAND. */
  readonly preparing: AbortSignal;
  /** That signal. */
  interruptedBy(): HandledSignal | undefined;
  forwardTo(child: ChildProcess): void;
  /** COMMAND has ended. */
  ignore(): void;
}

type Phase =
  | { readonly kind: "preparing" }
  | { readonly kind: "interrupted"; readonly signal: HandledSignal }
  | { readonly kind: "running"; readonly child: ChildProcess }
  | { readonly kind: "over" };

const routed = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

export function routeSignals(context: CliContext): SignalRoute {
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

/** Ctrl-C reaches the terminal's whole foreground group, COMMAND with us: once is enough. */
function terminalHasSent(signal: HandledSignal): boolean {
  return (signal === "SIGINT" || signal === "SIGQUIT") && isForeground();
}

function isForeground(): boolean {
  const stat = readFileSync("/proc/self/stat", "latin1");
  // proc_pid_stat(5) after the name: state, ppid, pgrp, session, tty_nr, tpgid.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
}
