// SPDX-License-Identifier: Apache-2.0
// The text of the configuration file into a Configuration, or all its faults, one sentence each. A
// section or key that is missing has its default; one that is unknown is a fault.

import * as v from "valibot";
import { ConfigurationError } from "./errors.ts";
import { sentenceOf } from "./faults.ts";
import { type ConfigurationFile, readText } from "./file.ts";
import { type Section, tableSchema } from "./section.ts";
import * as sections from "./sections.ts";
import { parseToml } from "./toml.ts";

type Sections = typeof sections;
type ValueOf<OneSection> = OneSection extends Section<infer Value> ? Value : never;

/** The value of each section. */
export type Configuration = { readonly [Name in keyof Sections]: ValueOf<Sections[Name]> };

/** Without a file everything has its default. Throws ConfigurationError. */
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
  const values = all.map(([name, section]) => [name, result.output[section.name]]);
  // Each schema has checked the value of its own section.
  return Object.fromEntries(values) as Configuration;
}

const all: readonly (readonly [string, Section<unknown>])[] = Object.entries(sections);

const fileSchema: v.GenericSchema<unknown, Record<string, unknown>> = tableSchema(
  Object.fromEntries(all.map(([, { name, schema }]) => [name, v.optional(schema, {})])),
);
