// SPDX-License-Identifier: Apache-2.0
// What a stream is opened with: its record, what all streams of a pump share, and to whom it reports.

import type { Durability, FilePlace, Interference, OpenDirectories } from "../logfile/index.ts";
import type { PumpPolicies, StreamReport } from "./messages.ts";
import type { StreamRecord } from "./record.ts";
import type { Leftover } from "./recovery.ts";
import type { RetryRound } from "./retry-round.ts";
import type { StagePool } from "./stage-pool.ts";

export interface PumpedStreamOptions {
  readonly record: StreamRecord;
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly directories: OpenDirectories;
  /** `/dev/null`, open for writing. */
  readonly nullFd: number;
  /** Bytes that a predecessor left in a stage and that the file system still refuses. */
  readonly leftover: Leftover | undefined;
  readonly retries: RetryRound;
  /** As they are configured now. */
  readonly policies: () => PumpPolicies;
  readonly onStalled: (reason: string) => void;
  readonly onDropping: (reason: string) => void;
  readonly onResumed: () => void;
  readonly onInterference: (interference: Interference) => void;
  readonly onLive: (live: FilePlace) => void;
  readonly onClosed: (report: StreamReport) => void;
}
