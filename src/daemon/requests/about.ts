// SPDX-License-Identifier: Apache-2.0
// Which log a request is about, in the words of an event. The texts are a toolstack's, or even a
// guest's.

import * as v from "valibot";
import {
  domainNamePath,
  errorValue,
  hostName,
  keyText,
  type LogfileKey,
  type LogNodes,
  logNameOf,
} from "../../contract/index.ts";
import type { EventStream } from "../../observe/index.ts";
import type { XenstoreOperations } from "../../xenstore/index.ts";

/** The domain's name; its domid if it has none. */
export async function readOwnerName(
  operations: XenstoreOperations,
  owner: LogfileKey["owner"],
): Promise<string> {
  if (owner.kind === "host") return hostName;
  const name = await operations.readIfExists(domainNamePath(owner.domid));
  return name ?? String(owner.domid);
}

/** Of a request that is served by no stream. */
export async function readAbout(
  operations: XenstoreOperations,
  key: LogfileKey,
  { log, file }: LogNodes,
): Promise<EventStream> {
  const name = await readOwnerName(operations, key.owner);
  const logName = log ?? (file === undefined ? undefined : logNameOf(file, name));
  return {
    key: keyText(key),
    name: errorValue(name),
    log: logName === undefined ? null : errorValue(logName),
    file: file === undefined ? null : errorValue(file),
  };
}

const text = v.nullable(v.string());
const aboutSchema: v.GenericSchema<unknown, EventStream> = v.object({
  key: v.string(),
  name: text,
  log: text,
  file: text,
});

/** From JSON text; `undefined` if it is damaged. */
export function parseAbout(json: string): EventStream | undefined {
  try {
    return v.parse(aboutSchema, JSON.parse(json));
  } catch {
    return undefined;
  }
}
