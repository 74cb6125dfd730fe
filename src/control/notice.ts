// SPDX-License-Identifier: Apache-2.0
// Hears what a program that was started says on its --notify-fd, and checks it.

import type { Readable } from "node:stream";
import * as v from "valibot";
import { ContractError, quote } from "../contract/index.ts";
import type { Notice } from "../kernel/index.ts";

/** A notice is one line; this is far more. */
const noticeBytesMax = 64 * 1024;

/** Reads the notice of a program that was started; `undefined` if it ended without one. */
export async function readNotice(stream: Readable): Promise<Notice | undefined> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8") as AsyncIterable<string>) {
    text += chunk;
    // Not the end of file: a child of the program might have inherited the descriptor.
    if (text.includes("\n") || text.length > noticeBytesMax) break;
  }
  return parseNotice(text);
}

const noticeSchema = v.union([
  v.object({ ready: v.literal(true) }),
  v.object({
    error: v.object({ code: v.string(), message: v.string() }),
    exitCode: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(255)),
  }),
]);

/** `undefined` if the text is not a whole notice: the program ended before it could say. */
export function parseNotice(text: string): Notice | undefined {
  const parsed = v.safeParse(noticeSchema, jsonOf(text));
  if (!parsed.success) return undefined;
  if ("ready" in parsed.output) return { kind: "ready" };
  return { kind: "failed", ...parsed.output.error, exitCode: parsed.output.exitCode };
}

/** A descriptor's number from 3; throws ContractError. */
export function parseDescriptor(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,4}$/.test(text) && Number(text) > 2) return Number(text);
  throw new ContractError("syntax", `${what} is ${quote(text)}; it must be a descriptor above 2`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
