// SPDX-License-Identifier: Apache-2.0
// Whose log it is to be: the domain that a choice means, which an embedded store may still have to
// be told of.

import { type Domid, quote } from "../../contract/index.ts";
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
import type { SaidOwner } from "./log-options.ts";

export type Owner =
  | { readonly kind: "host" }
  | {
      readonly kind: "domain";
      readonly domid: Domid;
      readonly name: string;
      /** By us, just now. */
      readonly introduced: boolean;
    };

/** What createLogfile wants to know of the owner. */
export function addressOf(
  owner: Owner,
): { readonly global: true } | { readonly domid: Domid; readonly name: string } {
  return owner.kind === "host" ? { global: true } : { domid: owner.domid, name: owner.name };
}

/** The name of a domain, `undefined` for the host. */
export function nameOf(owner: Owner): string | undefined {
  return owner.kind === "host" ? undefined : owner.name;
}

/** Throws CliError `notFound` where no domain can be made up. */
export async function findOwner(
  xenstore: XenstoreClient,
  places: Places,
  choice: SaidOwner,
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
    // Somebody was faster: it is there now.
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

/** Takes back what `findOwner` or `introduceAs` has done; a store that is gone took it along. */
export async function releaseIfIntroduced(xenstore: XenstoreClient, owner: Owner): Promise<void> {
  if (owner.kind === "host" || !owner.introduced) return;
  await releaseDomain(xenstore, owner.domid).catch(() => undefined);
}
