// SPDX-License-Identifier: Apache-2.0
// `xenlog run … -- COMMAND`: COMMAND's output goes into a bounded log. A mistake on the command line is
// found before anything is started, and only the log stays afterwards.

import { closeSync, constants } from "node:fs";
import { Command } from "commander";
import { openPath } from "../../kernel/index.ts";
import { reasonOf } from "../../program/index.ts";
import { connectXenstore, type XenstoreClient } from "../../xenstore/index.ts";
import {
  contextOfDaemon,
  joinDaemon,
  type Membership,
  type WatchOptions,
  watchDaemon,
  whileWatched,
} from "../embedded/index.ts";
import {
  helpAfter,
  type Invocation,
  type Invoke,
  overflowHelp,
  runExitCodesHelp,
} from "../invocation/index.ts";
import {
  addLogOptions,
  formatStall,
  type LogChoice,
  parseLogOptions,
  titleOf,
} from "../logs/index.ts";
import {
  type CommandLine,
  closeLog,
  exitOf,
  findCommand,
  type OpenLog,
  openLog,
  printLastLine,
  releaseOwner,
  type SignalRoute,
  showLiveLine,
  startChild,
  withSignals,
} from "../run/index.ts";
import { placesOfRun } from "../target/index.ts";
import { note, say } from "../terminal/index.ts";

const examples = [
  "run -- make test",
  "run --name demo --limit 64KiB --copies 3 --dir /tmp/demo -- sh -c 'seq 1 2000000'",
  "run --global --log backup --file /var/log/xen/xenlogd/backup.log -- backup.sh",
];

export function runCommand(invoke: Invoke): Command {
  const command = addLogOptions(new Command("run"))
    .description("run COMMAND with its output in a bounded log")
    .usage("[options] -- COMMAND [ARG...]")
    .argument("<COMMAND>", "the program, looked for in PATH")
    .argument("[ARG...]", "its arguments")
    .passThroughOptions()
    .addHelpText("after", helpAfter(examples, overflowHelp, runExitCodesHelp));
  return command.action((argv0: string, args: readonly string[]) =>
    invoke(command, (invocation) => {
      invocation.context.loseUnreadMessages();
      const { directory, environment } = invocation.context;
      const choice = parseLogOptions(command, directory);
      const { PATH: path } = environment;
      const file = findCommand(argv0, path, directory);
      const program: CommandLine = { file, words: [argv0, ...args] };
      return withSignals(invocation.context, (signals) =>
        run(signals, invocation, choice, program),
      );
    }),
  );
}

async function run(
  signals: SignalRoute,
  invocation: Invocation,
  choice: LogChoice,
  program: CommandLine,
): Promise<number> {
  const places = await placesOfRun(invocation);
  const { directory } = places;
  note(invocation, directory === undefined ? "with this host's xenlogd" : `in ${directory}`);
  const membership = await joinDaemon(contextOfDaemon(invocation), places, signals.preparing);
  return await runJoined({ invocation, choice, program, signals, membership });
}

interface Run {
  readonly invocation: Invocation;
  readonly choice: LogChoice;
  readonly program: CommandLine;
  readonly signals: SignalRoute;
  readonly membership: Membership;
}

interface RunEnded {
  /** The epoch of a stream that a process left behind by COMMAND still writes. */
  leftOpen: string | undefined;
}

async function runJoined(run: Run): Promise<number> {
  const { membership, invocation } = run;
  const ended: RunEnded = { leftOpen: undefined };
  try {
    const socketPath = membership.places.xenstorePaths;
    await using xenstore = await connectXenstore({ socketPath, signal: run.signals.preparing });
    return await runLogged(run, xenstore, ended);
  } finally {
    await membership.leave(ended.leftOpen).catch((error: unknown) => warn(invocation, error));
  }
}

async function runLogged(run: Run, xenstore: XenstoreClient, ended: RunEnded): Promise<number> {
  const { invocation, choice, membership, signals, program } = run;
  const watching: WatchOptions = {
    membership,
    onTrouble: (error) => warn(invocation, error),
    onStall: (status) => {
      say(invocation, formatStall(status) ?? `${titleOf(status)} is written again`);
    },
  };
  const [argv0] = program.words;
  const log = await whileWatched(watching, () =>
    openLog({ target: membership, xenstore, choice, argv0, signal: signals.preparing }),
  );
  try {
    return await runInto(run, log, watching, ended);
  } finally {
    await releaseOwner(xenstore, log.owner);
  }
}

async function runInto(
  run: Run,
  log: OpenLog,
  watching: WatchOptions,
  ended: RunEnded,
): Promise<number> {
  const { invocation, signals, membership } = run;
  // A FIFO without any descriptor loses its bytes: this one keeps the last output of COMMAND if the
  // daemon is dead when COMMAND ends.
  const reader = openPath(log.handle.pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await using watch = watchDaemon(watching, log.epoch);
    const exit = await attempt(() => runChild(run, log));
    signals.ignore();
    const closed = await closeLog({ invocation, daemon: membership.daemon, watch, log });
    if (!closed.isClosed) ended.leftOpen = log.epoch;
    if (exit.kind === "failed") throw exit.error;
    printLastLine(invocation, log, closed.status, exit.code);
    return exit.code;
  } finally {
    closeSync(reader);
  }
}

async function runChild(
  { invocation, program, signals, membership }: Run,
  log: OpenLog,
): Promise<number> {
  // A signal that came before this moment was not passed to COMMAND.
  signals.preparing.throwIfAborted();
  const descriptors = { stdout: log.handle.open(), stderr: log.handle.open() };
  const child = startChild(invocation.context, program, descriptors);
  signals.forwardTo(child);
  await using _line = showLiveLine(invocation, () => log.readStatus(membership.daemon));
  return await exitOf(child, program.words[0]);
}

type Exit =
  | { readonly kind: "ended"; readonly code: number }
  | { readonly kind: "failed"; readonly error: unknown };

async function attempt(body: () => Promise<number>): Promise<Exit> {
  try {
    return { kind: "ended", code: await body() };
  } catch (error) {
    return { kind: "failed", error };
  }
}

function warn(invocation: Invocation, error: unknown): void {
  say(invocation, reasonOf(error));
}
