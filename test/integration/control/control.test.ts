// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  type ControlSource,
  controlClient,
  type DaemonStatus,
  type ReloadOutcome,
  type StreamStatus,
  startControlServer,
} from "../../../src/control/index.ts";

const directory = mkdtempSync(join(tmpdir(), "control-"));
after(() => rmSync(directory, { recursive: true }));
let sockets = 0;
function freshSocket(): string {
  sockets += 1;
  return join(directory, `${sockets}.sock`);
}

const daemonStatus: DaemonStatus = {
  pid: 4711,
  version: "1.2.3",
  startedAt: "2026-01-02T03:04:05.678Z",
  mode: "embedded",
  directory: "/d",
  transient: true,
  xenstore: "connected",
  lostLines: 0,
};

const open: StreamStatus = {
  domid: 1,
  name: "demo",
  log: "console",
  id: 1,
  state: "ready",
  pipe: "/d/run/fifo/a",
  file: "/d/log/demo-console.log",
  limit: 65536,
  copies: 3,
  overflow: "auto",
  epoch: "00ff",
  error: null,
  offset: 10,
  oldestOffset: 0,
  sizeBytes: 10,
  boundBytes: 262144,
  rotations: 0,
  writtenBytes: 10,
  droppedBytes: { "disk full": 3 },
  lastWriteAt: null,
  insertedBytes: {},
  stalled: null,
  dropping: null,
};
const closed: StreamStatus = { ...open, id: 2, state: "closed", epoch: "closed" };

function sourceOf(parts: Partial<ControlSource> = {}): ControlSource {
  return {
    status: () => daemonStatus,
    streams: async ({ all }) => (all ? [open, closed] : [open]),
    waitClosed: async (epoch) => (epoch === "closed" ? closed : undefined),
    stop: () => undefined,
    reload: () => ({ kind: "reloaded" }),
    ...parts,
  };
}

