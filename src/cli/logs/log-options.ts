// SPDX-License-Identifier: Apache-2.0
// The options of `run` and `create` that describe the log: text in, values out.

import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import {
  type ByteLimit,
  type Copies,
  checkBound,
  type Domid,
  defaultCopies,
  defaultLimitBytes,
  defaultLogName,
  defaultOverflow,
  type Overflow,
  parseCopies,
  parseDomid,
  parseLogName,
  parseName,
  parseOverflow,
  parsePath,
  parseSize,
} from "../../contract/index.ts";
import { CliError } from "../invocation/index.ts";

/** The owner of the log as the command line names it. */
export type NamedOwner =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "domid"; readonly domid: Domid }
  | { readonly kind: "host" };

export type OwnerChoice = NamedOwner | { readonly kind: "none" };

export interface LogChoice {
  readonly owner: OwnerChoice;
  readonly log: string;
  readonly limitBytes: ByteLimit;
  readonly copies: Copies;
  readonly overflow: Overflow;
  /** Absolute; without it the daemon's own log directory and the usual name. */
  readonly file: string | undefined;
}

/** The texts that commander passes. */
interface LogTexts {
  readonly name?: string;
  readonly domid?: string;
  readonly global?: boolean;
  readonly log?: string;
  readonly limit?: string;
  readonly copies?: string;
  readonly overflow?: string;
  readonly file?: string;
}

export function addLogOptions(command: Command): Command {
  return command
    .option("--name <N>", "the domain's name; on a Xen host the domain must exist")
    .option("--domid <D>", "the domain's number")
    .option("--global", "a log of the host itself")
    .option("--log <L>", `the log's name (default: ${defaultLogName})`)
    .option("--limit <S>", "size at which the log is rotated, such as 64KiB (default: 1MiB)")
    .option("--copies <N>", `rotated files kept (default: ${defaultCopies})`)
    .option("--file <P>", "the log's path, instead of the usual one")
    .addOption(new Option("--overflow <O>", `auto, block or drop (default: ${defaultOverflow})`));
}

/** Throws ContractError or CliError about the first value that is bad. */
export function parseLogOptions(command: Command, directory: string): LogChoice {
  const texts = command.opts<LogTexts>();
  const { limit, copies, overflow, log, file } = texts;
  const choice: LogChoice = {
    owner: parseOwner(texts),
    log: log === undefined ? defaultLogName : parseLogName(log, "--log"),
    limitBytes: limit === undefined ? defaultLimitBytes : parseSize(limit, "--limit"),
    copies: copies === undefined ? defaultCopies : parseCopies(copies, "--copies"),
    overflow: overflow === undefined ? defaultOverflow : parseOverflow(overflow, "--overflow"),
    file: file === undefined ? undefined : resolveFile(file, directory),
  };
  checkBound(choice.limitBytes, choice.copies);
  return choice;
}

function parseOwner({ name, domid, global = false }: LogTexts): OwnerChoice {
  if ([name !== undefined, domid !== undefined, global].filter(Boolean).length > 1) {
    throw new CliError("usage", "only one of --name, --domid and --global can be given");
  }
  if (name !== undefined) return { kind: "name", name: parseName(name, "--name") };
  if (domid !== undefined) return { kind: "domid", domid: parseDomid(domid, "--domid") };
  return global ? { kind: "host" } : { kind: "none" };
}

/** The real path: the daemon follows no symbolic links below its log directory. */
function resolveFile(file: string, directory: string): string {
  if (file === "") throw new CliError("usage", "--file is empty");
  const path = parsePath(resolve(directory, file), "--file");
  try {
    return join(realpathSync.native(dirname(path)), basename(path));
  } catch {
    return path;
  }
}
