// SPDX-License-Identifier: Apache-2.0
// What a row of the table is: a request as a toolstack may write it by mistake, and the one answer
// that the contract has for it. The rows are in rows/, by kind; play.ts plays them.

import assert from "node:assert/strict";
import type { Site } from "./site.ts";

/** A node's value; `undefined` leaves the node out, or removes it in a later step. */
type Value = string | Uint8Array | undefined;
export type Nodes = Readonly<Record<string, Value>>;

export type Answer =
  /**
   * `failed` with that sentence, and nothing else is changed. `drained`: the daemon reads the FIFO,
   * so that a writer that did not wait for the answer does not hang.
   */
  | { readonly kind: "refused"; readonly error: string | undefined; readonly drained: boolean }
  /** A parameter is missing: no answer, no event. */
  | { readonly kind: "waits" }
  /** Another domain may write it: no answer, one event with the node and the reason; `stays`: as it was written. */
  | {
      readonly kind: "untrusted";
      readonly node: string;
      readonly reason: string;
      readonly stays: string;
    }
  /** Not a place where requests are: no answer, no event. */
  | { readonly kind: "noRequest" }
  /** `ready`; what is written into the FIFO is in the log, in full. */
  | { readonly kind: "accepted" }
  /** `ready` goes on in the same epoch; `error` beside it, or none. */
  | { readonly kind: "goesOn"; readonly error: string | undefined };

export interface Step {
  readonly nodes: (site: Site) => Nodes;
  readonly answer: (site: Site) => Answer;
}

export interface Row {
  /** Reads as a sentence together with its kind. */
  readonly it: string;
  /** What differs from a good request. */
  readonly nodes?: (site: Site) => Nodes;
  /** As xenstore has them, such as "n0,b5"; "" is the request's own directory. */
  readonly permissions?: Readonly<Record<string, string>>;
  /** Where the request is written; `/libxl/<domid>/logging/1` by default. */
  readonly at?: (site: Site) => string;
  /** Makes what is there before the request. `absent`: no FIFO is made at `site.pipe`. */
  readonly fifo?: "made" | "absent";
  readonly prepare?: (site: Site) => void | Promise<void>;
  readonly answer: (site: Site) => Answer;
  /** Steps after the first answer. */
  readonly steps?: readonly Step[];
  /** Must hold at the end, besides what holds for every row. */
  readonly check?: (site: Site) => void | Promise<void>;
  /** Files that an accepted request may change, below the site's log directory. */
  readonly changes?: readonly string[];
  readonly needs?: "root";
  /** What happens on the commit that this table was written on. Goes with the fault. */
  readonly wrongToday?: string;
}

export interface Kind {
  readonly kind: string;
  readonly rows: readonly Row[];
}

export function refused(error: string | undefined, drained = true): Answer {
  return { kind: "refused", error, drained };
}

export const accepted: Answer = { kind: "accepted" };
export const waits: Answer = { kind: "waits" };
export const noRequest: Answer = { kind: "noRequest" };

/** As the daemon quotes a value: printable ASCII, and no more than 80 characters of it. */
export function quoted(text: string): string {
  const characters = [...text];
  const shown = characters.length > 80 ? `${characters.slice(0, 80).join("")}` : text;
  const escaped = shown
    .replace(/["\\]/g, "\\$&")
    .replace(/[^ -~]/gu, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
  return `"${escaped}${characters.length > 80 ? "..." : ""}"`;
}

/** How a value is called in a row's name. */
export function titleOf(value: string | Uint8Array): string {
  const text = typeof value === "string" ? value : Buffer.from(value).toString("latin1");
  return text.length > 40 ? `${quoted(text.slice(0, 40))} and more` : quoted(text);
}

/**
 * Plays a row. One that is marked as wrong has to fail: a fault that is mended must lose its mark, so
 * that it stays mended.
 */
export async function expectMark(row: Row, body: () => Promise<void>): Promise<void> {
  if (row.wrongToday === undefined) return await body();
  await assert.rejects(body, `the answer is right now: remove the mark "${row.wrongToday}"`);
}
