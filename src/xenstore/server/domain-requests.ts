// SPDX-License-Identifier: Apache-2.0
// The requests about domains. There is no hypervisor here: a domain exists from INTRODUCE to
// RELEASE, which also removes the nodes that it owns.

import { encodeStrings } from "../message.ts";
import { isPrivileged } from "./access.ts";
import {
  type Call,
  changeStore,
  fireSpecial,
  leadingNumber,
  type Outcome,
  ok,
  oneString,
  strings,
} from "./call.ts";
import { domainPath } from "./names.ts";
import { domainExists } from "./store.ts";
import { ownedBy, withoutEntries } from "./tree.ts";

/** Larger domids are names for other things (DOMID_FIRST_RESERVED, xen/include/public/xen.h). */
const domidMax = 0x7fef;
/** DOMID_SELF, the client's own domain, which always exists. */
const domidOfSelf = 0x7ff0;

export function introduce(call: Call): Outcome {
  const { store } = call;
  if (!isPrivileged(call.subject)) return "EACCES";
  const [domidText, gfn, eventChannel] = strings(call) ?? [];
  if (domidText === undefined || gfn === undefined || eventChannel === undefined) return "EINVAL";
  const domid = leadingNumber(domidText);
  if (domid > domidMax) return "EINVAL";
  // dom0 is introduced from the start.
  if (domid === 0) return ok;
  const known = store.domains.get(domid);
  // For a known domain it only renews the event channel and fires no watch.
  const domain = {
    gfn,
    eventChannel,
    targetDomid: known?.targetDomid,
    quotas: known?.quotas ?? store.quotas,
  };
  store.domains = new Map(store.domains).set(domid, domain);
  if (known === undefined) fireSpecial(call, "@introduceDomain", domid);
  return ok;
}

export function release(call: Call): Outcome {
  const domid = introducedDomid(call);
  if (typeof domid === "string") return domid;
  const { store } = call;
  store.domains = new Map([...store.domains].filter(([known]) => known !== domid));
  for (const path of ownedBy(store.root, domid)) changeStore(call, { kind: "remove", path });
  store.root = withoutEntries(store.root, domid);
  fireSpecial(call, "@releaseDomain", domid);
  // C xenstored sends only these events of a request after the reply (4.17, observed).
  call.eventsAfter.push(...call.eventsBefore.splice(0));
  return ok;
}

/** Changes nothing: this server keeps no record of a domain's shutdown. */
export function resume(call: Call): Outcome {
  const domid = introducedDomid(call);
  return typeof domid === "string" ? domid : ok;
}

export function setTarget(call: Call): Outcome {
  const { store } = call;
  if (!isPrivileged(call.subject)) return "EACCES";
  const [domidText, targetText] = strings(call) ?? [];
  if (domidText === undefined || targetText === undefined) return "EINVAL";
  const [domid, targetDomid] = [leadingNumber(domidText), leadingNumber(targetText)];
  if (!domainExists(store, domid) || !domainExists(store, targetDomid)) return "ENOENT";
  const domain = store.domains.get(domid);
  // dom0 needs no target: it may do everything.
  if (domain === undefined) return ok;
  store.domains = new Map(store.domains).set(domid, { ...domain, targetDomid });
  return ok;
}

export function isIntroduced(call: Call): Outcome {
  if (!isPrivileged(call.subject)) return "EACCES";
  const text = oneString(call);
  if (text === undefined) return "EINVAL";
  const domid = leadingNumber(text);
  return encodeStrings(domid === domidOfSelf || domainExists(call.store, domid) ? "T" : "F");
}

/** Answers also for a domain that does not exist. */
export function getDomainPath(call: Call): Outcome {
  const text = oneString(call);
  return text === undefined ? "EINVAL" : encodeStrings(domainPath(leadingNumber(text)));
}

function introducedDomid(call: Call): number | "EACCES" | "EINVAL" | "ENOENT" {
  if (!isPrivileged(call.subject)) return "EACCES";
  const domid = leadingNumber(oneString(call) ?? "");
  if (domid === 0) return "EINVAL";
  return call.store.domains.has(domid) ? domid : "ENOENT";
}
