// SPDX-License-Identifier: Apache-2.0
// A persistent map from name to node, sorted by name. A change copies one chunk of at most
// `chunkEntriesMax` entries and the list of chunks; everything else is shared with the old map, so
// a change among ten thousand children copies a few hundred pointers.
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
  const isNew = chunk[position]?.name !== name;
  const changed = chunk.slice();
  if (isNew) changed.splice(position, 0, { name, value });
  else changed[position] = { name, value };
  const half = changed.length >> 1;
  const pieces =
    changed.length > chunkEntriesMax ? [changed.slice(0, half), changed.slice(half)] : [changed];
  return {
    count: children.count + (isNew ? 1 : 0),
    chunks: replaceChunk(children.chunks, index, pieces),
  };
}

/** deleteChild(children, name) is a map without `name`; the same map when it had none. */
export function deleteChild<Value>(children: Children<Value>, name: string): Children<Value> {
  const index = findChunk(children, name);
  const chunk = children.chunks[index] ?? [];
  const position = lowerBound(chunk, name);
  if (chunk[position]?.name !== name) return children;
  const shrunk = chunk.slice();
  shrunk.splice(position, 1);
  const pieces = shrunk.length === 0 ? [] : [shrunk];
  return { count: children.count - 1, chunks: replaceChunk(children.chunks, index, pieces) };
}

/** The entries in the order of their names. */
export function entriesOf<Value>({ chunks }: Children<Value>): readonly Entry<Value>[] {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : chunks.flat();
}

/** slice() and then a change in place: in V8 several times faster than with() and toSpliced(). */
function replaceChunk<Chunk>(
  chunks: readonly Chunk[],
  index: number,
  pieces: readonly Chunk[],
): readonly Chunk[] {
  const changed = chunks.slice();
  const [piece] = pieces;
  if (piece !== undefined && pieces.length === 1) changed[index] = piece;
  else changed.splice(index, 1, ...pieces);
  return changed;
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
