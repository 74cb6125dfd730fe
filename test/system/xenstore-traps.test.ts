// SPDX-License-Identifier: Apache-2.0
// What Xen's own servers do to a client, each by its name: the client against Debian's C xenstored
// and oxenstored. What the kernel's device does is in test/integration/xenstore/xenbus.test.ts.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  connectXenstore,
  type XenstoreClient,
  type XenstoreConnectionState,
} from "../../src/xenstore/index.ts";
import { nextEvents } from "../integration/xenstore/fixture.ts";
import { waitFor } from "../support/wait.ts";
import { startXenstored, type XenstoredKind, xenstoredParts } from "../support/xenstored.ts";

const parts = await xenstoredParts();
const skip = parts.found ? false : parts.reason;

async function start(t: TestContext, kind: XenstoredKind) {
  assert.ok(parts.found);
  const dir = await mkdtemp(join(tmpdir(), "xs-traps-"));
  const options = { kind, dir, parts };
  const server = await startXenstored(options);
  const clients: XenstoreClient[] = [];
  t.after(async () => {
    for (const client of clients) await client.close();
    await server.stop();
    await rm(dir, { recursive: true });
  });
  return {
    server,
    restart: async () => {
      const next = await startXenstored(options);
      t.after(() => next.stop());
    },
    connect: async (onState?: (state: XenstoreConnectionState) => void) => {
      const { socketPath } = server;
      const client = await connectXenstore({ socketPath, ...(onState && { onState }) });
      clients.push(client);
      return client;
    },
  };
}

