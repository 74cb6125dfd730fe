// SPDX-License-Identifier: Apache-2.0
// The options of createLogfile, checked by the daemon's own parser before anything is made, so that
// both sides refuse with the same message.

import { join } from "node:path";
import {
  ContractError,
  type LogNodes,
  type LogOwner,
  type Overflow,
  parseDomid,
  parseRequest,
} from "../contract/index.ts";
import { type OptionNames, unknownOption } from "../program/portable/index.ts";
import type { XenstoreClient } from "../xenstore/index.ts";
import { ToolstackError } from "./errors.ts";
import type { FifoAccess, LogFifo } from "./fifo.ts";

export interface LogfileParameters {
  readonly xenstore: XenstoreClient;
  /** Whose log: a domain's … */
  readonly domid?: number | undefined;
  /** … or the host's. Exactly one of the two. */
  readonly global?: true | undefined;
  /** The owner's name, for the FIFO's name only. */
  readonly name?: string | undefined;
  /** The log's name for people, such as `console`; the daemon's default comes from `file`. */
  readonly log?: string | undefined;
  /** Absolute path below XEN_LOG_DIR. */
  readonly file: string;
  /** The live file's largest size, 4096 to 2^53 - 1. */
  readonly limitBytes: number;
  /** Rotated files kept beside the live one, 0 to 1000. */
  readonly copies: number;
  readonly overflow?: Overflow | undefined;
  readonly rateBytesPerSecond?: number | undefined;
  readonly burstBytes?: number | undefined;
  /** False returns as soon as the request is written: the daemon catches up. Default true. */
  readonly wait?: boolean | undefined;
  /** For the daemon's answer, default 10 000. Each xenstore request has a time-out of its own. */
  readonly timeoutMs?: number | undefined;
  /** Access mode of the descriptors of `open()`, default `rdwr`. */
  readonly access?: FifoAccess | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type CreateLogfileOptions = LogfileParameters &
  (
    | {
        /** Absolute, below XEN_RUN_DIR; made with mode 0700 if it is missing. */
        readonly fifoDirectory: string;
        readonly fifo?: undefined;
      }
    | {
        /**
         * From `createFifo`, when the writer started before xenstored; not removed at a failure.
         */
        readonly fifo: LogFifo;
        readonly fifoDirectory?: undefined;
      }
  );

export const timeoutMsDefault = 10_000;
// setTimeout's largest delay; a longer one would fire at once.
const timeoutMsMax = 2_147_483_647;

// As long as a FIFO's name can get, so that a path that is too long is found before it is made.
const longestFifoName = "0".repeat(96);

const optionNames: OptionNames<CreateLogfileOptions> = {
  xenstore: true,
  domid: true,
  global: true,
  name: true,
  log: true,
  file: true,
  limitBytes: true,
  copies: true,
  overflow: true,
  rateBytesPerSecond: true,
  burstBytes: true,
  wait: true,
  timeoutMs: true,
  access: true,
  signal: true,
  fifoDirectory: true,
  fifo: true,
};

/** Checks everything that can be checked; throws ToolstackError `option`. */
export function checkOptions(options: CreateLogfileOptions): LogOwner {
  const unknown = unknownOption(options, optionNames);
  if (unknown !== undefined) throw new ToolstackError("option", unknown);
  const { timeoutMs = timeoutMsDefault } = options;
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > timeoutMsMax) {
    throw new ToolstackError(
      "option",
      `timeoutMs is ${timeoutMs}; it must be a whole number from 1 to ${timeoutMsMax}`,
    );
  }
  const pipe = options.fifo?.path ?? join(options.fifoDirectory ?? "", longestFifoName);
  const parsed = parseRequest(requestNodes(options, pipe));
  if (parsed.kind === "refused") throw new ToolstackError("option", parsed.reason);
  return ownerOf(options);
}

/** The texts that go into xenstore. */
export function requestNodes(options: LogfileParameters, pipe: string): LogNodes {
  const texts = {
    pipe,
    file: options.file,
    limit: String(options.limitBytes),
    copies: String(options.copies),
    log: options.log,
    overflow: options.overflow,
    rate: options.rateBytesPerSecond?.toString(),
    burst: options.burstBytes?.toString(),
  };
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined));
}

function ownerOf(options: LogfileParameters): LogOwner {
  const { domid, global } = options;
  if ((domid === undefined) === (global === undefined)) {
    throw new ToolstackError("option", "a log belongs to a domid or is global; give one of them");
  }
  if (domid === undefined) return { kind: "host" };
  try {
    return { kind: "domain", domid: parseDomid(String(domid), "domid") };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new ToolstackError("option", error.message, { cause: error });
  }
}
