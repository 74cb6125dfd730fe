// SPDX-License-Identifier: Apache-2.0
// What every section of the configuration is made of: a table with known keys only, and the kinds of
// values that several sections use. Each rule is the end of a sentence for the operator.

import * as v from "valibot";
import { ContractError, parseByteCount, parseDurationMs } from "../../contract/index.ts";
import { isTable } from "./toml.ts";

/** One section of the file, and how it becomes a value of the configuration. */
export interface Section<Value> {
  /** In brackets in the file. */
  readonly name: string;
  /** An empty table has to be valid: it is used when the file lacks the section. */
  readonly schema: v.GenericSchema<unknown, Value>;
}

type TableSchema<Entries extends v.ObjectEntries> = v.SchemaWithPipe<
  readonly [
    v.CustomSchema<object, v.ErrorMessage<v.CustomIssue> | undefined>,
    v.ObjectWithRestSchema<Entries, v.NeverSchema<string>, undefined>,
  ]
>;

/** A table with these entries and no others. */
export function tableSchema<const Entries extends v.ObjectEntries>(
  entries: Entries,
): TableSchema<Entries> {
  const table = v.custom<object>(isTable, "it must be a section, its name in brackets");
  return v.pipe(table, v.objectWithRest(entries, v.never(listOf(Object.keys(entries)))));
}

/** A duration with its unit, from `min` to `max` milliseconds; stays text. */
export function durationSchema(
  { min, max }: { readonly min: number; readonly max: number },
  rule: string,
): v.GenericSchema<string> {
  return v.pipe(
    v.string(rule),
    v.check((text) => {
      if (!isValid(() => parseDurationMs(text, ""))) return false;
      const durationMs = parseDurationMs(text, "");
      return durationMs >= min && durationMs <= max;
    }, rule),
  );
}

/** A count of bytes with its unit; stays text. */
export function sizeSchema(rule: string): v.GenericSchema<string> {
  return v.pipe(
    v.string(rule),
    v.check((text) => isValid(() => parseByteCount(text, "")), rule),
  );
}

function isValid(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (error instanceof ContractError) return false;
    throw error;
  }
}

function listOf(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}
