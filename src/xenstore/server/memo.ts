// SPDX-License-Identifier: Apache-2.0
// A memo of what was computed from a text: clients name the same few nodes again and again.
// Bounded: emptied when full, and long texts are not kept.

/** More nodes than a busy host has in use at a time; about 2 MB when full of the longest. */
const textsMax = 8192;
const textLengthMax = 128;

export interface Memo<Value> {
  /** get(text) is the value kept for `text`, undefined without one. */
  get(text: string): Value | undefined;
  /** add(text, value) keeps `value` and returns it. */
  add(text: string, value: Value): Value;
}

export function createMemo<Value>(): Memo<Value> {
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
