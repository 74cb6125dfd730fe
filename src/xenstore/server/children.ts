// SPDX-License-Identifier: Apache-2.0
// A persistent map from name to node, sorted by name. A change copies one chunk of at most
// `chunkEntriesMax` entries and the list of chunks; everything else is shared with the old map,
// so that ten thousand children cost a change no more than a few hundred pointers.
//
//   chunks: [ [a b c] [f g] [k m n p] ]   none empty; sorted within and across

export interface Entry<Value> {
  readonly name: string;
  readonly value: Value;
}

export interface Children<Value> {
  readonly count: number;
  readonly chunks: readonly (readonly Entry<Value>[])[];
}

const chunkEntriesMax = 128;

const none: Children<never> = { count: 0, chunks: [] };

/** noChildren() is the empty map. */
export function noChildren<Value>(): Children<Value> {
  return none;
}

/** getChild(children, name) is the value of `name`, undefined when missing. */
export function getChild<Value>(children: Children<Value>, name: string): Value | undefined {
  const chunk = children.chunks[findChunk(children, name)];
  const entry = chunk?.[lowerBound(chunk, name)];
  return entry?.name === name ? entry.value : undefined;
}

/** setChild(children, name, value) is a map that holds `value` under `name`. */
export function setChild<Value>(
  children: Children<Value>,
  name: string,
  value: Value,
): Children<Value> {
  const index = findChunk(children, name);
  const chunk = children.chunks[index] ?? [];
  const position = lowerBound(chunk, name);
  if (chunk[position]?.name === name) {
    const changed = chunk.with(position, { name, value });
    return { count: children.count, chunks: children.chunks.with(index, changed) };
  }
  const grown = chunk.toSpliced(position, 0, { name, value });
  const half = grown.length >> 1;
  const pieces =
    grown.length > chunkEntriesMax ? [grown.slice(0, half), grown.slice(half)] : [grown];
  return {
    count: children.count + 1,
    chunks: children.chunks.toSpliced(index, 1, ...pieces),
  };
}

/** deleteChild(children, name) is a map without `name`; the same map when it had none. */
export function deleteChild<Value>(children: Children<Value>, name: string): Children<Value> {
  const index = findChunk(children, name);
  const chunk = children.chunks[index] ?? [];
  const position = lowerBound(chunk, name);
  if (chunk[position]?.name !== name) return children;
  const shrunk = chunk.toSpliced(position, 1);
  const pieces = shrunk.length === 0 ? [] : [shrunk];
  return { count: children.count - 1, chunks: children.chunks.toSpliced(index, 1, ...pieces) };
}

/** The entries in the order of their names. */
export function* entriesOf<Value>(children: Children<Value>): Generator<Entry<Value>> {
  for (const chunk of children.chunks) yield* chunk;
}

/** The chunk that holds `name` or is to hold it: the last that starts at or before it. */
function findChunk<Value>({ chunks }: Children<Value>, name: string): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const first = chunks[middle]?.[0];
    if (first !== undefined && first.name <= name) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** The first position whose name is not below `name`. */
function lowerBound<Value>(chunk: readonly Entry<Value>[], name: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = chunk[middle];
    if (entry !== undefined && entry.name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
