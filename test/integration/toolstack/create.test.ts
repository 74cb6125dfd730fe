// SPDX-License-Identifier: Apache-2.0
// createLogfile and its handle against each server and a stand-in for the daemon.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  type Answer,
  announce,
  keyText,
  libxlRoot,
  parseDomid,
  parseLogfileId,
} from "../../../src/contract/index.ts";
import {
  closeLogfile,
  createFifo,
  createLogfile,
  ToolstackError,
  type ToolstackErrorCode,
} from "../../../src/toolstack/index.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import { servers, startStandIn, startTestStore, type TestStore, tree } from "./store.ts";

/** What the daemon leaves of a request that failed: nothing, and /libxl itself is no trace. */
async function assertNothingLeft(store: TestStore): Promise<void> {
  assert.deepEqual(await tree(store.client, libxlRoot), {});
  assert.deepEqual(await store.fifos(), []);
}

function failsWith(code: ToolstackErrorCode, message: string | RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof ToolstackError, String(error));
    assert.equal(error.code, code, error.message);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

for (const { kind, skip } of servers) {
  describe(`createLogfile on ${kind}`, { skip }, () => {
    // contract: C36, C97
    it("writes the contract's nodes, waits for ready, and close leaves the FIFO alone", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      const handle = await createLogfile(
        store.options({ log: "console", overflow: "drop", rateBytesPerSecond: 1000 }),
      );
      assert.equal(handle.state, "ready");
      assert.equal(keyText(handle.key), "5/1");
      assert.match(handle.pipe, /\/fifo\/demo-console-[0-9a-f]{16}\.fifo$/);
      assert.deepEqual(await tree(store.client, "/libxl/5/logging/1"), {
        "/libxl/5/logging/1/pipe": handle.pipe,
        "/libxl/5/logging/1/file": "/var/log/xen/demo-console.log",
        "/libxl/5/logging/1/limit": "65536",
        "/libxl/5/logging/1/copies": "3",
        "/libxl/5/logging/1/log": "console",
        "/libxl/5/logging/1/overflow": "drop",
        "/libxl/5/logging/1/rate": "1000",
        "/libxl/5/logging/1/state": "ready",
      });
      await handle.close();
      await handle.close();
      assert.deepEqual(await tree(store.client, libxlRoot), {});
      assert.equal(await store.client.exists(libxlRoot), true);
      assert.ok(statSync(handle.pipe).isFIFO(), "the daemon may still be reading it");
      assert.throws(() => handle.open(), failsWith("closed", "/libxl/5/logging/1 was closed"));
    });

    it("serves the host's own logs", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      const options = store.options({ domid: undefined, global: true, log: "xenstored" });
      {
        await using handle = await createLogfile(options);
        assert.equal(keyText(handle.key), "host/1");
        assert.match(handle.pipe, /\/fifo\/host-xenstored-/);
        assert.equal(await store.client.read("/libxl/logging/1/pipe"), handle.pipe);
      }
      assert.deepEqual(await tree(store.client, libxlRoot), {});
    });

    // contract: C37, C61
    it("removes only parents that hold nothing else", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      await store.client.write("/libxl/5/device/vbd", "");
      const first = await createLogfile(store.options());
      const second = await createLogfile(store.options({ file: "/var/log/xen/demo-b.log" }));
      await first.close();
      assert.equal(await store.client.read("/libxl/5/logging/2/pipe"), second.pipe);
      await second.close();
      assert.deepEqual(Object.keys(await tree(store.client, libxlRoot)), [
        "/libxl/5",
        "/libxl/5/device",
        "/libxl/5/device/vbd",
      ]);
    });

    // contract: C4
    it("takes the lowest free id, also one just given back", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      const handles = [];
      for (const name of ["a", "b", "c"]) {
        handles.push(await createLogfile(store.options({ file: `/var/log/xen/${name}.log` })));
      }
      assert.deepEqual(
        handles.map((handle) => handle.key.id),
        [1, 2, 3],
      );
      await handles[1]?.close();
      const again = await createLogfile(store.options({ file: "/var/log/xen/b.log" }));
      assert.equal(again.key.id, 2);
      // The first owner of id 2 must not close the second one's log.
      await handles[1]?.close();
      assert.equal(await store.client.read("/libxl/5/logging/2/pipe"), again.pipe);
    });

    // contract: C36, C64, C79, C92
    it("passes the daemon's refusal on at once and leaves nothing", async () => {
      await using store = await startTestStore(kind);
      const answer: Answer = { state: "failed", error: "file is wrong in this way" };
      await using _daemon = await startStandIn(store.client, () => answer);
      // Waiting for the time-out would outlast the test.
      const creating = createLogfile(store.options({ timeoutMs: 2_000_000_000 }));
      await assert.rejects(creating, failsWith("refused", "file is wrong in this way"));
      await assertNothingLeft(store);
    });

    // contract: C78, C93
    it("bails on a daemon that does not answer and leaves nothing", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client, () => undefined);
      await assert.rejects(
        createLogfile(store.options({ timeoutMs: 50 })),
        failsWith("timeout", "/libxl/5/logging/1 got no answer within 50 ms; is xenlogd running?"),
      );
      await assertNothingLeft(store);
    });

    // contract: C94
    it("bails when its caller gives up and leaves nothing", async () => {
      await using store = await startTestStore(kind);
      const abort = new AbortController();
      await using _daemon = await startStandIn(store.client, () => {
        abort.abort(new Error("enough"));
        return undefined;
      });
      await assert.rejects(createLogfile(store.options({ signal: abort.signal })), (error) => {
        assert.equal((error as ToolstackError).cause, abort.signal.reason);
        return failsWith("aborted", "/libxl/5/logging/1 was aborted")(error);
      });
      await assertNothingLeft(store);
      await assert.rejects(
        createLogfile(store.options({ signal: abort.signal })),
        failsWith("aborted", "creating a log for /var/log/xen/demo-console.log was aborted"),
      );
      await assertNothingLeft(store);
    });

    // contract: C33, C95
    it("notices that its nodes were removed", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client, () => {
        store.client.rm("/libxl/5").catch(() => undefined);
        return undefined;
      });
      await assert.rejects(
        createLogfile(store.options()),
        failsWith("removed", "/libxl/5/logging/1 was removed while we waited"),
      );
      await assertNothingLeft(store);
    });

    // contract: C96
    it("says that xenstore is not there and leaves no FIFO", async () => {
      await using store = await startTestStore(kind);
      const client = await store.connect();
      await client.close();
      await assert.rejects(
        createLogfile(store.options({ xenstore: client })),
        failsWith("xenstore", /^a log for \/var\/log\/xen\/demo-console\.log failed: /),
      );
      await assertNothingLeft(store);
    });

    // contract: C96
    it("outlives xenstored only to say what it could not take back", async () => {
      await using store = await startTestStore(kind);
      const witness = await store.connect();
      const creating = createLogfile(store.options({ timeoutMs: 500 })).catch((error) => error);
      for await (const _event of await witness.watch(libxlRoot)) {
        if (await witness.exists("/libxl/5/logging/1")) break;
      }
      await store.stopServer();
      // It may have been about to wait, or waiting.
      const error: unknown = await creating;
      assert.ok(error instanceof ToolstackError);
      assert.ok(error.code === "timeout" || error.code === "xenstore", error.code);
      assert.match(error.message, /; its nodes may still be there: /);
      assert.deepEqual(await store.fifos(), []);
    });

    it("closes again after a close that xenstored did not answer", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      const xenstore = await store.connect();
      const handle = await createLogfile(store.options({ xenstore }));
      await xenstore.close();
      for (let time = 0; time < 2; time += 1) {
        await assert.rejects(handle.close(), failsWith("xenstore", /^closing .* failed: /));
      }
      await closeLogfile({ xenstore: store.client, key: handle.key });
    });

    // contract: C99
    it("leaves a FIFO to the caller who brought it", async () => {
      await using store = await startTestStore(kind);
      const fifo = createFifo({ directory: store.fifoDirectory });
      const options = store.options({ fifoDirectory: undefined, fifo });
      const hurried = createLogfile({ ...options, timeoutMs: 50 });
      await assert.rejects(hurried, failsWith("timeout", /no answer/));
      assert.ok(statSync(fifo.path).isFIFO());
      await using _daemon = await startStandIn(store.client);
      await using handle = await createLogfile(options);
      assert.equal(handle.pipe, fifo.path);
    });
  });

  describe(`closeLogfile on ${kind}`, { skip }, () => {
    it("removes a log by its key, and does not mind one that is not there", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      const { key } = await createLogfile(store.options());
      await closeLogfile({ xenstore: store.client, key });
      await closeLogfile({ xenstore: store.client, key });
      assert.deepEqual(await tree(store.client, libxlRoot), {});
    });
  });

  describe(`many at once on ${kind}`, { skip }, () => {
    // contract: C32
    it("eight creators on eight connections get ids of their own, and leave nothing", async () => {
      await using store = await startTestStore(kind);
      await using _daemon = await startStandIn(store.client);
      const clients = await Promise.all(Array.from({ length: 8 }, () => store.connect()));
      const created = await Promise.all(
        clients.flatMap((xenstore, creator) =>
          [1, 2, 3].map((log) =>
            createLogfile(store.options({ xenstore, file: `/var/log/xen/${creator}-${log}.log` })),
          ),
        ),
      );
      const ids = created.map((handle) => handle.key.id).sort((a, b) => a - b);
      assert.deepEqual(
        ids,
        Array.from({ length: 24 }, (_, index) => index + 1),
      );
      assert.equal(new Set(created.map((handle) => handle.pipe)).size, 24);
      await Promise.all(created.map((handle) => handle.close()));
      assert.deepEqual(await tree(store.client, libxlRoot), {});
    });

    it("200 times, a late answer brings no node back", async () => {
      await using store = await startTestStore(kind);
      const daemon = await store.connect();
      const key = {
        owner: { kind: "domain", domid: parseDomid("5", "domid") },
        id: parseLogfileId("1", "id"),
      } as const;
      const outcomes = { announced: 0, gone: 0 };
      for (let race = 0; race < 200; race += 1) {
        const handle = await createLogfile(store.options({ wait: false }));
        const answer: Answer =
          race % 2 === 0 ? { state: "ready" } : { state: "failed", error: "too late" };
        // Later from race to race, by as many requests as an answer takes.
        const removeLater = async (): Promise<void> => {
          for (let step = 0; step < race % 10; step += 1) await store.client.exists("/");
          // As libxl does it: the whole directory, without a look at what is in it.
          await store.client.rm("/libxl/5");
        };
        const [outcome] = await Promise.all([
          announce(daemon, key, handle.pipe, answer),
          removeLater(),
        ]);
        outcomes[outcome] += 1;
        assert.deepEqual(await tree(store.client, libxlRoot), {}, `race ${race}`);
        assert.equal(await announce(daemon, key, handle.pipe, answer), "gone");
        assert.deepEqual(await tree(store.client, libxlRoot), {}, `race ${race}, afterwards`);
      }
      // A race that always has the same winner proves nothing.
      assert.ok(outcomes.announced > 0 && outcomes.gone > 0, JSON.stringify(outcomes));
    });

    // contract: C46
    it("a late answer does not reach the next request under the same id", async () => {
      await using store = await startTestStore(kind);
      const first = await createLogfile(store.options({ wait: false }));
      await closeLogfile({ xenstore: store.client, key: first.key });
      const second = await createLogfile(store.options({ wait: false }));
      assert.deepEqual(second.key, first.key);
      assert.equal(await announce(store.client, first.key, first.pipe, { state: "ready" }), "gone");
      assert.equal(await store.client.exists("/libxl/5/logging/1/state"), false);
    });
  });
}

