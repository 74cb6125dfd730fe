#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The daemon in the foreground. SIGTERM and SIGINT drain and stop it, SIGHUP reloads and reopens.
// Exit code 0 after an orderly stop, 2 for a wrong command line or configuration, 7 when another
// daemon has the same places, else 1.

import { CommanderError } from "commander";
import {
  ConfigurationError,
  type Daemon,
  readConfiguration,
  startDaemon,
} from "../daemon/index.ts";
import { raiseLimits } from "../kernel/index.ts";
import { openEventLog } from "../observe/index.ts";
import { giveNotice, guardOutputs, printLine } from "../program/index.ts";
import { ServiceManager } from "../vault/index.ts";
import { letGoOfDeadTerminals } from "./dead-terminals.ts";
import { packageVersion, programBeside } from "./package.ts";
import { exitCode, exitCodeOf, isExpected, printFaults } from "./xenlogd-failure.ts";
import {
  configurationFileOf,
  parseOptions,
  placesOf,
  type XenlogdOptions,
} from "./xenlogd-options.ts";

guardOutputs("xenlogd");
letGoOfDeadTerminals();
// Exits although something may still be open, such as the channel of a pump that hangs.
process.exit(await main(process.argv));

async function main(argv: readonly string[]): Promise<number> {
  let options: XenlogdOptions;
  try {
    options = parseOptions(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  }
  if (options.checkConfig) return checkConfiguration(options);
  const { notifyFd } = options;
  // Store, pumps and vault process inherit them.
  raiseLimits();
  // Handled from the first moment on, and each time: all that is started by then is stopped in order.
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve());
  });
  const reloadOnHangUp = awaitHangUps();
  const log = openEventLog();
  const { emit } = log;
  // `run` may be part of a service: the variables of the service manager are not for its daemon.
  const environment = options.transient ? {} : process.env;
  const serviceManager = ServiceManager.fromEnvironment(environment, emit);
  try {
    const daemon = await startDaemon({
      places: placesOf(options),
      version: packageVersion(),
      lifetime: options.transient ? "shared" : "permanent",
      serviceManager,
      pumpProgram: programBeside("pump"),
      storeProgram: programBeside("xenstored"),
      emit,
      lostLines: () => log.lostLines,
      configurationFile: configurationFileOf(options),
    });
    reloadOnHangUp(daemon);
    giveNotice(notifyFd, { kind: "ready" });
    await Promise.race([signalled, daemon.ended]);
    await daemon.stop();
    return exitCode.ok;
  } catch (error) {
    if (!isExpected(error)) throw error;
    const { code, message } = error;
    printFaults(error);
    giveNotice(notifyFd, { kind: "failed", code, message, exitCode: exitCodeOf(error) });
    return exitCodeOf(error);
  }
}

/** For --check-config: starts nothing. */
function checkConfiguration(options: XenlogdOptions): number {
  try {
    readConfiguration(configurationFileOf(options));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    printFaults(error);
    return exitCode.usage;
  }
  printLine("OK", "stdout");
  return exitCode.ok;
}

/**
 * SIGHUP reloads. It also comes when the terminal is closed, which does not stop the daemon. A SIGHUP
 * during the start reloads after it: the start may have read the file before the signal came.
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
