// SPDX-License-Identifier: Apache-2.0
// GET_FEATURE, SET_FEATURE, GET_QUOTA and SET_QUOTA, as in docs/misc/xenstore.txt of Xen 4.22.

import { encodeStrings } from "../message.ts";
import { isPrivileged } from "./access.ts";
import { type Call, leadingNumber, type Outcome, ok, strings } from "./call.ts";
import { parseQuotaName, type QuotaName, type Quotas, quotaDefaults } from "./quota.ts";
import { domainExists, quotasOf } from "./store.ts";

/** Bit 4 of xenstore-ring.txt: a watch may have a depth. The others are about rings. */
const features = 4;

/** A domain may ask for its own features; all domains have the same. */
export function getFeature(call: Call): Outcome {
  const [domid, ...rest] = argumentsOf(call) ?? ["", ""];
  if (domid === undefined) return encodeStrings(String(features));
  if (!isPrivileged(call.subject)) return "EACCES";
  if (rest.length > 0) return "EINVAL";
  return isKnown(call, domid) ? encodeStrings(String(features)) : "ENOENT";
}

/** Features may be set only before a domain is introduced; here every domain is introduced. */
export function setFeature(call: Call): Outcome {
  if (!isPrivileged(call.subject)) return "EACCES";
  const [domid, value, ...rest] = argumentsOf(call) ?? [];
  if (domid === undefined || value === undefined || rest.length > 0) return "EINVAL";
  return isKnown(call, domid) ? "EBUSY" : "ENOENT";
}

export function getQuota(call: Call): Outcome {
  if (!isPrivileged(call.subject)) return "EACCES";
  const names = argumentsOf(call);
  if (names === undefined || names.length > 2) return "EINVAL";
  if (names.length === 0) return encodeStrings(Object.keys(quotaDefaults).join(" "));
  const [domid, text] = names.length === 1 ? [undefined, names[0]] : names;
  if (domid !== undefined && !isKnown(call, domid)) return "ENOENT";
  const name = parseQuotaName(text ?? "");
  if (name === undefined) return "EINVAL";
  const { store } = call;
  const quotas = domid === undefined ? store.quotas : quotasOf(store, leadingNumber(domid));
  return encodeStrings(String(quotas[name]));
}

export function setQuota(call: Call): Outcome {
  if (!isPrivileged(call.subject)) return "EACCES";
  const given = argumentsOf(call) ?? [];
  const [domid, text, value] = given.length === 2 ? [undefined, ...given] : given;
  if (given.length > 3 || text === undefined || value === undefined) return "EINVAL";
  if (domid !== undefined && !isKnown(call, domid)) return "ENOENT";
  const name = parseQuotaName(text);
  if (name === undefined || !/^\d{1,9}$/.test(value)) return "EINVAL";
  const { store } = call;
  if (domid === undefined) store.quotas = withQuota(store.quotas, name, value);
  const known = domid === undefined ? undefined : store.domains.get(leadingNumber(domid));
  // dom0 has no quotas.
  if (domid === undefined || known === undefined) return ok;
  const domain = { ...known, quotas: withQuota(known.quotas, name, value) };
  store.domains = new Map(store.domains).set(leadingNumber(domid), domain);
  return ok;
}

function withQuota(quotas: Quotas, name: QuotaName, value: string): Quotas {
  return { ...quotas, [name]: Number(value) };
}

/** The strings of the payload; libxenstore sends an empty payload without arguments. */
function argumentsOf(call: Call): string[] | undefined {
  return call.payload.byteLength === 0 ? [] : strings(call);
}

function isKnown(call: Call, text: string): boolean {
  return /^\d{1,5}$/.test(text) && domainExists(call.store, Number(text));
}
