// SPDX-License-Identifier: Apache-2.0
// The paths in xenstore, and the meaning of an event on a path. The only place that spells these
// paths. Names that are not numbers, such as /libxl/pci, belong to other programs.

import { type Domid, domidOfNode, type LogfileId, logfileIdOfNode } from "./numbers.ts";

/** The owner of a log: a domain, or the host itself (xenstored, the toolstack, …). */
export type LogOwner =
  | { readonly kind: "domain"; readonly domid: Domid }
  | { readonly kind: "host" };

export interface LogfileKey {
  readonly owner: LogOwner;
  readonly id: LogfileId;
}

/** The nodes of one log file, in the order in which `readNodes` asks for them. */
export const nodeNames = [
  "pipe",
  "file",
  "limit",
  "copies",
  "log",
  "overflow",
  "rate",
  "burst",
  "state",
  "error",
] as const;
export type NodeName = (typeof nodeNames)[number];

/** The directory that the daemon watches. */
export const libxlRoot = "/libxl";
/**
 * The daemon's mark in a store, beside /tool/xenstored: a store without it, or with another one,
 * lost its content since the daemon saw it last.
 */
export const storeIdPath = "/tool/xenlogd/store";
/** The directory of the domains' own nodes. */
export const domainsRoot = "/local/domain";

/** What is left in an embedded store when all logs and domains are gone, the deepest first. */
export const tracePaths: readonly string[] = [
  storeIdPath,
  "/tool/xenlogd",
  `${libxlRoot}/logging`,
  libxlRoot,
  domainsRoot,
  "/local",
];

/** The domain's own directory, `/local/domain/5`: name, console, device front-ends. */
export function domainPath(domid: Domid): string {
  return `${domainsRoot}/${domid}`;
}

/** The node of the domain's name. */
export function domainNamePath(domid: Domid): string {
  return `${domainPath(domid)}/name`;
}

/** The toolstack's directory about the domain, `/libxl/5`. */
export function libxlPath(domid: Domid): string {
  return `${libxlRoot}/${domid}`;
}

/** `/libxl/5/logging`, or `/libxl/logging` for the host. */
export function loggingPath(owner: LogOwner): string {
  return owner.kind === "host" ? `${libxlRoot}/logging` : `${libxlPath(owner.domid)}/logging`;
}

/** `/libxl/5/logging/1`. */
export function logfilePath(key: LogfileKey): string {
  return `${loggingPath(key.owner)}/${key.id}`;
}

/** `/libxl/5/logging/1/state`. */
export function nodePath(key: LogfileKey, name: NodeName): string {
  return `${logfilePath(key)}/${name}`;
}

/** "5/1" or "host/1": the key as a map's key and in messages. */
export function keyText(key: LogfileKey): string {
  return `${key.owner.kind === "host" ? "host" : key.owner.domid}/${key.id}`;
}

/** The reverse of `keyText`; `undefined` for anything else. */
export function parseKeyText(text: string): LogfileKey | undefined {
  const [ownerText = "", idText = "", ...rest] = text.split("/");
  const id = logfileIdOfNode(idText);
  if (id === undefined || rest.length > 0) return undefined;
  if (ownerText === "host") return { owner: { kind: "host" }, id };
  const domid = domidOfNode(ownerText);
  return domid === undefined ? undefined : { owner: { kind: "domain", domid }, id };
}

export type EventScope =
  | { readonly kind: "everything" }
  | { readonly kind: "owner"; readonly owner: LogOwner }
  | { readonly kind: "logfile"; readonly key: LogfileKey }
  | { readonly kind: "unrelated" };

/**
 * What to read again after a watch event below /libxl. The daemon's own writes of `state` come back
 * as events of their log file, because a toolstack may remove `state` to make a new request.
 */
export function scopeOfEvent(path: string): EventScope {
  if (path === "/" || path === libxlRoot) return { kind: "everything" };
  if (!path.startsWith(`${libxlRoot}/`)) return { kind: "unrelated" };
  const [first = "", ...below] = path.slice(libxlRoot.length + 1).split("/");
  if (first === "logging") return scopeWithin({ kind: "host" }, below);
  const domid = domidOfNode(first);
  if (domid === undefined) return { kind: "unrelated" };
  const owner: LogOwner = { kind: "domain", domid };
  if (below.length === 0) return { kind: "owner", owner };
  return below[0] === "logging" ? scopeWithin(owner, below.slice(1)) : { kind: "unrelated" };
}

function scopeWithin(owner: LogOwner, belowLogging: readonly string[]): EventScope {
  const [name] = belowLogging;
  if (name === undefined) return { kind: "owner", owner };
  const id = logfileIdOfNode(name);
  return id === undefined ? { kind: "unrelated" } : { kind: "logfile", key: { owner, id } };
}
