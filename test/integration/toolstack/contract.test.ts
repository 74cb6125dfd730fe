// SPDX-License-Identifier: Apache-2.0
// The contract's nodes in a store: found, read, judged and answered, on each server.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  announce,
  errorBytesMax,
  findUntrustedNode,
  keyText,
  type LogfileKey,
  listLogfiles,
  type NodeName,
  nodePath,
  noteError,
  parseDomid,
  parseLogfileId,
  readAnswer,
  readNodes,
} from "../../../src/contract/index.ts";
import type { XenstoreClient } from "../../../src/xenstore/index.ts";
import { servers, startTestStore } from "./store.ts";

const key: LogfileKey = {
  owner: { kind: "domain", domid: parseDomid("5", "domid") },
  id: parseLogfileId("1", "id"),
};

async function write(client: XenstoreClient, name: NodeName, value: string): Promise<void> {
  await client.write(nodePath(key, name), value);
}

for (const { kind, skip } of servers) {
  describe(`the contract's nodes on ${kind}`, { skip }, () => {
    it("are listed by number, the host's first, siblings left out", async () => {
      await using store = await startTestStore(kind);
      assert.deepEqual(await listLogfiles(store.client), []);
      for (const path of [
        "/libxl/10/logging/2",
        "/libxl/10/logging/10",
        "/libxl/9/logging/1/pipe",
        "/libxl/logging/3",
        "/libxl/logging/x",
        "/libxl/pci/logging/1",
        "/libxl/09/logging/1",
        "/libxl/8/device/vbd",
      ]) {
        await store.client.mkdir(path);
      }
      const keys = await listLogfiles(store.client);
      assert.deepEqual(keys.map(keyText), ["host/3", "9/1", "10/2", "10/10"]);
    });

    it("are read as they are, and gone when their directory is", async () => {
      await using store = await startTestStore(kind);
      const { client } = store;
      assert.equal(await client.transaction((t) => readNodes(t, key)), undefined);
      await write(client, "limit", "");
      await client.write("/libxl/5/logging/1/comment", "of nobody's business");
      assert.deepEqual(await client.transaction((t) => readNodes(t, key)), { limit: "" });
      await client.rm("/libxl/5");
      assert.equal(await client.transaction((t) => readNodes(t, key)), undefined);
    });

    it("are not trusted once another domain may write one of them", async () => {
      await using store = await startTestStore(kind);
      const { client } = store;
      await write(client, "pipe", "/run/xen/a");
      await write(client, "file", "/var/log/xen/a.log");
      const untrusted = () => client.transaction((t) => findUntrustedNode(t, key));
      assert.equal(await untrusted(), undefined);
      const dom0 = { domid: 0, access: "n" } as const;
      await client.setPermissions(nodePath(key, "file"), [dom0, { domid: 5, access: "r" }]);
      assert.equal(await untrusted(), undefined);
      await client.setPermissions(nodePath(key, "file"), [{ domid: 0, access: "w" }]);
      assert.equal((await untrusted())?.path, "/libxl/5/logging/1/file");
      await client.setPermissions("/libxl/5/logging/1", [{ domid: 0, access: "b" }]);
      assert.equal((await untrusted())?.path, "/libxl/5/logging/1");
    });
  });

  describe(`answers on ${kind}`, { skip }, () => {
    // contract: C13
    it("replace each other", async () => {
      await using store = await startTestStore(kind);
      const { client } = store;
      const pipe = "/run/xen/a";
      const answer = () => client.transaction((t) => readAnswer(t, key, pipe));
      assert.equal(await answer(), "gone");
      await write(client, "pipe", pipe);
      assert.equal(await answer(), "none");
      const failed = { state: "failed", error: "limit is wrong" } as const;
      assert.equal(await announce(client, key, pipe, failed), "announced");
      assert.deepEqual(await answer(), failed);
      assert.equal(await announce(client, key, pipe, { state: "ready" }), "announced");
      assert.deepEqual(await answer(), { state: "ready" });
      assert.equal(await client.exists(nodePath(key, "error")), false);
    });

    // contract: C35, C46
    it("that come late bring back no nodes, and reach no next request", async () => {
      await using store = await startTestStore(kind);
      const { client } = store;
      assert.equal(await announce(client, key, "/run/xen/a", { state: "ready" }), "gone");
      assert.equal(await client.exists("/libxl/5"), false);
      await write(client, "pipe", "/run/xen/b");
      assert.equal(await announce(client, key, "/run/xen/a", { state: "ready" }), "gone");
      assert.equal(await client.exists(nodePath(key, "state")), false);
    });

    // contract: C56, C57
    it("stay ready beside an error, which only a request that is served can have", async () => {
      await using store = await startTestStore(kind);
      const { client } = store;
      const pipe = "/run/xen/a";
      const read = () => client.transaction((t) => readNodes(t, key));
      await write(client, "pipe", pipe);
      assert.equal(await noteError(client, key, pipe, "limit is wrong"), "gone");
      assert.deepEqual(await read(), { pipe });
      await announce(client, key, pipe, { state: "ready" });
      assert.equal(await noteError(client, key, "/run/xen/b", "limit is wrong"), "gone");
      assert.equal(await noteError(client, key, pipe, undefined), "noted");
      assert.deepEqual(await read(), { pipe, state: "ready" });
      assert.equal(await noteError(client, key, pipe, "limit is wrong"), "noted");
      assert.deepEqual(await read(), { pipe, state: "ready", error: "limit is wrong" });
      assert.deepEqual(await client.transaction((t) => readAnswer(t, key, pipe)), {
        state: "ready",
      });
      assert.equal(await noteError(client, key, pipe, undefined), "noted");
      assert.deepEqual(await read(), { pipe, state: "ready" });
      await client.rm("/libxl/5");
      assert.equal(await noteError(client, key, pipe, "limit is wrong"), "gone");
      assert.equal(await client.exists("/libxl/5"), false);
    });

    // contract: C14
    it("are ASCII, and cut in the middle to what every server takes", async () => {
      await using store = await startTestStore(kind);
      const { client } = store;
      await write(client, "pipe", "/run/xen/a");
      for (const shift of ["", "x", "xx", "xxx"]) {
        const error = shift + "🙂".repeat(1000);
        await announce(client, key, "/run/xen/a", { state: "failed", error });
        const written = await client.read(nodePath(key, "error"));
        assert.ok(Buffer.byteLength(written) <= errorBytesMax);
        assert.equal(written.length, errorBytesMax);
        assert.match(
          written,
          /^x*(\\u\{1f642\})+[\\u{1f642}]*\.\.\.[\\u{1f642}]*(\\u\{1f642\})+$/u,
        );
      }
    });
  });
}
