// SPDX-License-Identifier: Apache-2.0
// Domains by name, and invented domains for an embedded store, where no hypervisor makes them.

import {
  type Domid,
  domainNamePath,
  domainPath,
  domainsRoot,
  domidMax,
  domidOfNode,
  libxlPath,
  libxlRoot,
} from "../contract/index.ts";
import type { XenstoreClient, XenstoreOperations } from "../xenstore/index.ts";
import { asXenstoreFailure } from "./deadline.ts";
import { ToolstackError } from "./errors.ts";

/** The domain of that name with the lowest domid. */
export async function findDomain(
  operations: XenstoreOperations,
  name: string,
): Promise<Domid | undefined> {
  const domids = await listDomids(operations, domainsRoot);
  const names = await Promise.all(domids.map((domid) => domainName(operations, domid)));
  return domids[names.indexOf(name)];
}

/** The domain's name, if it has one. */
export function domainName(
  operations: XenstoreOperations,
  domid: Domid,
): Promise<string | undefined> {
  return operations.readIfExists(domainNamePath(domid));
}

/**
 * Invents a domain of that name under the lowest free domid from 1 and introduces it. For embedded
 * stores only. Throws ToolstackError `nameTaken`, `full` or `xenstore`.
 */
export async function introduceDomain(xenstore: XenstoreClient, name: string): Promise<Domid> {
  try {
    const domid = await xenstore.transaction((transaction) => claimDomid(transaction, name));
    try {
      // A page and a port as a toolstack would pass them; an embedded store maps nothing.
      await xenstore.introduce(domid, domid + 1, domid + 1);
    } catch (error) {
      await xenstore.rm(domainPath(domid));
      throw error;
    }
    return domid;
  } catch (error) {
    if (error instanceof ToolstackError) throw error;
    throw asXenstoreFailure(error, `introducing domain ${name}`);
  }
}

/** Removes all nodes of a domain that `introduceDomain` made, its logs' nodes too. */
export async function releaseDomain(xenstore: XenstoreClient, domid: Domid): Promise<void> {
  if (domid === 0) throw new ToolstackError("option", "domain 0 cannot be released");
  try {
    await xenstore.transaction(async (transaction) => {
      await transaction.rm(libxlPath(domid));
      await transaction.rm(domainPath(domid));
    });
    // Last, so that a watcher of the release finds no nodes left.
    if (await xenstore.isDomainIntroduced(domid)) await xenstore.release(domid);
  } catch (error) {
    throw asXenstoreFailure(error, `releasing domain ${domid}`);
  }
}

async function claimDomid(operations: XenstoreOperations, name: string): Promise<Domid> {
  const present = await findDomain(operations, name);
  if (present !== undefined) {
    throw new ToolstackError("nameTaken", `domain ${present} has the name ${name} already`);
  }
  // The new domain would inherit the nodes that a dead one left in /libxl.
  const taken = new Set([
    ...(await listDomids(operations, domainsRoot)),
    ...(await listDomids(operations, libxlRoot)),
  ]);
  let free = 1;
  while (taken.has(free as Domid)) free += 1;
  if (free > domidMax) throw new ToolstackError("full", "no free domid is left");
  const domid = free as Domid;
  await operations.write(domainNamePath(domid), name);
  await operations.write(`${domainPath(domid)}/domid`, String(domid));
  return domid;
}

async function listDomids(operations: XenstoreOperations, root: string): Promise<Domid[]> {
  const names = (await operations.directoryIfExists(root)) ?? [];
  const domids = names.map(domidOfNode).filter((domid) => domid !== undefined);
  return domids.sort((a, b) => a - b);
}
