// SPDX-License-Identifier: Apache-2.0
// The server's socket: who may use it, what bad clients cost the good ones, and what survives.

import assert from "node:assert/strict";
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import {
  encodeMessage,
  type MessageName,
  messageName,
  messageType,
} from "../../../src/xenstore/message.ts";
import { fixture, nextEvents, rawSocket, until } from "./fixture.ts";

const isRoot = process.getuid?.() === 0;
const noMount = { skip: isRoot ? false : "mounting a small file system needs root" };

const frame = (name: MessageName, payload: string, reqId = 1): Buffer =>
  encodeMessage({
    type: messageType(name),
    reqId,
    txId: 0,
    payload: Buffer.from(payload, "latin1"),
  });

test("the socket is its owner's alone and goes with the server", async (t) => {
  const { start, socketPath } = await fixture(t);
  const umask = process.umask();
  const server = await start();
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  assert.equal(process.umask(), umask);
  await server.close();
  assert.equal(existsSync(socketPath), false);
});

test("a second server on the socket is refused, and the first not disturbed", async (t) => {
  const { start, client, folder } = await fixture(t);
  const stateFile = join(folder, "state");
  await start({ stateFile });
  const inodes = () => [stateFile, `${stateFile}.new`].map((path) => statSync(path).ino);
  const before = inodes();
  // As the first one leaves them for a moment.
  linkSync(stateFile, `${stateFile}.old`);
  await assert.rejects(start({ stateFile }), { name: "XenstoreServerError", code: "IN_USE" });
  assert.ok(existsSync(`${stateFile}.old`));
  assert.deepEqual(inodes(), before);
  assert.equal(await (await client()).control("check"), "OK");
});

test("a file that is no socket is left alone", async (t) => {
  const { start, socketPath } = await fixture(t);
  writeFileSync(socketPath, "precious");
  await assert.rejects(start(), { code: "IN_USE" });
  assert.ok(statSync(socketPath).isFile());
});

test("a path that is too long, or in no folder, says so", async (t) => {
  const { start, folder } = await fixture(t);
  await assert.rejects(start({ socketPath: join(folder, "x".repeat(108)) }), {
    code: "LISTEN_FAILED",
    message: /longer than 107 bytes/,
  });
  await assert.rejects(start({ socketPath: join(folder, "none/socket") }), {
    code: "LISTEN_FAILED",
  });
});

/** Runs a server in a process of its own, so that it can be killed. */
async function startProcess(socketPath: string, stateFile?: string) {
  const child = fork(new URL("server-process.ts", import.meta.url), [
    socketPath,
    ...(stateFile === undefined ? [] : [stateFile]),
  ]);
  await once(child, "message");
  return child;
}

test("a killed server's socket is taken over, its nodes come from the state file", async (t) => {
  const { client, socketPath, folder } = await fixture(t);
  const stateFile = join(folder, "state");
  const first = await startProcess(socketPath, stateFile);
  const store = await client();
  const watch = await store.watch("/kept");
  await nextEvents(watch, 1);
  await store.write("/kept/value", "1");
  await store.setPermissions("/kept", [{ domid: 0, access: "r" }]);
  await store.introduce(5, 1, 2);
  // Written a few milliseconds after the reply; what is younger is lost.
  await until(() => existsSync(stateFile));
  await store.write("/kept/last", "x");
  await until(() => readFileSync(stateFile, "latin1").includes('"last"'));
  assert.deepEqual(new Set(await nextEvents(watch, 3)).size, 3);
  first.kill("SIGKILL");
  await once(first, "exit");
  assert.ok(existsSync(socketPath));

  const second = await startProcess(socketPath, stateFile);
  t.after(() => second.kill("SIGKILL"));
  assert.deepEqual(await nextEvents(watch, 1), ["/kept"]);
  assert.deepEqual(await store.directory("/kept"), ["last", "value"]);
  assert.deepEqual(await store.getPermissions("/kept"), [{ domid: 0, access: "r" }]);
  assert.equal(await store.isDomainIntroduced(5), true);
});

test("a server killed in the midst of writing has a state that is whole", async (t) => {
  const { client, socketPath, folder } = await fixture(t);
  const stateFile = join(folder, "state");
  const bulk = "x".repeat(2000);
  let last = 0;
  for (const writesBeforeKill of [20, 50, 110]) {
    const server = await startProcess(socketPath, stateFile);
    t.after(() => server.kill("SIGKILL"));
    const store = await client();
    const kept = Number((await store.readIfExists("/pair/one")) ?? 0);
    assert.equal(Number((await store.readIfExists("/pair/two")) ?? 0), kept, "of one commit");
    assert.ok(kept >= last, "not older than what was kept before");
    last = kept;
    for (let number = kept + 1; number <= kept + writesBeforeKill; number += 1) {
      await store.write(`/bulk/${number}`, bulk);
      await store.transaction(async (inside) => {
        await inside.write("/pair/one", String(number));
        await inside.write("/pair/two", String(number));
      });
    }
    // At once: the last changes are on their way to the file.
    server.kill("SIGKILL");
    await once(server, "exit");
    await store.close();
  }
  const survivor = await startProcess(socketPath, stateFile);
  t.after(() => survivor.kill("SIGKILL"));
  const store = await client();
  const one = Number((await store.readIfExists("/pair/one")) ?? 0);
  assert.equal(Number((await store.readIfExists("/pair/two")) ?? 0), one);
  assert.ok(one >= last);
});