for (const kind of ["c", "ocaml"] as const) {
  const trap = (name: string, body: (t: TestContext) => Promise<void>): void => {
    void test(`${kind}: ${name}`, { skip }, body);
  };

  trap("the listen backlog is 1: forty clients at once get in, EAGAIN or not", async (t) => {
    const { connect } = await start(t, kind);
    const clients = await Promise.all(Array.from({ length: 40 }, () => connect()));
    await Promise.all(clients.map((client, n) => client.write(`/b/${n}`, "x")));
    assert.equal((await clients[0]?.directory("/b"))?.length, 40);
  });

  trap("a connection closed before its last reply would lose requests: none is", async (t) => {
    const { connect } = await start(t, kind);
    const other = await connect();
    for (let n = 0; n < 20; n += 1) {
      const client = await connect();
      const writes = [0, 1, 2].map((part) => client.write(`/c/${n}-${part}`, "x"));
      await client.close();
      await Promise.all(writes);
    }
    assert.equal((await other.directory("/c")).length, 60);
  });

  trap("300 pipelined requests are matched by req_id", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    const numbers = Array.from({ length: 300 }, (_, n) => String(n));
    await Promise.all(numbers.map((n) => client.write(`/p/${n}`, n)));
    const values = await Promise.all(numbers.map((n) => client.read(`/p/${n}`)));
    assert.deepEqual(values, numbers);
  });

  trap("a long directory is E2BIG and parts, or one reply above 4096 bytes", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    const names = Array.from({ length: 1200 }, (_, n) => `long-entry-${n}`);
    await Promise.all(names.map((name) => client.mkdir(`/d/${name}`)));
    assert.deepEqual(new Set(await client.directory("/d")), new Set(names));
  });

  trap(
    "an empty argument is a NUL: a transaction is answered though nothing follows",
    async (t) => {
      const { connect } = await start(t, kind);
      const client = await connect();
      await client.transaction(async (transaction) => transaction.write("/t", "1"));
      assert.equal(await client.read("/t"), "1");
    },
  );

  trap("a request that does not fit is refused here, or costs the connection", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    await assert.rejects(client.write("/a", "x".repeat(5000)), { code: "E2BIG" });
    await assert.rejects(client.read(""), { code: "EINVAL" });
    await client.write("/a", "x".repeat(2048));
    assert.equal((await client.read("/a")).length, 2048, "the portable size of a value");
  });

  trap("`+`, `.`, `:`, a space and a last `/` are refused by us as by the server", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    for (const path of ["/a+b", "/a.b", "/a:b", "/a b", "/a/", "//a", "/é"]) {
      await assert.rejects(client.write(path, ""), { code: "EINVAL" }, path);
    }
    await client.write("/A-Za_z@09", "fine");
  });

  trap("a relative path is below /local/domain/0 and its watch reports it so", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    const watch = await client.watch("rel");
    await nextEvents(watch, 1);
    await client.write("rel/x", "1");
    assert.deepEqual(await nextEvents(watch, 1), ["rel/x"]);
    assert.equal(await client.read("/local/domain/0/rel/x"), "1");
  });

  trap("a watch fires at once, for a node that is not there", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    assert.deepEqual(await nextEvents(await client.watch("/none/such"), 1), ["/none/such"]);
  });

  trap("an event may come before the OK of its own cause, or after", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    const watch = await client.watch("/w");
    await nextEvents(watch, 1);
    await client.write("/w/x/y", "1");
    assert.deepEqual(await nextEvents(watch, 1), ["/w/x/y"]);
  });

  trap("two watches of one path both fire, in whatever order", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    const watches = [await client.watch("/w"), await client.watch("/w")];
    for (const watch of watches) await nextEvents(watch, 1);
    await client.write("/w/a", "");
    for (const watch of watches) assert.deepEqual(await nextEvents(watch, 1), ["/w/a"]);
  });

  trap("a watched node whose ancestor goes is told by its own path", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    await client.write("/r/s/t", "1");
    const watch = await client.watch("/r/s/t");
    await nextEvents(watch, 1);
    await client.rm("/r");
    assert.deepEqual(await nextEvents(watch, 1), ["/r/s/t"]);
  });

  trap("a reader that sleeps neither blocks the server nor loses what is last", async (t) => {
    const { connect } = await start(t, kind);
    const [client, watcher] = [await connect(), await connect()];
    const watch = await watcher.watch("/s");
    // oxenstored stops serving a writer whose watcher leaves some thousand events unread.
    for (let round = 0; round < 5; round += 1) {
      const writes = Array.from({ length: 1000 }, (_, n) => client.write(`/s/${round}/${n}`, ""));
      await Promise.all(writes);
    }
    const [first] = await nextEvents(watch, 1);
    assert.equal(first, "/s", "one event for everything");
  });

  trap("removing what is not there is fine, its parent missing or not", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    await client.rm("/no/such/node");
    await client.rm("/nothing");
  });

  trap("a conflict is EAGAIN at the end, and the body runs again until it wins", async (t) => {
    const { connect } = await start(t, kind);
    const clients = await Promise.all([connect(), connect(), connect()]);
    await clients[0]?.write("/n", "0");
    const increment = async (client: XenstoreClient): Promise<void> => {
      for (let n = 0; n < 30; n += 1) {
        await client.transaction(async (transaction) => {
          await transaction.write("/n", String(Number(await transaction.read("/n")) + 1));
        });
      }
    };
    await Promise.all(clients.map(increment));
    assert.equal(await clients[0]?.read("/n"), "90");
  });

  trap("attemptsMax bounds a body that can never win", async (t) => {
    const { connect } = await start(t, kind);
    const [client, other] = [await connect(), await connect()];
    let attempts = 0;
    const losing = client.transaction(
      async (transaction) => {
        attempts += 1;
        await transaction.readIfExists("/l");
        await transaction.write("/l", "mine");
        await other.write("/l", String(attempts));
      },
      { attemptsMax: 3 },
    );
    await assert.rejects(losing, { code: "EAGAIN" });
    assert.equal(attempts, 3);
  });

  trap("GET_DOMAIN_PATH asks nobody whether the domain exists", async (t) => {
    const { connect } = await start(t, kind);
    const client = await connect();
    assert.equal(await client.getDomainPath(77), "/local/domain/77");
    assert.equal(await client.isDomainIntroduced(77), false);
  });

  trap(
    "after a restart the store is empty, watches are set again, a transaction fails",
    async (t) => {
      const { server, connect, restart } = await start(t, kind);
      const states: string[] = [];
      const client = await connect(({ kind: state }) => states.push(state));
      const watch = await client.watch("/k");
      await nextEvents(watch, 1);
      await client.write("/kept", "1");
      const lost = client.transaction(async (transaction) => {
        await transaction.write("/k/x", "1");
        await server.kill("SIGKILL");
        await waitFor("the loss", () => states.includes("lost"));
      });
      await assert.rejects(lost, { code: "LOST" });
      await restart();
      assert.deepEqual(await nextEvents(watch, 1), ["/k"], "the first event again");
      assert.equal(await client.exists("/kept"), false);
      assert.deepEqual(states, ["connected", "lost", "connected"]);
    },
  );
}
