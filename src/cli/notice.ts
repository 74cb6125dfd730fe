// SPDX-License-Identifier: Apache-2.0
// What a program that was started says on its --notify-fd: one line of JSON, then end of file.

import * as v from "valibot";
import { ContractError, quote } from "../contract/index.ts";

export type Notice =
  | { readonly kind: "ready" }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      readonly exitCode: number;
    };

const noticeSchema = v.union([
  v.object({ ready: v.literal(true) }),
  v.object({
    error: v.object({ code: v.string(), message: v.string() }),
    exitCode: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(255)),
  }),
]);

export function formatNotice(notice: Notice): string {
  switch (notice.kind) {
    case "ready":
      return `${JSON.stringify({ ready: true })}\n`;
    case "failed": {
      const { code, message, exitCode } = notice;
      return `${JSON.stringify({ error: { code, message }, exitCode })}\n`;
    }
  }
}

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
