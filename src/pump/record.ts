// SPDX-License-Identifier: Apache-2.0
// What is known of a stream: the main process keeps it on tmpfs and sends it to the pump. Enough to
// log on without xenstore.

import * as v from "valibot";
import { limitBytesMin } from "../contract/index.ts";
import type { LogBound } from "../logfile/index.ts";

/** Where a log's bytes go, and its bound. */
export interface LogTarget extends LogBound {
  /** 16 hexadecimal digits, random, new with each request; positions are counted within it. */
  readonly epoch: string;
  /** Directory that the log does not leave, absolute. */
  readonly logRoot: string;
  /** The log's path below it. */
  readonly relativeFile: string;
}

export function isSameFile(one: LogTarget, other: LogTarget): boolean {
  return one.logRoot === other.logRoot && one.relativeFile === other.relativeFile;
}

export type LogRate = Pick<StreamRecord, "rateBytesPerSecond" | "burstBytes">;

export interface StreamRecord extends LogTarget {
  readonly version: 1;
  /** `5/1`, or `host/1`: the owner and the id below its `logging` node. */
  readonly key: string;
  /** The domain's name when the stream began, `host` for the host. */
  readonly name: string;
  readonly log: string;
  /** The paths as the toolstack wrote them. */
  readonly pipe: string;
  readonly file: string;
  /** Directory that the FIFO does not leave, and the FIFO's path below it. */
  readonly runRoot: string;
  readonly relativePipe: string;
  readonly overflow: "auto" | "block" | "drop";
  /** What the log may use of its disk; null where the request does not say. */
  readonly rateBytesPerSecond: number | null;
  readonly burstBytes: number | null;
  /** Id of the xenstore content in which the nodes were seen last. */
  readonly store: string;
  readonly nodes: "present" | "gone";
  /** Streams are taken up again in the order in which they began. */
  readonly sequence: number;
}

const nonEmpty = v.pipe(v.string(), v.minLength(1));
export const count: v.GenericSchema<unknown, number> = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(0),
);

export const boundEntries: {
  readonly limitBytes: v.GenericSchema<unknown, number>;
  readonly copies: v.GenericSchema<unknown, number>;
} = {
  // Below the contract's minimum a file would have no room for a single byte.
  limitBytes: v.pipe(v.number(), v.safeInteger(), v.minValue(limitBytesMin)),
  copies: count,
};

// Optional: earlier versions had none.
export const rateEntries: {
  readonly [Name in keyof LogRate]: v.OptionalSchema<v.GenericSchema<unknown, number | null>, null>;
} = {
  rateBytesPerSecond: v.optional(v.nullable(count), null),
  burstBytes: v.optional(v.nullable(count), null),
};

const targetEntries = {
  epoch: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  logRoot: nonEmpty,
  relativeFile: nonEmpty,
  ...boundEntries,
};

export const logTargetSchema: v.GenericSchema<unknown, LogTarget> = v.object(targetEntries);

export const streamRecordSchema: v.GenericSchema<unknown, StreamRecord> = v.object({
  version: v.literal(1),
  ...targetEntries,
  key: nonEmpty,
  name: v.string(),
  log: v.string(),
  pipe: nonEmpty,
  file: nonEmpty,
  runRoot: nonEmpty,
  relativePipe: nonEmpty,
  overflow: v.picklist(["auto", "block", "drop"]),
  ...rateEntries,
  store: v.string(),
  nodes: v.picklist(["present", "gone"]),
  sequence: count,
});

/** Parses a record from JSON text. Throws if it is damaged or of a later version. */
export function parseStreamRecord(text: string): StreamRecord {
  return v.parse(streamRecordSchema, JSON.parse(text));
}
