// SPDX-License-Identifier: Apache-2.0
// One log file's request: raw texts in, a request or one sentence out. Pure: the daemon checks
// whether the paths are below their roots, and which files exist.

import { ContractError, quote } from "./errors.ts";
import { parsePath } from "./filepaths.ts";
import { defaultOverflow, type Overflow, parseLogName, parseOverflow } from "./names.ts";
import {
  type ByteLimit,
  type Copies,
  limitBytesMax,
  parseCopies,
  parseLimit,
  parseWholeNumber,
} from "./numbers.ts";
import type { NodeName } from "./tree.ts";

export interface LogRequest {
  readonly pipe: string;
  readonly file: string;
  readonly limitBytes: ByteLimit;
  readonly copies: Copies;
  readonly overflow: Overflow;
  readonly rateBytesPerSecond: number | undefined;
  readonly burstBytes: number | undefined;
  /** The log's name for people, if the toolstack gave one. */
  readonly log?: string | undefined;
}

/** The nodes' texts as they were read, without missing nodes. */
export type LogNodes = { readonly [name in NodeName]?: string } & {
  /** Nodes whose values are not valid UTF-8: their texts have U+FFFD in place of what is wrong. */
  readonly notUtf8?: readonly NodeName[];
};

export type ParsedRequest =
  | { readonly kind: "incomplete"; readonly missing: readonly string[] }
  | {
      readonly kind: "refused";
      readonly reason: string;
      /** The FIFO, if its path is valid: it is drained, so that its writer does not block. */
      readonly pipe: string | undefined;
    }
  | { readonly kind: "request"; readonly request: LogRequest };

const required = ["pipe", "file", "limit", "copies"] as const;

/**
 * A request that lacks a parameter is incomplete, even if other values are wrong: a toolstack that
 * writes node by node may not have finished. An empty node is not missing but wrong.
 */
export function parseRequest(nodes: LogNodes): ParsedRequest {
  const missing = required.filter((name) => nodes[name] === undefined);
  if (missing.length > 0) return { kind: "incomplete", missing };
  let pipe: string | undefined;
  try {
    pipe = parsePipe(textOf(nodes, "pipe"));
    return { kind: "request", request: parseComplete(nodes, pipe) };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { kind: "refused", reason: error.message, pipe };
  }
}

function parseComplete(nodes: LogNodes, pipe: string): LogRequest {
  const request: LogRequest = {
    pipe,
    file: parseFile(textOf(nodes, "file")),
    limitBytes: parseLimit(nodes.limit ?? "", "limit"),
    copies: parseCopies(nodes.copies ?? "", "copies"),
    overflow:
      nodes.overflow === undefined ? defaultOverflow : parseOverflow(nodes.overflow, "overflow"),
    rateBytesPerSecond: parseOptionalBytes(nodes.rate, "rate"),
    burstBytes: parseOptionalBytes(nodes.burst, "burst"),
    log: nodes.log === undefined ? undefined : parseLogName(textOf(nodes, "log"), "log"),
  };
  checkBound(request.limitBytes, request.copies);
  return request;
}

/** Throws ContractError if the bytes that a log may have on disk cannot be counted exactly. */
export function checkBound(limitBytes: ByteLimit, copies: Copies): void {
  // BigInt: the product may be too large for a number.
  if (BigInt(limitBytes) * BigInt(copies + 1) <= BigInt(limitBytesMax)) return;
  throw new ContractError(
    "range",
    `limit ${limitBytes} and copies ${copies} allow more than ${limitBytesMax} bytes on disk; make one of them smaller`,
  );
}

/** A FIFO's path, whose name holds 16 random hexadecimal digits; throws ContractError. */
function parsePipe(text: string): string {
  const pipe = parsePath(text, "pipe");
  if (/[0-9a-f]{16}/i.test(pipe.slice(pipe.lastIndexOf("/") + 1))) return pipe;
  const rule = "its name must hold 16 random hexadecimal digits";
  throw new ContractError("syntax", `pipe is ${quote(text)}; ${rule}`);
}

/** Whether a request may name this FIFO. */
export function isPipe(text: string): boolean {
  try {
    parsePipe(text);
    return true;
  } catch (error) {
    if (error instanceof ContractError) return false;
    throw error;
  }
}

function textOf(nodes: LogNodes, name: NodeName): string {
  const text = nodes[name] ?? "";
  if (nodes.notUtf8?.includes(name) !== true) return text;
  throw new ContractError("syntax", `${name} is ${quote(text)}; it must be valid UTF-8`);
}

function parseFile(text: string): string {
  const file = parsePath(text, "file");
  const name = file.slice(file.lastIndexOf("/") + 1);
  // The name must not be the one of another log's side file or rotated file.
  if (name.startsWith(".")) throw badFile(text, "its name must not begin with a dot");
  if (/\.[0-9]+$/.test(name)) {
    throw badFile(text, "its name must not end in a number, as rotated files do");
  }
  return file;
}

function badFile(text: string, reason: string): ContractError {
  return new ContractError("syntax", `file is ${quote(text)}; ${reason}`);
}

function parseOptionalBytes(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  return parseWholeNumber(text, what, { min: 1, max: limitBytesMax, unit: " of bytes" });
}
