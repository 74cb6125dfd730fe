// SPDX-License-Identifier: Apache-2.0
// The owner of a log: the host, or a domain. An embedded store has no domains of its own, so a domain
// is introduced there for its logs and released after them.

import { type Domid, hostName, quote } from "../../contract/index.ts";
import type { Places } from "../../places/index.ts";
import {
  domainName,
  findDomain,
  introduceDomain,
  releaseDomain,
  ToolstackError,
} from "../../toolstack/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";
import { CliError } from "../invocation/index.ts";
import type { NamedOwner } from "./log-options.ts";

export type Owner =
  | { readonly kind: "host" }
  | {
      readonly kind: "domain";
      readonly domid: Domid;
      readonly name: string;
      /** True if this command introduced it. */
      readonly introduced: boolean;
    };

/** The name of a domain, `undefined` for the host. */
export function nameOf(owner: Owner): string | undefined {
  return owner.kind === "host" ? undefined : owner.name;
}

/** `demo/console`, for messages. */
export function titleOfOwner(owner: Owner, log: string): string {
  return `${nameOf(owner) ?? hostName}/${log}`;
}

/** Throws CliError `notFound` if there is no such domain; introduces a named one in an embedded store. */
export async function findOwner(
  xenstore: XenstoreClient,
  places: Places,
  choice: NamedOwner,
): Promise<Owner> {
  switch (choice.kind) {
    case "host":
      return { kind: "host" };
    case "domid":
      return ownerOfDomid(xenstore, choice.domid);
    case "name":
      return (
        (await ownerOfName(xenstore, choice.name)) ?? introduced(xenstore, places, choice.name)
      );
  }
}

async function ownerOfDomid(xenstore: XenstoreClient, domid: Domid): Promise<Owner> {
  const name = await domainName(xenstore, domid);
  if (name === undefined) throw new CliError("notFound", `there is no domain ${domid}`);
  return { kind: "domain", domid, name, introduced: false };
}

async function ownerOfName(xenstore: XenstoreClient, name: string): Promise<Owner | undefined> {
  const domid = await findDomain(xenstore, name);
  return domid === undefined ? undefined : { kind: "domain", domid, name, introduced: false };
}

async function introduced(xenstore: XenstoreClient, places: Places, name: string): Promise<Owner> {
  if (places.mode === "host") {
    throw new CliError("notFound", `there is no domain with the name ${quote(name)}`);
  }
  try {
    const domid = await introduceDomain(xenstore, name);
    return { kind: "domain", domid, name, introduced: true };
  } catch (error) {
    // Another client introduced a domain of that name meanwhile.
    const owner = isNameTaken(error) ? await ownerOfName(xenstore, name) : undefined;
    if (owner !== undefined) return owner;
    throw error;
  }
}

/** Introduces a domain of the first free name among `wish`, `wish-2`, `wish-3`, … */
export async function introduceAs(xenstore: XenstoreClient, wish: string): Promise<Owner> {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? wish : `${wish}-${count}`;
    try {
      const domid = await introduceDomain(xenstore, name);
      return { kind: "domain", domid, name, introduced: true };
    } catch (error) {
      if (!isNameTaken(error)) throw error;
    }
  }
}

function isNameTaken(error: unknown): boolean {
  return error instanceof ToolstackError && error.code === "nameTaken";
}

/** Undoes `findOwner` and `introduceAs`. An error does not matter: the store is gone, with its domains. */
export async function releaseIfIntroduced(xenstore: XenstoreClient, owner: Owner): Promise<void> {
  if (owner.kind === "host" || !owner.introduced) return;
  await releaseDomain(xenstore, owner.domid).catch(() => undefined);
}
