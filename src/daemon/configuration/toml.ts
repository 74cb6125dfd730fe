// SPDX-License-Identifier: Apache-2.0
// TOML text into its tables, or one sentence that names the wrong line. The only file that knows the
// TOML library.

import { parse, TomlError } from "smol-toml";
import { quote } from "../../contract/index.ts";
import { ConfigurationError } from "./errors.ts";

/** `path` is for the sentence. Throws ConfigurationError. */
export function parseToml(text: string, path: string): unknown {
  try {
    return parse(text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const line = quote(text.split(/\r?\n/)[error.line - 1]?.trim() ?? "");
    const reason = /^Invalid TOML document: (.*)$/m.exec(error.message)?.[1] ?? "it is not TOML";
    // The library says "invalid value" for an unquoted word, which is the usual mistake.
    const hint =
      reason === "invalid value" ? '; text has to be in quotes, as in fsync = "none"' : "";
    throw new ConfigurationError([`${path}: line ${error.line} is ${line}: ${reason}${hint}`]);
  }
}

/** A TOML value as an operator would write it; tables and arrays by their kind. */
export function showValue(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return "an array";
  return isTable(value) ? "a section" : String(value);
}

export function isTable(value: unknown): value is object {
  const isObject = typeof value === "object" && value !== null;
  return isObject && !Array.isArray(value) && !(value instanceof Date);
}
