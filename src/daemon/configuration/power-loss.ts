// SPDX-License-Identifier: Apache-2.0
// [power-loss]: when log files are synced, that is how much of them a power failure may cost.

import * as v from "valibot";
import { parseDurationMs } from "../../contract/index.ts";
import type { FsyncPolicy } from "../../logfile/index.ts";
import { durationSchema, type Section, tableSchema } from "./section.ts";

/** More often, and the disk would do nothing but sync; more rarely is the same as `none`. */
const intervalMs = { min: 100, max: 3_600_000 } as const;

const table = tableSchema({
  fsync: v.optional(
    v.picklist(["none", "rotate", "interval"], 'it must be "none", "rotate" or "interval"'),
  ),
  interval: v.optional(durationSchema(intervalMs, 'it must be a duration from "100ms" to "1h"')),
});

export const powerLoss: Section<FsyncPolicy> = {
  name: "power-loss",
  schema: v.pipe(
    table,
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { value: input } = dataset;
      const { fsync = "none", interval: value } = input;
      if (fsync === "interval" || value === undefined) return;
      addIssue({
        message: `it is for fsync = "interval" only, and fsync is "${fsync}": remove it or change fsync`,
        path: [{ type: "object", origin: "value", input, key: "interval", value }],
      });
    }),
    v.transform(({ fsync = "none", interval = "1s" }): FsyncPolicy => {
      if (fsync !== "interval") return { kind: fsync };
      return { kind: fsync, intervalMs: parseDurationMs(interval, "interval") };
    }),
  ),
};