test("a state file survives an ordinary stop to the last change", async (t) => {
  const { start, client, folder } = await fixture(t);
  const stateFile = join(folder, "state");
  const first = await start({ stateFile });
  const store = await client();
  await Promise.all(Array.from({ length: 500 }, (_, number) => store.write(`/n/${number}`, "x")));
  await first.close();
  assert.equal(statSync(stateFile).mode & 0o777, 0o600);
  await start({ stateFile });
  assert.equal((await (await client()).directory("/n")).length, 500);
});

test("a state file that is none stops the start and is left alone", async (t) => {
  const { start, folder } = await fixture(t);
  const stateFile = join(folder, "state");
  writeFileSync(stateFile, "{");
  await assert.rejects(start({ stateFile }), { code: "STATE_UNREADABLE" });
  assert.equal(statSync(stateFile).size, 1);
});

test("a state file that cannot be written refuses changes, until it can", async (t) => {
  const { start, client, folder } = await fixture(t);
  const errors: Error[] = [];
  const stateFile = join(folder, "none/state");
  await start({ stateFile, onError: (error) => errors.push(error) });
  assert.equal((errors[0] as { code?: string }).code, "STATE_UNWRITABLE");
  const store = await client();
  const watch = await store.watch("/a");
  await nextEvents(watch, 1);
  await assert.rejects(store.write("/a", "x"), { code: "EIO" });
  await assert.rejects(store.introduce(5, 1, 2), { code: "EIO" });
  assert.equal(await store.readIfExists("/a"), undefined);
  assert.equal(await store.isDomainIntroduced(5), false);
  mkdirSync(join(folder, "none"));
  await until(() =>
    store.write("/a/b", "x").then(
      () => true,
      () => false,
    ),
  );
  assert.deepEqual(await nextEvents(watch, 1), ["/a/b"], "none of what was refused");
  await until(() => existsSync(stateFile) && readFileSync(stateFile, "latin1").includes('"a"'));
  assert.equal(errors.length, 1);
});

test(
  "a full disk without an inode refuses changes, and keeps those that it has accepted",
  noMount,
  async (t) => {
    // Before the folder of the fixture, which goes first.
    const disk = mkdtempSync(join(tmpdir(), "xenstore-test-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k,nr_inodes=6", "xenlogd-test", disk]);
    t.after(() => {
      execFileSync("umount", ["--lazy", disk]);
      rmdirSync(disk);
    });
    const { client, socketPath } = await fixture(t);
    const stateFile = join(disk, "state");
    const first = await startProcess(socketPath, stateFile);
    t.after(() => first.kill("SIGKILL"));
    const store = await client();
    fillDisk(disk);
    const accepted: string[] = [];
    const refused: string[] = [];
    for (let count = 0; refused.length < 3; count += 1) {
      const name = `child${count}`;
      await store.write(`/many/${name}`, "x".repeat(2000)).then(
        () => accepted.push(name),
        (error: { code: string }) => refused.push(error.code),
      );
    }
    assert.deepEqual(refused, ["ENOSPC", "ENOSPC", "ENOSPC"]);
    assert.ok(accepted.length > 10, "room was reserved");
    await assert.rejects(
      store.transaction((transaction) => transaction.write("/large", "x".repeat(3000))),
      { code: "ENOSPC" },
    );
    // What makes it smaller is never refused.
    await store.rm("/many/child0");
    const last = accepted.at(-1) ?? "";
    await until(() => {
      const text = readFileSync(stateFile, "latin1");
      return text.includes(last) && !text.includes("child0");
    });
    first.kill("SIGKILL");
    await once(first, "exit");
    const second = await startProcess(socketPath, stateFile);
    t.after(() => second.kill("SIGKILL"));
    const again = await client();
    assert.deepEqual(new Set(await again.directory("/many")), new Set(accepted.slice(1)));
    assert.equal(await again.readIfExists("/large"), undefined);
    await again.rm("/many");
  },
);

/** Takes the inodes that are left, and then all room. */
function fillDisk(disk: string): void {
  const filler = join(disk, "filler");
  writeFileSync(filler, "");
  assert.throws(
    () => {
      for (let count = 0; ; count += 1) writeFileSync(join(disk, `inode${count}`), "");
    },
    { code: "ENOSPC" },
  );
  assert.throws(
    () => {
      for (;;) appendFileSync(filler, Buffer.alloc(4096));
    },
    { code: "ENOSPC" },
  );
}

