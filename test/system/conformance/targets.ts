// SPDX-License-Identifier: Apache-2.0
// The servers that the suite is played on: the embedded one and Debian's two.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startXenstoreServer } from "../../../src/xenstore/server/index.ts";
import { startXenstored, type XenstoredParts } from "../../support/xenstored.ts";
import { openGuest } from "./guest-wire.ts";
import { openSocket, tidy } from "./socket-wire.ts";
import { domidOf, type Target } from "./wire.ts";

/** The event channel ports of the cases' INTRODUCE requests. */
const portOf = (domid: number): number => 2000 + domid;

export async function startEmbedded(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "conformance-"));
  const socketPath = join(folder, "socket");
  const server = await startXenstoreServer({ socketPath });
  const guestSocket = (domid: number): string => join(folder, `domain-${domid}`);
  const served = new Set<number>();
  return {
    name: "embedded",
    open: (client) => openSocket(domidOf(client) === 0 ? socketPath : guestSocket(domidOf(client))),
    startDomain: async (domid) => {
      if (!served.has(domid)) await server.serveDomain(domid, guestSocket(domid));
      served.add(domid);
    },
    end: (domids) => tidy(socketPath, domids),
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function startDebian(
  kind: "c" | "ocaml",
  parts: Extract<XenstoredParts, { found: true }>,
): Promise<Target> {
  const dir = await mkdtemp(join(tmpdir(), "conformance-"));
  const server = await startXenstored({ kind, dir, parts });
  return {
    name: kind,
    open: async (client) => {
      const domid = domidOf(client);
      return domid === 0 ? openSocket(server.socketPath) : openGuest(dir, domid, portOf(domid));
    },
    startDomain: (domid) => writeFile(join(dir, "domains", String(domid)), ""),
    end: async (domids) => {
      // A server remembers a domain until the hypervisor says that it is gone.
      for (const domid of domids) await server.destroyDomain(domid);
      await tidy(server.socketPath, domids);
      for (const domid of domids) await rm(join(dir, `ring-${domid}`), { force: true });
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
