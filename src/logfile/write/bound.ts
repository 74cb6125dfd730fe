// SPDX-License-Identifier: Apache-2.0
// The bound of a log, and its files brought under it.

import type { LogDirectory } from "../files/index.ts";
import type { Durability } from "./durability.ts";
import { bringUnderBound } from "./trim.ts";

/** A bound on the log: limit × (copies + 1) bytes. */
export interface LogBound {
  readonly limitBytes: number;
  readonly copies: number;
}

/** All files together. */
export function boundBytes({ limitBytes, copies }: LogBound): number {
  return limitBytes * (copies + 1);
}

/** Brings the files that are there under the bound, and down to so many bytes in all. */
export function trim(
  {
    directory,
    durability,
  }: { readonly directory: LogDirectory; readonly durability: Pick<Durability, "complete"> },
  bound: LogBound,
  allowedBytes: number,
): void {
  bringUnderBound({
    directory,
    ...bound,
    allowedBytes,
    onShortened: (fd) => durability.complete(fd),
  });
}
