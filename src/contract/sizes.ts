// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as people write them: `4096`, `64KiB`, `1MiB`, `2GiB`; `250ms`, `10m`, `2h`.
// `K` and `MB` are ambiguous (1000 or 1024), so they are refused with a hint.

import { ContractError, quote } from "./errors.ts";
import {
  type Bounds,
  type ByteLimit,
  limitBounds,
  limitBytesMax,
  mustBe,
  parseWholeNumber,
} from "./numbers.ts";

const bytesOfUnit: ReadonlyMap<string, number> = new Map([
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
]);

const millisecondsOfUnit: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Ten years, so that a date computed from it stays a date. Longer than a Node timer can wait. */
export const durationMsMax: number = 3650 * 86_400_000;

const byteCountBounds: Bounds = { min: 1, max: limitBytesMax, unit: " of bytes" };

/** A log file's limit; throws ContractError. */
export function parseSize(text: string, what: string): ByteLimit {
  return parseBytes(text, what, limitBounds) as ByteLimit;
}

/** Any other count of bytes from 1, such as a rate or a budget; throws ContractError. */
export function parseByteCount(text: string, what: string): number {
  return parseBytes(text, what, byteCountBounds);
}

/** A duration in milliseconds, at most ten years; throws ContractError. */
export function parseDurationMs(text: string, what: string): number {
  const parts = /^([0-9]+)(ms|s|m|h|d)$/.exec(text);
  if (parts === null) {
    throw new ContractError(
      "syntax",
      `${what} is ${quote(text)}, which is not a duration; write it as 250ms, 10s, 10m or 2h`,
    );
  }
  const milliseconds = Number(parts[1]) * (millisecondsOfUnit.get(parts[2] ?? "") ?? 1);
  if (milliseconds <= durationMsMax) return milliseconds;
  throw new ContractError("range", `${what} is ${quote(text)}; it must be at most 3650d`);
}

function parseBytes(text: string, what: string, bounds: Bounds): number {
  // Signs and fractions look like numbers: the message names the bounds.
  if (/^[+-]?[0-9]*\.?[0-9]+$/.test(text)) return parseWholeNumber(text, what, bounds);
  const parts = /^([+-]?[0-9]*\.?[0-9]+) *([A-Za-z]+)$/.exec(text);
  if (parts === null) throw notASize(text, what);
  const [, digits = "", unit = ""] = parts;
  if (!/^[0-9]+$/.test(digits)) {
    throw new ContractError("syntax", `${what} is ${quote(text)}; ${mustBe(bounds)}`);
  }
  const unitBytes = bytesOfUnit.get(unit);
  if (unitBytes === undefined || text.includes(" ")) throw wrongUnit(text, what, digits, unit);
  const bytes = Number(digits) * unitBytes;
  if (bytes >= bounds.min && bytes <= bounds.max) return bytes;
  throw new ContractError("range", `${what} is ${quote(text)}; ${mustBe(bounds)}`);
}

function wrongUnit(text: string, what: string, digits: string, unit: string): ContractError {
  const letter = /^[kmg](i?b)?$/i.test(unit) ? unit.charAt(0).toUpperCase() : undefined;
  const bytes = Number(digits) * (bytesOfUnit.get(`${letter}iB`) ?? Number.NaN);
  if (letter !== undefined && bytes <= limitBytesMax) {
    return notASize(text, what, `write it as ${bytes} or ${Number(digits)}${letter}iB`);
  }
  return notASize(text, what, "the units are KiB, MiB and GiB");
}

function notASize(
  text: string,
  what: string,
  hint = "write it as 65536 or 64KiB for example",
): ContractError {
  return new ContractError("syntax", `${what} is ${quote(text)}, which is not a size; ${hint}`);
}
