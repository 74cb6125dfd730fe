// SPDX-License-Identifier: Apache-2.0
// An object that crosses a border as JSON, described once: its type and its schema come from one
// table of field names. (Isolated declarations do not infer a type from an exported schema.)

import * as v from "valibot";

interface Kinds {
  readonly text: string;
  readonly textOrNull: string | null;
  /** A whole number from 0. */
  readonly count: number;
  readonly countOrNull: number | null;
  readonly flag: boolean;
  readonly countsByReason: Readonly<Record<string, number>>;
}

/** The kind of each field; a list is one of these words, a shape within a shape may be null. */
export type Shape = {
  readonly [name: string]: keyof Kinds | readonly string[] | Shape;
};

/** The type of an object of that shape. */
export type Shaped<Fields extends Shape> = {
  readonly [Name in keyof Fields]: Fields[Name] extends keyof Kinds
    ? Kinds[Fields[Name]]
    : Fields[Name] extends readonly (infer Word)[]
      ? Word
      : Fields[Name] extends Shape
        ? Shaped<Fields[Name]> | null
        : never;
};

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const schemas: { readonly [Kind in keyof Kinds]: v.GenericSchema<unknown, Kinds[Kind]> } = {
  text: v.string(),
  textOrNull: v.nullable(v.string()),
  count,
  countOrNull: v.nullable(count),
  flag: v.boolean(),
  countsByReason: v.record(v.string(), count),
};

/** Its output has the fields of the table in the table's order, and no others. */
export function shapeSchema<const Fields extends Shape>(
  fields: Fields,
): v.GenericSchema<unknown, Shaped<Fields>> {
  const entries = Object.entries(fields).map(([name, kind]) => [name, schemaOf(kind)]);
  // The entries are made from the same table as the type.
  return v.object(Object.fromEntries(entries)) as unknown as v.GenericSchema<
    unknown,
    Shaped<Fields>
  >;
}

function schemaOf(kind: Shape[string]): v.GenericSchema {
  if (typeof kind === "string") return schemas[kind];
  if (isWords(kind)) return v.picklist(kind);
  // A program of an earlier version does not send it.
  return v.optional(v.nullable(shapeSchema(kind)), null);
}

function isWords(kind: readonly string[] | Shape): kind is readonly string[] {
  return Array.isArray(kind);
}
