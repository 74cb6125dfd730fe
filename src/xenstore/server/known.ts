// SPDX-License-Identifier: Apache-2.0
// What was worked out from a text, kept for the next time: clients name the same few nodes again
// and again. Bounded, and forgotten all at once when full; long texts are not kept.

/** More nodes than a busy host has in use at a time; about 2 MB when full of the longest. */
const textsMax = 8192;
const textLengthMax = 128;

export interface Known<Value> {
  /** get(text) is what was worked out from `text`, undefined when that is not known. */
  get(text: string): Value | undefined;
  /** add(text, value) keeps `value` and returns it. */
  add(text: string, value: Value): Value;
}

export function createKnown<Value>(): Known<Value> {
  const values = new Map<string, Value>();
  return {
    get: (text) => values.get(text),
    add: (text, value) => {
      if (text.length > textLengthMax) return value;
      if (values.size >= textsMax) values.clear();
      values.set(text, value);
      return value;
    },
  };
}
