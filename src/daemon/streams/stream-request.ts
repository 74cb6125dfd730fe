// SPDX-License-Identifier: Apache-2.0
// A request from xenstore made into a stream's record, or refused with a sentence. Whether the paths
// lead where they should is looked at again by the pump, with descriptors.

import { randomBytes } from "node:crypto";
import {
  keyText,
  type LogfileKey,
  type LogRequest,
  quote,
  relativeBelow,
} from "../../contract/index.ts";
import type { EventStream } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import type { StreamRecord } from "../../pump/index.ts";

/** What xenstore asks for, and in which store. */
export interface OpenRequest {
  readonly key: LogfileKey;
  readonly name: string;
  readonly log: string;
  readonly request: LogRequest;
  readonly store: string;
}

export type ParsedOpenRequest =
  | { readonly kind: "record"; readonly record: StreamRecord }
  | { readonly kind: "refused"; readonly reason: string };

/** Which log it asks for, in the words of an event. */
export function aboutRequest({ key, name, log, request: { file } }: OpenRequest): EventStream {
  return { key: keyText(key), name, log, file };
}

/** Bytes of randomness in an epoch. */
const epochBytes = 8;

/** The record of a new stream, with an epoch of its own. */
export function recordOf(
  { key, name, log, request, store }: OpenRequest,
  places: Places,
  sequence: number,
): ParsedOpenRequest {
  const { logDirectory, runDirectory } = places;
  const relativeFile = relativeBelow(request.file, logDirectory);
  if (relativeFile === undefined) {
    return {
      kind: "refused",
      reason: `file is ${quote(request.file)}; it must be below ${logDirectory}`,
    };
  }
  const relativePipe = relativeBelow(request.pipe, runDirectory);
  if (relativePipe === undefined) {
    return {
      kind: "refused",
      reason: `pipe is ${quote(request.pipe)}; it must be below ${runDirectory}`,
    };
  }
  const record: StreamRecord = {
    version: 1,
    epoch: randomBytes(epochBytes).toString("hex"),
    key: keyText(key),
    name,
    log,
    pipe: request.pipe,
    file: request.file,
    runRoot: runDirectory,
    relativePipe,
    logRoot: logDirectory,
    relativeFile,
    limitBytes: request.limitBytes,
    copies: request.copies,
    overflow: request.overflow,
    rateBytesPerSecond: request.rateBytesPerSecond ?? null,
    burstBytes: request.burstBytes ?? null,
    store,
    nodes: "present",
    sequence,
  };
  return { kind: "record", record };
}

/** Why a request cannot have the FIFO of the stream before it. */
export function conflictOf(
  before: { readonly record: StreamRecord; readonly fileSystem: string },
  record: StreamRecord,
  fileSystem: string,
): string | undefined {
  if (before.record.key !== record.key) {
    return `pipe ${record.pipe} is the FIFO of ${before.record.key} already`;
  }
  if (before.fileSystem !== fileSystem) {
    return `file is ${quote(record.file)}, on another file system than before; remove the request and make a new one`;
  }
  return undefined;
}
