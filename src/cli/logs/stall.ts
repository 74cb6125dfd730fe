// SPDX-License-Identifier: Apache-2.0
// A log that cannot be written, as a sentence for people.

import type { StreamStatus } from "../../control/index.ts";
import { titleOf } from "./domain-argument.ts";

/** `undefined` for a log that can be written. */
export function formatStall(
  stream: Pick<StreamStatus, "name" | "log" | "stalled" | "dropping">,
): string | undefined {
  if (stream.stalled === null) return undefined;
  const { reason, fileSystem, since } = stream.stalled;
  const { dropping } = stream;
  const dropped = dropping === null ? "" : `; what comes is dropped since ${dropping.since}`;
  return `${titleOf(stream)} is stalled since ${since}, on the file system ${fileSystem}: ${reason}${dropped}`;
}
