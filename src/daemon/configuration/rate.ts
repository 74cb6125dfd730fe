// SPDX-License-Identifier: Apache-2.0
// [rate]: what a domain's log may use of its disk, unless its request says otherwise.

import * as v from "valibot";
import { parseByteCount } from "../../contract/index.ts";
import type { PumpPolicies } from "../../pump/index.ts";
import { type Section, sizeSchema, tableSchema } from "./section.ts";

/** `byMode`: none where the daemon is embedded, the default on a Xen host. */
export type RateSetting = PumpPolicies["rate"] | "byMode";

/** So that the log of one guest cannot wear out or fill up the disk of all. */
const hostDefault: PumpPolicies["rate"] = { bytesPerSecond: 4 << 20, burstBytes: 64 << 20 };

const rule = 'it must be a size such as "4MiB", or "none"';

export const rate: Section<RateSetting> = {
  name: "rate",
  schema: v.pipe(
    tableSchema({
      rate: v.optional(v.union([v.literal("none"), sizeSchema(rule)], rule)),
      burst: v.optional(sizeSchema('it must be a size such as "64MiB"')),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { value: input } = dataset;
      const { rate: bytes, burst: value } = input;
      if (value === undefined || (bytes !== undefined && bytes !== "none")) return;
      addIssue({
        message: "it is for a rate only, and there is none here: remove it or add rate",
        path: [{ type: "object", origin: "value", input, key: "burst", value }],
      });
    }),
    v.transform(({ rate: text, burst }): RateSetting => {
      if (text === undefined) return "byMode";
      if (text === "none") return null;
      const bytesPerSecond = parseByteCount(text, "rate");
      const own = Math.max(bytesPerSecond, 65_536);
      const burstBytes = burst === undefined ? own : parseByteCount(burst, "burst");
      return { bytesPerSecond, burstBytes };
    }),
  ),
};

export function rateFor(mode: "embedded" | "host", setting: RateSetting): PumpPolicies["rate"] {
  if (setting !== "byMode") return setting;
  return mode === "host" ? hostDefault : null;
}
