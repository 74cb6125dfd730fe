// SPDX-License-Identifier: Apache-2.0
// Domains by name, and made-up ones in the embedded store.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDomid } from "../../../src/contract/index.ts";
import {
  createLogfile,
  domainName,
  findDomain,
  introduceDomain,
  releaseDomain,
} from "../../../src/toolstack/index.ts";
import { startTestStore, tree } from "./store.ts";

describe("domains", () => {
  it("are found by name", async () => {
    await using store = await startTestStore();
    await store.client.write("/local/domain/3/name", "three");
    await store.client.mkdir("/local/domain/4");
    assert.equal(await findDomain(store.client, "three"), 3);
    assert.equal(await findDomain(store.client, "four"), undefined);
    assert.equal(await domainName(store.client, parseDomid("3", "domid")), "three");
    assert.equal(await domainName(store.client, parseDomid("4", "domid")), undefined);
  });

  it("are introduced under the lowest free domid and released without a trace", async () => {
    await using store = await startTestStore();
    const before = await tree(store.client, "/local");
    const domid = await introduceDomain(store.client, "demo");
    assert.equal(domid, 1);
    assert.equal(await store.client.isDomainIntroduced(domid), true);
    assert.equal(await store.client.read("/local/domain/1/name"), "demo");
    assert.equal(await store.client.read("/local/domain/1/domid"), "1");
    await createLogfile(store.options({ domid, wait: false }));
    await releaseDomain(store.client, domid);
    assert.equal(await store.client.isDomainIntroduced(domid), false);
    assert.deepEqual(await tree(store.client, "/libxl"), {});
    assert.equal(await store.client.exists("/local/domain/1"), false);
    assert.deepEqual(
      Object.keys(await tree(store.client, "/local")).filter((path) => path !== "/local/domain"),
      Object.keys(before).filter((path) => path !== "/local/domain"),
    );
    await releaseDomain(store.client, domid);
  });

  // contract: C98
  it("have names of their own", async () => {
    await using store = await startTestStore();
    await introduceDomain(store.client, "demo");
    await assert.rejects(introduceDomain(store.client, "demo"), {
      code: "nameTaken",
      message: "domain 1 has the name demo already",
    });
  });

  it("do not inherit what a dead domain left", async () => {
    await using store = await startTestStore();
    await store.client.write("/libxl/1/logging/1/pipe", "/run/xen/old");
    assert.equal(await introduceDomain(store.client, "demo"), 2);
  });

  it("get domids of their own when eight are introduced at once", async () => {
    await using store = await startTestStore();
    const clients = await Promise.all(Array.from({ length: 8 }, () => store.connect()));
    const domids = await Promise.all(
      clients.map((client, index) => introduceDomain(client, `demo${index}`)),
    );
    assert.deepEqual(new Set(domids), new Set([1, 2, 3, 4, 5, 6, 7, 8]));
  });

  it("domain 0 stays", async () => {
    await using store = await startTestStore();
    await assert.rejects(releaseDomain(store.client, parseDomid("0", "domid")), {
      code: "option",
      message: "domain 0 cannot be released",
    });
  });
});
