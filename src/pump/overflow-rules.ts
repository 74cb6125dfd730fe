// SPDX-License-Identifier: Apache-2.0
// What `overflow` means for a stream: how long it waits for its log, and what it does above its rate.

import type { DropSpan } from "./position-record.ts";
import type { StreamRecord } from "./record.ts";

export interface OverflowRules {
  /** How long a stream may be stalled before its bytes are dropped; `undefined`: for ever. */
  readonly graceMs: number | undefined;
  readonly aboveRate: "wait" | "drop";
}

/** Bytes that follow dropped ones do not wait again, until the log has the line about those. */
export function overflowRules(
  overflow: StreamRecord["overflow"],
  autoMs: number,
  openDrop: DropSpan | undefined,
): OverflowRules {
  switch (overflow) {
    case "block":
      return { graceMs: undefined, aboveRate: "wait" };
    case "drop":
      return { graceMs: 0, aboveRate: "drop" };
    case "auto":
      return { graceMs: openDrop === undefined ? autoMs : 0, aboveRate: "wait" };
  }
}
