// SPDX-License-Identifier: Apache-2.0
// Each known way in which a server differs from the cases' expectations, which are C xenstored's.
// A case names the one that it meets; one that no case meets fails the suite. All of them were
// observed on Debian's 4.17; `source` adds where else it is written.

import type { ServerName } from "./wire.ts";

export interface Difference {
  readonly servers: readonly Exclude<ServerName, "transcript">[];
  readonly what: string;
  readonly source: string;
}

export type DifferenceName = string;

/** Not named by a case, since it concerns nearly all: this server sends what a request caused
 * after the reply, but for a commit. */
export const eventsAfterReply: Difference = {
  servers: ["ocaml"],
  what: "events follow the reply to the request that caused them, those of a commit precede it",
  source: "xenstore.txt leaves the order open",
};

export const differences: Readonly<Record<DifferenceName, Difference>> = {
  "features-of-4.22": {
    servers: ["embedded"],
    what: "GET_FEATURE, SET_FEATURE, GET_QUOTA, SET_QUOTA and WATCH with a depth, ENOSYS or EINVAL in 4.17",
    source: "xenstore.txt of Xen 4.22",
  },
  "error-of-another-request": {
    servers: ["c"],
    what: "a missing string is answered with whatever error came last; elsewhere with EINVAL",
    source: "xenstored_core.c of 4.17 leaves errno as it was; later versions say EINVAL",
  },
  "any-domain-may-own": {
    servers: ["ocaml"],
    what: "a domain that does not exist may own a node",
    source: "observed",
  },
  "children-are-sorted": {
    servers: ["embedded", "ocaml"],
    what: "a listing is sorted, and not in the order in which the nodes were made",
    source: "xenstore.txt promises no order",
  },
  "acting-for-dom0-is-being-it": {
    servers: ["ocaml"],
    what: "a domain whose target is dom0 may ask for all that dom0 may, and not only for its nodes",
    source: "observed",
  },
  "any-domain-is-a-target": {
    servers: ["ocaml"],
    what: "SET_TARGET takes a domain that does not exist",
    source: "observed",
  },
  "claims-are-clamped": {
    servers: ["ocaml"],
    what: "a frame that claims more than 4096 bytes is cut, and the connection is out of step",
    source: "observed; not played, as the connection is useless afterwards",
  },
  "commit-tells-each-request": {
    servers: ["ocaml"],
    what: "a commit fires a watch for each request inside, not for each changed node",
    source: "observed",
  },
  "control-says-ok": {
    servers: ["ocaml"],
    what: "CONTROL is OK whatever it asks for and whoever asks",
    source: "observed",
  },
  "dom0-is-released": {
    servers: ["ocaml"],
    what: "RELEASE of domain 0 empties the store",
    source: "observed; not played",
  },
  "entries-go-with-domains": {
    servers: ["ocaml"],
    what: "a domain's release takes its entries out of all permissions",
    source: "observed",
  },
  "entries-outlive-domains": {
    servers: ["ocaml"],
    what: "an entry serves a domain that was made after it",
    source: "observed; C ignores it since XSA-322",
  },
  "errors-about-domains": {
    servers: ["ocaml"],
    what: "other errors for domains that are not there, and for an owner given away",
    source: "observed",
  },
  "last-watch-first": {
    servers: ["ocaml"],
    what: "of two watches of one path the later is told first",
    source: "observed",
  },
  "long-replies": {
    servers: ["ocaml"],
    what: "DIRECTORY answers with more than 4096 bytes",
    source: "observed",
  },
  "merging-transactions": {
    servers: ["ocaml"],
    what: "only a node that was read and changed inside conflicts; reads, blind writes and new children merge",
    source: "observed",
  },
  "missing-nodes-are-told": {
    servers: ["ocaml"],
    what: "a domain is told that a node is missing where it may not read",
    source: "observed",
  },
  "no-directory-part": {
    servers: ["ocaml"],
    what: "DIRECTORY_PART is unknown",
    source: "observed",
  },
  "node-size-is-the-value": {
    servers: ["ocaml"],
    what: "the size of a node is that of its value, up to 2048 bytes",
    source: "observed",
  },
  "numbers-are-decimal": {
    servers: ["embedded"],
    what: "a number in a permission has a sign or a base: EINVAL, where C takes it",
    source:
      "docs/misc/xenstore.txt, <domid>: a decimal number 0..65535, whose parsing errors generally go undetected",
  },
  "numbers-of-64-bits": {
    servers: ["ocaml"],
    what: "a domid keeps what is above its 32 bits, and loses its sign",
    source: "observed",
  },
  "owner-is-inherited": {
    servers: ["ocaml"],
    what: "a node made by a domain keeps the owner of the node above",
    source: "observed",
  },
  "quota-is-equota": {
    servers: ["ocaml"],
    what: "what is over a quota is EQUOTA, which xs_wire.h does not know",
    source: "observed",
  },
  "quotas-of-c-alone": {
    servers: ["ocaml"],
    what: "no bound on the permissions of a node; other ones on a transaction",
    source: "observed",
  },
  "released-nodes-go-silently": {
    servers: ["ocaml"],
    what: "the nodes of a released domain go without an event",
    source: "observed",
  },
  "removal-tells-missing-nodes": {
    servers: ["ocaml"],
    what: "a removal above fires a watch of a node that does not exist",
    source: "observed",
  },
  "removal-tells-top-first": {
    servers: ["ocaml"],
    what: "a removal fires the watches above before those below",
    source: "observed",
  },
  "root-is-not-watched": {
    servers: ["ocaml"],
    what: "a write of / fires no watch",
    source: "observed",
  },
  "root-is-removed": {
    servers: ["ocaml"],
    what: "RM of / empties the store",
    source: "observed; not played",
  },
  "special-paths-are-nodes": {
    servers: ["ocaml"],
    what: "@x is taken for a node's path, and RM of it for that of /",
    source: "observed; what changes the store is not played",
  },
  "special-events-precede-the-reply": {
    servers: ["ocaml"],
    what: "events of INTRODUCE and RELEASE precede the reply, though others follow it",
    source: "observed",
  },
  "transactions-see-their-start": {
    servers: ["ocaml"],
    what: "what others change after a transaction's start is not seen inside",
    source: "xenstore.txt leaves it open; observed",
  },
  "unknown-transaction-is-eio": {
    servers: ["ocaml"],
    what: "an unknown transaction is EIO",
    source: "observed",
  },
  "values-of-2048-bytes": {
    servers: ["ocaml"],
    what: "dom0's values too are at most 2048 bytes",
    source: "quota-maxsize of oxenstored.conf",
  },
  "verdict-without-nul": {
    servers: ["ocaml"],
    what: "TRANSACTION_END takes a verdict that lacks its NUL",
    source: "observed",
  },
  "watches-lose-the-transaction-id": {
    servers: ["ocaml"],
    what: "the reply to WATCH and UNWATCH names no transaction",
    source: "observed",
  },
  "watches-of-any-length": {
    servers: ["ocaml"],
    what: "a watch may have a path of more than 2048 bytes",
    source: "observed",
  },
};
