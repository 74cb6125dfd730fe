// SPDX-License-Identifier: Apache-2.0
// Whole numbers as xenstore and the command line spell them: decimal digits, no sign, no exponent,
// no white space. Each kind of number has its own brand, its bounds and one function that parses
// it.

import { ContractError, quote } from "./errors.ts";

/** A domain's number, 0 to 32751. */
export type Domid = number & { readonly brand: "Domid" };
/** A log file's number among those of its owner, 0 to 2147483647. */
export type LogfileId = number & { readonly brand: "LogfileId" };
/** Bytes at which a log file is rotated, 4096 to 2^53 - 1. */
export type ByteLimit = number & { readonly brand: "ByteLimit" };
/** Rotated files that are kept beside the live one, 0 to 1000. */
export type Copies = number & { readonly brand: "Copies" };

// DOMID_FIRST_RESERVED is 0x7ff0 (xen/include/public/xen.h).
export const domidMax = 32751;
/** INT_MAX of C. */
export const logfileIdMax = 2147483647;
/** One page: below it, rotating would cost more than writing. */
export const limitBytesMin = 4096;
/** JavaScript counts bytes exactly up to here. */
export const limitBytesMax: number = Number.MAX_SAFE_INTEGER;
/** Rotating renames every copy, so this bounds the system calls of one rotation. */
export const copiesMax = 1000;

/** The defaults of `run` and `create`. */
export const defaultLimitBytes: ByteLimit = (1024 * 1024) as ByteLimit;
export const defaultCopies: Copies = 4 as Copies;

export interface Bounds {
  readonly min: number;
  readonly max: number;
  /** Follows "a whole number" in the sentence, such as " of bytes". */
  readonly unit?: string;
}

export const limitBounds: Bounds = { min: limitBytesMin, max: limitBytesMax, unit: " of bytes" };
const copiesBounds: Bounds = { min: 0, max: copiesMax };
const domidBounds: Bounds = { min: 0, max: domidMax };
const logfileIdBounds: Bounds = { min: 0, max: logfileIdMax };

/** The domid a text spells; throws ContractError. */
export function parseDomid(text: string, what: string): Domid {
  return parseWholeNumber(text, what, domidBounds) as Domid;
}

/** The id a text spells; throws ContractError. */
export function parseLogfileId(text: string, what: string): LogfileId {
  return parseWholeNumber(text, what, logfileIdBounds) as LogfileId;
}

/** Copies to keep; throws ContractError. */
export function parseCopies(text: string, what: string): Copies {
  return parseWholeNumber(text, what, copiesBounds) as Copies;
}

/** A limit in plain decimal, as xenstore has it; throws ContractError. */
export function parseLimit(text: string, what: string): ByteLimit {
  return parseWholeNumber(text, what, limitBounds) as ByteLimit;
}

/** The domid that a directory's name spells, `undefined` for siblings such as `pci`. */
export function domidOfNode(name: string): Domid | undefined {
  return nameWithin(name, domidBounds) as Domid | undefined;
}

/** The id that a directory's name spells. */
export function logfileIdOfNode(name: string): LogfileId | undefined {
  return nameWithin(name, logfileIdBounds) as LogfileId | undefined;
}

/** Decimal digits within bounds; throws ContractError. */
export function parseWholeNumber(text: string, what: string, bounds: Bounds): number {
  // Leading zeros are a second spelling, and octal in other languages.
  if (/^0[0-9]+$/.test(text)) {
    const sentence = `${what} is ${quote(text)}; ${mustBe(bounds)}, without leading zeros`;
    throw new ContractError("syntax", sentence);
  }
  const value = /^[0-9]+$/.test(text) ? Number(text) : undefined;
  if (value !== undefined && value >= bounds.min && value <= bounds.max) return value;
  throw new ContractError(
    value === undefined ? "syntax" : "range",
    `${what} is ${quote(text)}; ${mustBe(bounds)}`,
  );
}

/** The second half of a sentence about a number out of bounds. */
export function mustBe(bounds: Bounds): string {
  return `it must be a whole number${bounds.unit ?? ""} from ${bounds.min} to ${bounds.max}`;
}

// `/libxl/05` is another directory than `/libxl/5`: only one spelling may name a number.
function nameWithin(name: string, bounds: Bounds): number | undefined {
  if (!/^(0|[1-9][0-9]*)$/.test(name)) return undefined;
  const value = Number(name);
  return value >= bounds.min && value <= bounds.max ? value : undefined;
}
