// SPDX-License-Identifier: Apache-2.0
// The access check for a node (docs/misc/xenstore.txt, "Permissions").

import type { NodePermission } from "./tree.ts";

export type Access = "read" | "write" | "own";

/** The client's domain, and the one that it acts for (SET_TARGET), if any. */
export interface Subject {
  readonly domid: number;
  readonly targetDomid: number | undefined;
}

/** isPrivileged(subject): dom0 bypasses all checks, and every client of the socket is dom0. */
export function isPrivileged(subject: Subject): boolean {
  return subject.domid === 0;
}

/** mayAccess(subject, permissions, access) applies a node's list: the owner and a domain that acts
 * for it may do everything, another domain what its entry allows, or without an entry what the
 * first entry's letter allows. */
export function mayAccess(
  subject: Subject,
  permissions: readonly NodePermission[],
  access: Access,
): boolean {
  const [owner, ...others] = permissions;
  if (isPrivileged(subject) || owner === undefined) return true;
  const isSubject = ({ domid }: NodePermission): boolean =>
    domid === subject.domid || domid === subject.targetDomid;
  if (isSubject(owner)) return true;
  const entry = others.find((other) => isSubject(other) && other.ignored !== true) ?? owner;
  switch (access) {
    case "read":
      return entry.access === "r" || entry.access === "b";
    case "write":
      return entry.access === "w" || entry.access === "b";
    case "own":
      return false;
  }
}
