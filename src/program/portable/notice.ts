// SPDX-License-Identifier: Apache-2.0
// What a program reports on its --notify-fd when it is ready or cannot be: one line of JSON, then end
// of file. Both ends: the program writes it, the parent reads and checks it.

import { closeSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import * as v from "valibot";
import { safeJson } from "./safe-text.ts";

export type Notice =
  | { readonly kind: "ready" }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      readonly exitCode: number;
    };

/** A notice is one line; this is far more. */
const noticeBytesMax = 64 * 1024;

/** Writes the notice and closes the descriptor; does nothing without a descriptor. */
export function giveNotice(descriptor: number | undefined, notice: Notice): void {
  if (descriptor === undefined) return;
  try {
    writeSync(descriptor, formatNotice(notice));
    closeSync(descriptor);
  } catch {
    // The parent is gone; the program is needed nevertheless.
  }
}

export function formatNotice(notice: Notice): string {
  switch (notice.kind) {
    case "ready":
      return `${safeJson({ ready: true })}\n`;
    case "failed": {
      const { code, message, exitCode } = notice;
      return `${safeJson({ error: { code, message }, exitCode })}\n`;
    }
  }
}

/** Reads the notice of a program that was started; `undefined` if the program ended without one. */
export async function readNotice(stream: Readable): Promise<Notice | undefined> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8") as AsyncIterable<string>) {
    text += chunk;
    // Do not wait for the end of file: a child of the program may have inherited the descriptor.
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

/** `undefined` if the text is not a whole notice: the program ended before it had written one. */
export function parseNotice(text: string): Notice | undefined {
  const parsed = v.safeParse(noticeSchema, jsonOf(text));
  if (!parsed.success) return undefined;
  if ("ready" in parsed.output) return { kind: "ready" };
  return { kind: "failed", ...parsed.output.error, exitCode: parsed.output.exitCode };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
