// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration file: TOML in, a Configuration or all that is wrong with it out, each
// fault as one sentence. What is not in the file has its default; what nobody knows is a fault.

import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { ContractError, parseDurationMs, quote } from "../../contract/index.ts";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { FsyncPolicy } from "../../logfile/index.ts";
import { ConfigurationError } from "../errors.ts";

export interface Configuration {
  /** What a power failure may cost. */
  readonly fsync: FsyncPolicy;
}

export interface ConfigurationFile {
  readonly path: string;
  /** Somebody has named it, so it has to be there. */
  readonly named: boolean;
}

const hostConfigurationFile = "/etc/xen/xenlogd.toml";

/** Far more than a file that somebody wrote. */
const fileBytesMax = 1024 * 1024;

/** Syncing more often would be the only thing that a disk does; more rarely is `none`. */
const intervalMs = { min: 100, max: 3_600_000 } as const;

/** What is configured now; stays as it is when the file is changed into something wrong. */
export class LiveConfiguration {
  readonly #file: ConfigurationFile | undefined;
  #current: Configuration;

  /** Throws ConfigurationError. */
  constructor(file: ConfigurationFile | undefined) {
    this.#file = file;
    this.#current = readConfiguration(file);
  }

  get current(): Configuration {
    return this.#current;
  }

  /** Reads the file again. Throws ConfigurationError. */
  reload(): void {
    this.#current = readConfiguration(this.#file);
  }
}

/** The file that a daemon reads: of its command line, its environment, or the host's own. */
export function findConfigurationFile(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  mode: "embedded" | "host",
): ConfigurationFile | undefined {
  const { XENLOGD_CONFIG: variable = "" } = environment;
  const named = option ?? (variable === "" ? undefined : variable);
  if (named !== undefined) return { path: resolve(named), named: true };
  return mode === "host" ? { path: hostConfigurationFile, named: false } : undefined;
}

/** Throws ConfigurationError. Without a file everything has its default. */
export function readConfiguration(file: ConfigurationFile | undefined): Configuration {
  const text = file === undefined ? undefined : readText(file);
  return parseConfiguration(text ?? "", file?.path ?? "");
}

/** `path` is for the sentences. Throws ConfigurationError. */
export function parseConfiguration(text: string, path: string): Configuration {
  const result = v.safeParse(fileSchema, parseToml(text, path));
  if (!result.success) {
    throw new ConfigurationError(result.issues.map((issue) => `${path}: ${sentenceOf(issue)}`));
  }
  const { "power-loss": powerLoss = {} } = result.output;
  return { fsync: policyOf(powerLoss) };
}

const powerLossSchema = v.pipe(
  sectionSchema({
    fsync: v.optional(
      v.picklist(["none", "rotate", "interval"], 'it must be "none", "rotate" or "interval"'),
    ),
    interval: v.optional(durationSchema(intervalMs, 'it must be a duration from "100ms" to "1h"')),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { value: input } = dataset;
    const { fsync = "none", interval: value } = input;
    if (fsync === "interval" || value === undefined) return;
    addIssue({
      message: `it is for fsync = "interval" only, and fsync is "${fsync}": remove it or change fsync`,
      path: [{ type: "object", origin: "value", input, key: "interval", value }],
    });
  }),
);

const fileSchema = sectionSchema({ "power-loss": v.optional(powerLossSchema) });

type PowerLoss = v.InferOutput<typeof powerLossSchema>;

function policyOf({ fsync = "none", interval = "1s" }: PowerLoss): FsyncPolicy {
  if (fsync !== "interval") return { kind: fsync };
  return { kind: fsync, intervalMs: parseDurationMs(interval, "interval") };
}

/** A table with these entries and no others. */
function sectionSchema<const Entries extends v.ObjectEntries>(entries: Entries) {
  const table = v.custom<object>(isTable, "it must be a section, its name in brackets");
  return v.pipe(table, v.objectWithRest(entries, v.never(listOf(Object.keys(entries)))));
}

function durationSchema(
  { min, max }: { readonly min: number; readonly max: number },
  rule: string,
) {
  return v.pipe(
    v.string(rule),
    v.check((text) => {
      try {
        const durationMs = parseDurationMs(text, "");
        return durationMs >= min && durationMs <= max;
      } catch (error) {
        if (error instanceof ContractError) return false;
        throw error;
      }
    }, rule),
  );
}

function sentenceOf({ type, path, input, message }: v.BaseIssue<unknown>): string {
  const keys = (path ?? []).map(({ key }) => String(key));
  const name = keys.at(-1) ?? "";
  const [section] = keys;
  const where = keys.length > 1 ? `[${section}] ` : "";
  if (type !== "never") {
    return `${where}${name} is ${show(path?.at(-1)?.value)}; ${message}`;
  }
  if (where !== "") return `${where}has no ${quote(name)}, only ${message}`;
  const what = isTable(input) ? "section" : "key outside the sections";
  return `there is no ${what} named ${quote(name)}, only ${message}`;
}

/** A TOML value as people would write it; tables and arrays by what they are. */
function show(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return "an array";
  return isTable(value) ? "a section" : String(value);
}

function isTable(value: unknown): boolean {
  const isObject = typeof value === "object" && value !== null;
  return isObject && !Array.isArray(value) && !(value instanceof Date);
}

function listOf(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}

function parseToml(text: string, path: string): unknown {
  try {
    return parse(text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const line = quote(text.split(/\r?\n/)[error.line - 1]?.trim() ?? "");
    const reason = /^Invalid TOML document: (.*)$/m.exec(error.message)?.[1] ?? "it is not TOML";
    // "invalid value" is what an unquoted word gets, the usual mistake.
    const hint =
      reason === "invalid value" ? '; text has to be in quotes, as in fsync = "none"' : "";
    throw new ConfigurationError([`${path}: line ${error.line} is ${line}: ${reason}${hint}`]);
  }
}

function readText(file: ConfigurationFile): string | undefined {
  const bytes = readBytes(file);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigurationError([`${file.path}: it is not text in UTF-8`], error);
  }
}

function readBytes({ path, named }: ConfigurationFile): Uint8Array | undefined {
  try {
    const { size } = statSync(path);
    if (size <= fileBytesMax) return readFileSync(path);
    const reason = `it has ${size} bytes; it must have at most ${fileBytesMax}`;
    throw new ConfigurationError([`${path}: ${reason}`]);
  } catch (error) {
    const errno = errnoNameOf(error);
    if (errno === undefined) throw error;
    if (errno === "ENOENT" && !named) return undefined;
    throw new ConfigurationError([`${path}: it cannot be read: ${describeErrno(errno)}`], error);
  }
}