describe("createLogfile", () => {
  const refused: readonly (readonly [Parameters<TestStore["options"]>[0], string])[] = [
    [
      { limitBytes: 100 },
      'limit is "100"; it must be a whole number of bytes from 4096 to 9007199254740991',
    ],
    [
      { limitBytes: Number.NaN },
      'limit is "NaN"; it must be a whole number of bytes from 4096 to 9007199254740991',
    ],
    [{ copies: -1 }, 'copies is "-1"; it must be a whole number from 0 to 1000'],
    [{ copies: 1.5 }, 'copies is "1.5"; it must be a whole number from 0 to 1000'],
    [{ file: "x.log" }, 'file is "x.log"; it must be an absolute path'],
    [{ domid: -1 }, 'domid is "-1"; it must be a whole number from 0 to 32751'],
    [{ global: true }, "a log belongs to a domid or is global; give one of them"],
    [{ domid: undefined }, "a log belongs to a domid or is global; give one of them"],
    [{ timeoutMs: 0 }, "timeoutMs is 0; it must be a whole number from 1 to 2147483647"],
  ];
  it("refuses an option that there is not, which would be ignored otherwise", async () => {
    await using store = await startTestStore();
    const { fifoDirectory, socketPath } = store;
    const known =
      "xenstore, domid, global, name, log, file, limitBytes, copies, overflow, rateBytesPerSecond, burstBytes, wait, timeoutMs, access, signal, fifoDirectory, fifo";
    const options = { ...store.options(), limit: 65536 };
    const message = `there is no option "limit", only ${known}`;
    await assert.rejects(createLogfile(options), failsWith("option", message));
    const fifo = { directory: fifoDirectory, name: "x" };
    const ofFifo = 'there is no option "name", only directory, label';
    assert.throws(() => createFifo(fifo), failsWith("option", ofFifo));
    const socket = { socket: socketPath };
    await assert.rejects(connectXenstore(socket as object), {
      code: "EINVAL",
      message: /^there is no option "socket", only socketPath, timeoutMs, /,
    });
    assert.equal(existsSync(fifoDirectory), false);
    const documented = readFileSync(new URL("../../../docs/library.md", import.meta.url), "utf8");
    for (const name of known.split(", ")) assert.match(documented, new RegExp(`\`${name}\\b`));
  });

  it("removes the directories that it made, and no other, when the request fails", async () => {
    await using store = await startTestStore();
    const below = (name: string): string => join(store.fifoDirectory, name);
    const refuse = (directory: string): Promise<void> =>
      assert.rejects(
        createLogfile(store.options({ fifoDirectory: directory, timeoutMs: 50 })),
        failsWith("timeout", /no answer/),
      );
    await refuse(below("new/deep"));
    assert.equal(existsSync(store.fifoDirectory), false);
    mkdirSync(store.fifoDirectory);
    await refuse(store.fifoDirectory);
    assert.deepEqual(await store.fifos(), []);
    assert.equal(existsSync(store.fifoDirectory), true);
    const first = createFifo({ directory: below("two") });
    const second = createFifo({ directory: below("two") });
    first.discard();
    assert.ok(statSync(second.path).isFIFO());
  });

  for (const [change, message] of refused) {
    // contract: C90
    it(`refuses before it makes anything: ${message}`, async () => {
      await using store = await startTestStore();
      await assert.rejects(createLogfile(store.options(change)), failsWith("option", message));
      await assertNothingLeft(store);
    });
  }
});
