// SPDX-License-Identifier: Apache-2.0
// `xenlog xenstored`: the embedded xenstore as a process of its own, in the foreground. Ends in
// order on SIGTERM and SIGINT.

import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import { embeddedPlaces, requirePathName } from "../../places/index.ts";
import {
  giveNotice,
  makeDirectory,
  NotDirectoryError,
  probeSocket,
  removeDirectories,
} from "../../program/index.ts";
import { findXenstoreSocket } from "../../xenstore/index.ts";
import { startXenstoreServer, type XenstoreServer } from "../../xenstore/server/index.ts";
import {
  type CliContext,
  CliError,
  describeError,
  exitCode,
  exitCodeOf,
  exitCodesHelp,
  helpAfter,
  type Invocation,
  type Invoke,
  parseDescriptor,
} from "../invocation/index.ts";
import { say } from "../terminal/index.ts";

/** The texts that commander passes. */
interface XenstoredTexts {
  readonly socket?: string;
  readonly state?: string;
  readonly notifyFd?: string;
}

export function xenstoredCommand(invoke: Invoke): Command {
  const command = new Command("xenstored")
    .description("serve an embedded xenstore in the foreground")
    .option(
      "--socket <P>",
      "its UNIX socket; makes its directories (default: as clients look for it)",
    )
    .option("--state <F>", "file that keeps the tree across a restart")
    .addOption(new Option("--notify-fd <N>", "say there when it is ready").hideHelp())
    .addHelpText("after", helpAfter(["xenstored --socket /tmp/socket"], exitCodesHelp));
  return command.action(() =>
    invoke(command, (invocation) => serve(invocation, command.opts<XenstoredTexts>())),
  );
}

async function serve(invocation: Invocation, texts: XenstoredTexts): Promise<number> {
  const { context } = invocation;
  context.loseUnreadMessages();
  const notifyFd = parseDescriptor(texts.notifyFd, "--notify-fd");
  const stopped = stopSignal(context);
  try {
    const { socketPath, stateFile } = placesOf(invocation, texts);
    await refuseOther(socketPath);
    await using _server = await start(invocation, socketPath, stateFile);
    const isQuiet = invocation.globals.verbosity === "quiet";
    if (!isQuiet) say(invocation, `xenstored answers at ${socketPath}`);
    giveNotice(notifyFd, { kind: "ready" });
    await stopped;
    return exitCode.ok;
  } catch (error) {
    giveNotice(notifyFd, { kind: "failed", ...describeError(error), exitCode: exitCodeOf(error) });
    throw error;
  }
}

function placesOf(
  { context, globals }: Invocation,
  { socket, state }: XenstoredTexts,
): { readonly socketPath: string; readonly stateFile: string | undefined } {
  const places = globals.directory === undefined ? undefined : embeddedPlaces(globals.directory);
  const socketPath = socket ?? places?.xenstoreSocket ?? findXenstoreSocket(context.environment);
  const stateFile = state ?? (places && join(places.stateDirectory, "xenstore.state"));
  const absolute = (what: string, path: string): string => {
    const found = resolve(context.directory, path);
    requirePathName(what, found);
    return found;
  };
  return {
    socketPath: absolute("--socket", socketPath),
    stateFile: stateFile === undefined ? undefined : absolute("--state", stateFile),
  };
}

async function refuseOther(socketPath: string): Promise<void> {
  if (isForbidden(dirname(socketPath))) {
    const sentence = `cannot look into ${dirname(socketPath)}: permission denied; choose another --socket`;
    throw new CliError("failed", sentence);
  }
  if ((await probeSocket(socketPath)) === "answers") {
    throw new CliError("alreadyRunning", `another xenstored answers at ${socketPath} already`);
  }
}

/** Makes the directories of the socket, and removes them again if it fails. */
async function start(
  invocation: Invocation,
  socketPath: string,
  stateFile: string | undefined,
): Promise<XenstoreServer> {
  const made: string[] = [];
  try {
    makeDirectoryOf(socketPath, made);
    return await startXenstoreServer({
      socketPath,
      ...(stateFile === undefined ? {} : { stateFile }),
      onError: (error) => say(invocation, error.message),
    });
  } catch (error) {
    removeDirectories(made);
    throw error;
  }
}

function makeDirectoryOf(socketPath: string, made: string[]): void {
  try {
    makeDirectory(dirname(socketPath), 0o755, made);
  } catch (error) {
    const isSentence = error instanceof NotDirectoryError;
    const reason = isSentence ? error.message : describeErrno(errnoNameOf(error) ?? "EIO");
    const sentence = `cannot make ${dirname(socketPath)}: ${reason}; choose another --socket`;
    throw new CliError("failed", sentence, error);
  }
}

/** A socket there would seem to be another xenstored's. */
function isForbidden(directory: string): boolean {
  try {
    statSync(`${directory}/.`, { throwIfNoEntry: false });
    return false;
  } catch (error) {
    return errnoNameOf(error) === "EACCES";
  }
}

function stopSignal(context: CliContext): Promise<void> {
  return new Promise((resolved) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) context.onSignal(signal, resolved);
  });
}
