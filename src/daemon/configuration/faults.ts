// SPDX-License-Identifier: Apache-2.0
// A fault that a schema has found, as one sentence: where it is, what is there, what must be there.

import type * as v from "valibot";
import { quote } from "../../contract/index.ts";
import { isTable, showValue } from "./toml.ts";

/** An issue's own message is the rule that the value breaks; of an unknown key, the known ones. */
export function sentenceOf({ type, path, input, message }: v.BaseIssue<unknown>): string {
  const keys = (path ?? []).map(({ key }) => String(key));
  const name = keys.at(-1) ?? "";
  const [section] = keys;
  const where = keys.length > 1 ? `[${section}] ` : "";
  if (type !== "never") {
    return `${where}${name} is ${showValue(path?.at(-1)?.value)}; ${message}`;
  }
  if (where !== "") return `${where}has no ${quote(name)}, only ${message}`;
  const what = isTable(input) ? "section" : "key outside the sections";
  return `there is no ${what} named ${quote(name)}, only ${message}`;
}
