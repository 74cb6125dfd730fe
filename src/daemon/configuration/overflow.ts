// SPDX-License-Identifier: Apache-2.0
// [overflow]: what becomes of bytes while a disk takes none.

import * as v from "valibot";
import { parseDurationMs } from "../../contract/index.ts";
import type { OverflowPolicy } from "../../pump/index.ts";
import { durationSchema, type Section, tableSchema } from "./section.ts";

/** Less would drop bytes for one slow write; a guest waits for as long as this. */
const graceMs = { min: 100, max: 3_600_000 } as const;

export const overflow: Section<OverflowPolicy> = {
  name: "overflow",
  schema: v.pipe(
    tableSchema({
      grace: v.optional(durationSchema(graceMs, 'it must be a duration from "100ms" to "1h"')),
    }),
    v.transform(({ grace = "5s" }) => ({ graceMs: parseDurationMs(grace, "grace") })),
  ),
};
