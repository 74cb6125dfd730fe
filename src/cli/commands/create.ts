// SPDX-License-Identifier: Apache-2.0
// `xenlog create`: requests a log and prints the path of its FIFO. The log stays open; a request that
// fails is removed.

import { Command } from "commander";
import {
  ContractError,
  hostName,
  parseByteCount,
  parseDurationMs,
  quote,
} from "../../contract/index.ts";
import type { ControlClient } from "../../control/index.ts";
import { describeErrno } from "../../kernel/index.ts";
import { createLogfile, type LogfileHandle } from "../../toolstack/index.ts";
import { connectXenstore } from "../../xenstore/index.ts";
import {
  CliError,
  exitCode,
  exitCodesHelp,
  helpAfter,
  type Invocation,
  type Invoke,
  overflowHelp,
} from "../invocation/index.ts";
import {
  addLogOptions,
  findOwner,
  type LogChoice,
  logRequest,
  type NamedOwner,
  nameOf,
  type Owner,
  parseLogOptions,
  releaseIfIntroduced,
} from "../logs/index.ts";
import { withSignals } from "../run/index.ts";
import { findDaemon } from "../target/index.ts";

interface CreateChoice extends LogChoice {
  readonly owner: NamedOwner;
  readonly rateBytesPerSecond: number | undefined;
  readonly burstBytes: number | undefined;
  readonly wait: boolean;
  readonly timeoutMs: number;
}

const timeoutMsDefault = 10_000;
/** A timer of Node.js with a longer delay fires at once. */
const timeoutMsMax = 2_147_483_647;

/** The texts that commander passes. */
interface CreateTexts {
  readonly rate?: string;
  readonly burst?: string;
  readonly timeout?: string;
  readonly wait: boolean;
}

const examples = [
  "create --name vm1 --log qemu --limit 1MiB --copies 4",
  "create --global --log xenstored --no-wait",
];

export function createCommand(invoke: Invoke): Command {
  const command = addLogOptions(new Command("create"))
    .description("make a log and print the path of the FIFO to write to")
    .option("--rate <S>", "bytes a second that it may write, with --burst; no effect yet")
    .option("--burst <S>", "bytes that it may write at once, with --rate; no effect yet")
    .option("--no-wait", "do not wait for the daemon's answer")
    .option("--timeout <DUR>", "how long to wait for it (default: 10s)")
    .addHelpText("after", helpAfter(examples, overflowHelp, exitCodesHelp));
  return command.action(() =>
    invoke(command, (invocation) => {
      const { context } = invocation;
      const choice = parseChoice(command, context.directory);
      return withSignals(context, ({ preparing }) => create(preparing, invocation, choice));
    }),
  );
}

function parseChoice(command: Command, directory: string): CreateChoice {
  const { owner, ...choice } = parseLogOptions(command, directory);
  if (owner.kind === "none") {
    throw new CliError("usage", "create needs one of --name, --domid and --global");
  }
  const { rate, burst, timeout, wait } = command.opts<CreateTexts>();
  if ((rate === undefined) !== (burst === undefined)) {
    throw new CliError("usage", "--rate and --burst can only be given together");
  }
  return {
    ...choice,
    owner,
    rateBytesPerSecond: rate === undefined ? undefined : parseByteCount(rate, "--rate"),
    burstBytes: burst === undefined ? undefined : parseByteCount(burst, "--burst"),
    wait,
    timeoutMs: timeout === undefined ? timeoutMsDefault : parseTimeoutMs(timeout),
  };
}

function parseTimeoutMs(text: string): number {
  const timeoutMs = parseDurationMs(text, "--timeout");
  if (timeoutMs > 0) return Math.min(timeoutMs, timeoutMsMax);
  throw new ContractError("range", `--timeout is ${quote(text)}; it must be at least 1ms`);
}

async function create(
  signal: AbortSignal,
  invocation: Invocation,
  choice: CreateChoice,
): Promise<number> {
  const { places, daemon } = await findDaemon(invocation, choice.timeoutMs);
  await using xenstore = await connectXenstore({ socketPath: places.xenstorePaths });
  const owner = await findOwner(xenstore, places, choice.owner);
  try {
    const handle = await createLogfile({
      ...logRequest(xenstore, places, choice, owner),
      rateBytesPerSecond: choice.rateBytesPerSecond,
      burstBytes: choice.burstBytes,
      wait: choice.wait,
      timeoutMs: choice.timeoutMs,
      signal,
    });
    await print(invocation, daemon, choice, owner, handle);
    await requireRead(invocation, handle);
    return exitCode.ok;
  } catch (error) {
    await releaseIfIntroduced(xenstore, owner);
    throw error;
  }
}

async function print(
  { context, globals }: Invocation,
  daemon: ControlClient,
  choice: CreateChoice,
  owner: Owner,
  handle: LogfileHandle,
): Promise<void> {
  if (!globals.json) {
    context.stdout.line(handle.pipe);
    return;
  }
  const description = {
    domid: owner.kind === "host" ? null : owner.domid,
    name: nameOf(owner) ?? hostName,
    log: choice.log,
    id: handle.key.id,
    state: handle.state,
    pipe: handle.pipe,
    file: handle.file,
    limit: choice.limitBytes,
    copies: choice.copies,
    overflow: choice.overflow,
    epoch: await epochOf(daemon, handle.pipe),
  };
  context.stdout.json(description);
}

/** A log whose path nobody has read would stay open for nobody. */
async function requireRead({ context }: Invocation, handle: LogfileHandle): Promise<void> {
  const failure = await context.stdout.failure();
  if (failure === undefined) return;
  await handle.close();
  const sentence = `standard output cannot be written: ${describeErrno(failure)}; the log is closed`;
  throw new CliError("failed", sentence);
}

/** The daemon chooses the epoch; null if it has not read the request yet. */
async function epochOf(daemon: ControlClient, pipe: string): Promise<string | null> {
  const streams = await daemon.streams({ all: true });
  return streams.find((stream) => stream.pipe === pipe)?.epoch ?? null;
}
