// SPDX-License-Identifier: Apache-2.0
// A node's permissions as text: `n0`, `r5`, … (docs/misc/xenstore.txt, SET_PERMS). The first entry
// of a list names the owner; its letter applies to all domains without an entry.

import { XenstoreError } from "./errors.ts";

/** `n` none, `r` read, `w` write, `b` both; `domid` 0..4294967295: no domain has one above 65535,
 * but a server keeps any 32-bit number. */
export type XenstorePermission = {
  readonly domid: number;
  readonly access: "n" | "r" | "w" | "b";
};

/** Domids are 16 bits wide on the wire of the hypervisor. */
const domidMax = 65535;
const permissionDomidMax = 0xffff_ffff;

/** parsePermission(text) reads `r5`. Throws EINVAL. */
export function parsePermission(text: string): XenstorePermission {
  const match = /^([nrwb])(\d{1,10})$/.exec(text);
  const domid = Number(match?.[2]);
  if (match === null || domid > permissionDomidMax) {
    throw new XenstoreError("EINVAL", `cannot use permission ${JSON.stringify(text)}`);
  }
  return { domid, access: match[1] as XenstorePermission["access"] };
}

/** formatPermission(permission) is its text. Throws EINVAL when the domid is out of range. */
export function formatPermission(permission: XenstorePermission): string {
  return `${permission.access}${checkNumber(permission.domid, permissionDomidMax)}`;
}

/** checkDomid(domid) returns a domid 0..65535. Throws EINVAL. */
export function checkDomid(domid: number): number {
  return checkNumber(domid, domidMax);
}

function checkNumber(domid: number, numberMax: number): number {
  if (Number.isInteger(domid) && domid >= 0 && domid <= numberMax) return domid;
  throw new XenstoreError("EINVAL", `cannot use ${domid} as a domid: not 0..${numberMax}`);
}