/** Answers every request with this text. */
async function lyingServer(
  status: number,
  body: string,
): Promise<AsyncDisposable & { path: string }> {
  const path = freshSocket();
  const server = createServer((_, response) => response.writeHead(status).end(body));
  server.listen(path);
  await once(server, "listening");
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

describe("the control API", () => {
  it("tells the daemon's and the streams' state as its source does", async () => {
    await using server = await startControlServer({
      socketPath: freshSocket(),
      source: sourceOf(),
    });
    const client = controlClient(server.socketPath);
    assert.deepEqual(await client.status(), daemonStatus);
    assert.deepEqual(await client.streams({ all: false }), [open]);
    assert.deepEqual(await client.streams({ all: true }), [open, closed]);
  });

  it("is for the daemon's own user only", async () => {
    await using server = await startControlServer({
      socketPath: freshSocket(),
      source: sourceOf(),
    });
    assert.equal(statSync(server.socketPath).mode & 0o777, 0o600);
  });

  it("takes the place of a socket that a dead daemon has left", async () => {
    const socketPath = freshSocket();
    writeFileSync(socketPath, "");
    await using server = await startControlServer({ socketPath, source: sourceOf() });
    assert.equal((await controlClient(server.socketPath).status()).pid, 4711);
  });

  it("removes its socket in the end", async () => {
    const server = await startControlServer({ socketPath: freshSocket(), source: sourceOf() });
    await server[Symbol.asyncDispose]();
    assert.equal(statSync(server.socketPath, { throwIfNoEntry: false }), undefined);
    await assert.rejects(controlClient(server.socketPath).status(), {
      code: "unreachable",
      message: `xenlogd at ${server.socketPath} cannot be reached: it does not exist`,
    });
  });

  it("answers a request to stop before it passes it on", async () => {
    const stopped = deferred<void>();
    const source = sourceOf({ stop: () => stopped.resolve() });
    await using server = await startControlServer({ socketPath: freshSocket(), source });
    await controlClient(server.socketPath).stop();
    await stopped.promise;
  });

  it("says whether a configuration was used, and why not", async () => {
    const reason = '/f: [power-loss] has no "sync", only fsync and interval';
    const outcomes: ReloadOutcome[] = [{ kind: "reloaded" }, { kind: "refused", reason }];
    const source = sourceOf({ reload: () => outcomes.shift() ?? { kind: "reloaded" } });
    await using server = await startControlServer({ socketPath: freshSocket(), source });
    const client = controlClient(server.socketPath);
    await client.reload();
    await assert.rejects(client.reload(), { code: "failed", message: reason });
    assert.equal(outcomes.length, 0);
  });

  it("passes on the sentence of a source that fails", async () => {
    const streams = (): Promise<never> => Promise.reject(new Error("the table is gone"));
    await using server = await startControlServer({
      socketPath: freshSocket(),
      source: sourceOf({ streams }),
    });
    const asked = controlClient(server.socketPath).streams({ all: false });
    await assert.rejects(asked, { code: "failed", message: "the table is gone" });
  });
});

describe("waiting for the end of a stream", () => {
  it("is over at once for one that is closed, or that nobody knows", async () => {
    await using server = await startControlServer({
      socketPath: freshSocket(),
      source: sourceOf(),
    });
    const client = controlClient(server.socketPath);
    assert.deepEqual(await client.waitClosed("closed", { timeoutMs: 60_000 }), closed);
    assert.equal(await client.waitClosed("never was", { timeoutMs: 60_000 }), "unknown");
  });

  for (const [what, waitClosed] of [
    ["never settles", () => new Promise<never>(() => undefined)],
    ["rejects when it is aborted", rejectingWhenAborted],
  ] as const) {
    it(`is "open" when the time is up, with a source that ${what}`, async () => {
      const source = sourceOf({ waitClosed });
      await using server = await startControlServer({ socketPath: freshSocket(), source });
      const client = controlClient(server.socketPath);
      assert.equal(await client.waitClosed("00ff", { timeoutMs: 20 }), "open");
    });
  }

  it("gets its answer when the stream is closed", async () => {
    const asked = deferred<void>();
    const end = deferred<StreamStatus>();
    const waitClosed: ControlSource["waitClosed"] = () => {
      asked.resolve();
      return end.promise;
    };
    const source = sourceOf({ waitClosed });
    await using server = await startControlServer({ socketPath: freshSocket(), source });
    const waiting = controlClient(server.socketPath).waitClosed("00ff", { timeoutMs: 60_000 });
    await asked.promise;
    end.resolve({ ...open, state: "closed" });
    assert.deepEqual(await waiting, { ...open, state: "closed" });
  });

  it("ends with the server, and is forgotten when the client goes", async () => {
    const waits: AbortSignal[] = [];
    const [first, second] = [deferred<void>(), deferred<void>()];
    const waitClosed: ControlSource["waitClosed"] = (_, signal) => {
      waits.push(signal);
      (waits.length === 1 ? first : second).resolve();
      return new Promise(() => undefined);
    };
    const source = sourceOf({ waitClosed });
    const server = await startControlServer({ socketPath: freshSocket(), source });
    const client = controlClient(server.socketPath);
    const leaving = new AbortController();
    const left = client.waitClosed("00ff", { timeoutMs: 60_000, signal: leaving.signal });
    await first.promise;
    leaving.abort();
    await assert.rejects(left, { code: "unreachable" });
    if (waits[0]?.aborted === false) await once(waits[0], "abort");

    const staying = client.waitClosed("00ff", { timeoutMs: 60_000 });
    await second.promise;
    await server[Symbol.asyncDispose]();
    assert.equal(await staying, "open");
  });
});

describe("a stranger at the control socket", () => {
  const cases = [
    ["GET", "/", 404, "noSuchPath"],
    ["GET", "/v1/nothing", 404, "noSuchPath"],
    ["GET", "/v1/stop", 404, "noSuchPath"],
    ["GET", "/v1/streams/x/closed?timeoutMs=-1", 400, "badTimeout"],
    ["GET", "/v1/streams/x/closed?timeoutMs=1e3", 400, "badTimeout"],
  ] as const;
  for (const [method, path, status, code] of cases) {
    it(`gets ${status} for ${method} ${path}`, async () => {
      await using server = await startControlServer({
        socketPath: freshSocket(),
        source: sourceOf(),
      });
      const answer = await ask(server.socketPath, method, path, "");
      assert.equal(answer.status, status);
      assert.equal(JSON.parse(answer.body).error.code, code);
    });
  }

  it("cannot make the daemon swallow a long body", async () => {
    await using server = await startControlServer({
      socketPath: freshSocket(),
      source: sourceOf(),
    });
    const answer = await ask(server.socketPath, "POST", "/v1/stop", "x".repeat(5000));
    assert.equal(answer.status, 413);
  });

  it("cannot make the daemon swallow long headers", async () => {
    await using server = await startControlServer({
      socketPath: freshSocket(),
      source: sourceOf(),
    });
    const socket = connect(server.socketPath);
    socket.write(`GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    assert.match(chunk.toString("latin1"), /^HTTP\/1\.1 431 /);
    socket.destroy();
  });
});

describe("a client", () => {
  it("takes an answer for what it is only if it is whole", async () => {
    for (const body of ["", "[]", '{"pid":1}', '{"pid":-1}', "<html>"]) {
      await using server = await lyingServer(200, body);
      await assert.rejects(controlClient(server.path).status(), { code: "protocol" });
    }
  });

  it("ignores fields that a later daemon may add", async () => {
    await using server = await lyingServer(200, JSON.stringify({ ...daemonStatus, later: 1 }));
    assert.deepEqual(await controlClient(server.path).status(), daemonStatus);
  });

  it("says that nobody is there", async () => {
    const socketPath = freshSocket();
    writeFileSync(socketPath, "");
    await assert.rejects(controlClient(socketPath).status(), {
      name: "ControlError",
      code: "unreachable",
      message: `xenlogd at ${socketPath} cannot be reached: nobody listens`,
    });
  });
});

/** Promise.withResolvers, which Node 20 lacks. */
function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let settle: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: (value) => settle(value) };
}

function rejectingWhenAborted(_: string, signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

async function ask(
  socketPath: string,
  method: string,
  path: string,
  body: string,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const sent = request({ socketPath, method, path, agent: false });
  sent.end(body);
  const [message] = await once(sent, "response");
  let text = "";
  for await (const chunk of message.setEncoding("utf8")) text += chunk;
  return { status: message.statusCode, body: text };
}