test("requests cut anywhere, and several in one piece, are answered in order", async (t) => {
  const { start, socketPath } = await fixture(t);
  await start();
  const socket = await rawSocket(t, socketPath);
  const requests = Buffer.concat(
    Array.from({ length: 50 }, (_, number) => frame("WRITE", `/n\0${number}`, number)),
  );
  const decoder = createDecoder(4096);
  const reqIds: number[] = [];
  socket.on("data", (chunk) => {
    for (const { reqId } of decoder.push(chunk).messages) reqIds.push(reqId);
  });
  for (const byte of requests.subarray(0, 100)) socket.write(Buffer.from([byte]));
  socket.write(requests.subarray(100));
  await until(() => reqIds.length === 50);
  assert.deepEqual(
    reqIds,
    Array.from({ length: 50 }, (_, number) => number),
  );
});

test("an empty payload and unknown types are answered; the connection stays", async (t) => {
  const { start, socketPath } = await fixture(t);
  await start();
  const socket = await rawSocket(t, socketPath);
  const decoder = createDecoder(4096);
  const replies: string[] = [];
  socket.on("data", (chunk) => {
    for (const { type, txId, payload } of decoder.push(chunk).messages) {
      replies.push(`${messageName(type)} ${txId} ${Buffer.from(payload).toString()}`);
    }
  });
  socket.write(frame("READ", ""));
  socket.write(encodeMessage({ type: 999, reqId: 2, txId: 3, payload: Buffer.alloc(4096) }));
  socket.write(frame("TRANSACTION_START", "", 3));
  await until(() => replies.length === 3);
  assert.deepEqual(replies, ["ERROR 0 EINVAL\0", "ERROR 3 ENOSYS\0", "TRANSACTION_START 0 1\0"]);
});

for (const claimedBytes of [4097, 100_000_000, 0xffffffff]) {
  test(`a claim of ${claimedBytes} bytes costs the connection, after what came before it`, async (t) => {
    const { start, client, socketPath } = await fixture(t);
    await start();
    const other = await client();
    const socket = await rawSocket(t, socketPath);
    const header = Buffer.alloc(16);
    header.writeUInt32LE(claimedBytes, 12);
    socket.resume();
    socket.write(Buffer.concat([frame("WRITE", "/before\0x"), header, Buffer.alloc(1000)]));
    await once(socket, "close");
    assert.equal(await other.read("/before"), "x");
  });
}

test("half a frame and silence disturbs nobody, and its end frees the watches", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  const socket = await rawSocket(t, socketPath);
  socket.write(
    Buffer.concat([frame("WATCH", "/w\0t\0"), frame("READ", "/tool\0").subarray(0, 17)]),
  );
  await once(socket, "data");
  assert.equal(await store.control("check"), "OK");
  socket.destroy();
  await store.write("/w", "x");
});

test("requests of a client that shuts its side down are still done and answered", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  const socket = await rawSocket(t, socketPath);
  const writes = Array.from({ length: 300 }, (_, number) => frame("WRITE", `/n/${number}\0x`));
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.byteLength;
  });
  socket.end(Buffer.concat(writes));
  await once(socket, "close");
  assert.equal(bytes, 300 * 19);
  assert.equal((await store.directory("/n")).length, 300);
});

test("a client that does not read its replies is not read from, and gets them all later", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  await store.write("/value", "x".repeat(4000));
  const socket = await rawSocket(t, socketPath);
  socket.pause();
  const count = 5000;
  const reads = Array.from({ length: count }, (_, number) => frame("READ", "/value\0", number));
  socket.write(Buffer.concat(reads));
  assert.equal(await store.control("check"), "OK", "others are served meanwhile");
  const decoder = createDecoder(4096);
  let replies = 0;
  socket.on("data", (chunk) => {
    replies += decoder.push(chunk).messages.length;
  });
  socket.resume();
  await until(() => replies === count);
});

test("a watcher that does not read loses its connection, and nobody else anything", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  const socket = await rawSocket(t, socketPath);
  socket.write(frame("WATCH", `/w\0${"token".repeat(700)}\0`));
  await once(socket, "data");
  socket.pause();
  const watch = await store.watch("/w");
  // 18 MB of events: more than the socket and the server's queue have room for.
  const rounds = 25;
  for (let round = 0; round < rounds; round += 1) {
    const writes = Array.from({ length: 200 }, (_, number) => `/w/${round}/${number}`);
    await Promise.all(writes.map((path) => store.write(path, "x")));
  }
  assert.equal((await store.directory("/w")).length, rounds);
  socket.resume();
  await once(socket, "close");
  await watch.close();
});

test("a server that cannot listen twice keeps other servers' sockets", async (t) => {
  const { start, socketPath } = await fixture(t);
  const foreign = createServer();
  t.after(() => foreign.close());
  await new Promise<void>((resolve) => foreign.listen(socketPath, resolve));
  await assert.rejects(start(), { code: "IN_USE" });
  assert.ok(statSync(socketPath).isSocket());
});
