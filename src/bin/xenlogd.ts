#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The daemon in the foreground. SIGTERM and SIGINT drain and stop it, SIGHUP reloads and reopens.
// Exit code 0 after an orderly stop, 2 for a wrong command line or configuration, 7 when another
// daemon has the same places, else 1.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import {
  ConfigurationError,
  type ConfigurationFile,
  type Daemon,
  DaemonError,
  findConfigurationFile,
  readConfiguration,
  startDaemon,
} from "../daemon/index.ts";
import { logEvents } from "../observe/index.ts";
import { embeddedPlaces, hostPlaces, type Places, PlacesError } from "../places/index.ts";
import { giveNotice } from "../program/index.ts";
import { ServiceManager } from "../vault/index.ts";

interface Options {
  readonly embedded?: true;
  readonly dir?: string;
  readonly config?: string;
  readonly checkConfig?: true;
  readonly transient?: true;
  readonly notifyFd?: string;
}

const exitFailure = 1;
const exitUsage = 2;
const exitAlreadyRunning = 7;

// A channel that is still open, such as that of a pump that hangs, must not keep the process alive.
process.exit(await main(process.argv));

async function main(argv: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parse(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : exitUsage;
  }
  if (options.checkConfig) return checkConfiguration(options);
  const notifyFd = options.notifyFd === undefined ? undefined : Number(options.notifyFd);
  // From the first moment on, and for each signal: what was started is stopped in order.
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve());
  });
  const reloadOnHangUp = awaitHangUps();
  const emit = logEvents();
  // A daemon that `run` starts inherits the variables of the service that `run` is part of.
  const environment = options.transient ? {} : process.env;
  const serviceManager = ServiceManager.fromEnvironment(environment, emit);
  try {
    const daemon = await startDaemon({
      places: placesOf(options),
      version: readVersion(),
      lifetime: options.transient ? "shared" : "permanent",
      serviceManager,
      pumpProgram: sibling("pump"),
      storeProgram: sibling("xenstored"),
      emit,
      configurationFile: configurationFileOf(options),
    });
    reloadOnHangUp(daemon);
    giveNotice(notifyFd, { kind: "ready" });
    await Promise.race([signalled, daemon.ended]);
    await daemon.stop();
    return 0;
  } catch (error) {
    if (!isExpected(error)) throw error;
    const { code, message } = error;
    const exitCode = exitCodeOf(error);
    printFaults(error);
    giveNotice(notifyFd, { kind: "failed", code, message, exitCode });
    return exitCode;
  }
}

type ExpectedError = ConfigurationError | DaemonError | PlacesError;

function isExpected(error: unknown): error is ExpectedError {
  return [ConfigurationError, DaemonError, PlacesError].some((kind) => error instanceof kind);
}

function exitCodeOf({ code }: ExpectedError): number {
  if (code === "alreadyRunning") return exitAlreadyRunning;
  return code === "configuration" ? exitUsage : exitFailure;
}

function printFaults(error: ExpectedError): void {
  const faults = error instanceof ConfigurationError ? error.faults : [error.message];
  for (const fault of faults) process.stderr.write(`xenlogd: ${fault}\n`);
}

/** Starts nothing. */
function checkConfiguration(options: Options): number {
  try {
    readConfiguration(configurationFileOf(options));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    printFaults(error);
    return exitUsage;
  }
  process.stdout.write("OK\n");
  return 0;
}

/**
 * A terminal that goes away says the same, and is no reason to stop. What comes during the start is
 * kept until there is a daemon: the file may have been read by then.
 */
function awaitHangUps(): (daemon: Daemon) => void {
  let daemon: Daemon | undefined;
  let isDue = false;
  process.on("SIGHUP", () => {
    isDue = daemon === undefined;
    daemon?.reload();
  });
  return (started) => {
    daemon = started;
    if (isDue) daemon.reload();
  };
}

function parse(argv: readonly string[]): Options {
  const command = new Command("xenlogd")
    .description("The log daemon for the QEMUs of a Xen host, in the foreground.")
    .version(readVersion(), "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .option("--embedded", "with a xenstore of its own; never touches the host's")
    .option("--dir <D>", "where an embedded daemon keeps everything; implies --embedded")
    .option("--config <F>", "the configuration file; on a host /etc/xen/xenlogd.toml")
    .option("--check-config", "say OK, or what is wrong in it, and start nothing")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error/, "xenlogd")) });
  for (const [flags, what] of [
    ["--transient", "started by run: ends when nobody needs it any more"],
    ["--notify-fd <FD>", "where to write one line of JSON when it is ready, or cannot be"],
  ] as const) {
    command.addOption(command.createOption(flags, what).hideHelp());
  }
  command.parse([...argv]);
  return command.opts<Options>();
}

function configurationFileOf({ config, dir, embedded }: Options): ConfigurationFile | undefined {
  const isEmbedded = embedded === true || dir !== undefined;
  return findConfigurationFile(config, process.env, isEmbedded ? "embedded" : "host");
}

function placesOf(options: Options): Places {
  if (options.dir !== undefined) return embeddedPlaces(options.dir);
  if (options.embedded !== true) return hostPlaces(process.env);
  const { XDG_STATE_HOME: state = "" } = process.env;
  const base = state.startsWith("/") ? state : join(homedir(), ".local", "state");
  return embeddedPlaces(join(base, "xenlogd"));
}

/** One of the programs beside this one, as it is: source or built. */
function sibling(name: string): { command: string; args: readonly string[] } {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const path = fileURLToPath(new URL(`./${name}.${extension}`, import.meta.url));
  return { command: process.execPath, args: [path] };
}

function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
