// SPDX-License-Identifier: Apache-2.0
// DOMAIN and LOG|ID on the command line, and the streams they mean.

import { type Domid, hostName, parseDomid } from "../../contract/index.ts";
import type { StreamStatus } from "../../control/index.ts";

/** DOMAIN: digits are a domid, `host` is the host, everything else a name. */
export type DomainArgument =
  | { readonly kind: "host" }
  | { readonly kind: "domid"; readonly domid: Domid }
  | { readonly kind: "name"; readonly name: string };

export function parseDomainArgument(text: string): DomainArgument {
  if (text === hostName) return { kind: "host" };
  if (/^[0-9]+$/.test(text)) return { kind: "domid", domid: parseDomid(text, "DOMAIN") };
  return { kind: "name", name: text };
}

/** Whether the stream is one of that domain. */
export function isOfDomain(stream: StreamStatus, domain: DomainArgument): boolean {
  switch (domain.kind) {
    case "host":
      return stream.domid === null;
    case "domid":
      return stream.domid === domain.domid;
    case "name":
      return stream.domid !== null && stream.name === domain.name;
  }
}

/** LOG|ID: log names are never all digits, and an id has no leading zeros. */
export function isOfLog(stream: StreamStatus, logOrId: string): boolean {
  return /^[0-9]+$/.test(logOrId) ? String(stream.id) === logOrId : stream.log === logOrId;
}

/** `demo/console`, for messages. */
export function titleOf(stream: Pick<StreamStatus, "name" | "log">): string {
  return `${stream.name}/${stream.log}`;
}
