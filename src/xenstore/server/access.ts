// SPDX-License-Identifier: Apache-2.0
// Who may do what with a node (docs/misc/xenstore.txt, "Permissions").

import type { NodePermission } from "./tree.ts";

export type Access = "read" | "write" | "own";

/** The domain that asks, and the one it acts for (SET_TARGET), if any. */
export interface Subject {
  readonly domid: number;
  readonly targetDomid: number | undefined;
}

/** isPrivileged(subject): dom0, and with it every client of the socket, bypasses all checks. */
export function isPrivileged(subject: Subject): boolean {
  return subject.domid === 0;
}

/** mayAccess(subject, permissions, access) applies a node's list: the owner and who acts for it
 * may do everything, others what their entry says, or else the first entry's letter. */
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
