// SPDX-License-Identifier: Apache-2.0
// The daemon's requests to xenstored, as a relay between the two sees them: a request is judged, and
// answered, in transactions.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { makeFifo } from "../../../src/kernel/index.ts";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import { messageName, payloadBytesMax } from "../../../src/xenstore/message.ts";
import { startXenstoreServer } from "../../../src/xenstore/server/index.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

interface Call {
  readonly name: string | undefined;
  readonly txId: number;
  readonly path: string;
}

/** Passes everything on, and notes what clients ask for. */
async function relay(path: string, to: string, calls: Call[]): Promise<Server> {
  const server = createServer((client) => {
    const decoder = createDecoder(payloadBytesMax);
    const upstream = createConnection(to);
    client.on("data", (chunk: Buffer) => {
      for (const { type, txId, payload } of decoder.push(chunk).messages) {
        const [text = ""] = Buffer.from(payload).toString().split("\0");
        calls.push({ name: messageName(type), txId, path: text });
      }
    });
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
  });
  await once(server.listen(path), "listening");
  return server;
}

// contract: C33, C35
it("the daemon reads nodes and permissions, and answers, in one transaction each", async () => {
  const directory = mkdtempSync(join(tmpdir(), "xenlogd-relay-"));
  const [behind, before] = [join(directory, "behind"), join(directory, "before")];
  const calls: Call[] = [];
  const server = await startXenstoreServer({ socketPath: behind });
  const between = await relay(before, behind, calls);
  try {
    await using daemon = TestDaemon.onHost(before);
    await daemon.start();
    await using xenstore = await connectXenstore({ socketPath: behind });
    const base = "/libxl/5/logging/1";
    const pipe = join(daemon.fifoDirectory, "x-0123456789abcdef");
    makeFifo(pipe, 0o600);
    await xenstore.transaction(async (transaction) => {
      const nodes = { pipe, file: daemon.logPath("x.log"), limit: "4096", copies: "0" };
      for (const [node, value] of Object.entries(nodes)) {
        await transaction.write(`${base}/${node}`, value);
      }
    });
    await waitFor("an answer", () => xenstore.exists(`${base}/state`));

    const write = calls.findIndex(({ name, path }) => name === "WRITE" && path === `${base}/state`);
    const answer = calls[write];
    assert.ok(answer !== undefined && answer.txId !== 0, "in a transaction");
    const read = calls.slice(0, write).filter(({ txId }) => txId === answer.txId);
    assert.ok(read.some(({ name, path }) => name === "READ" && path === `${base}/pipe`));

    // Not `pipe`: the search for orphaned FIFOs reads it as well.
    const judging = calls.find(({ name, path }) => name === "READ" && path === `${base}/limit`);
    assert.ok(judging !== undefined && judging.txId !== 0, "in a transaction");
    const judged = calls.filter(({ txId }) => txId === judging.txId);
    const asked = (wanted: string): ReadonlySet<string> =>
      new Set(judged.filter(({ name }) => name === wanted).map(({ path }) => path));
    const nodes = ["copies", "file", "limit", "pipe"].map((node) => `${base}/${node}`);
    assert.deepEqual(asked("READ"), new Set(nodes));
    assert.deepEqual(asked("GET_PERMS"), new Set([base, ...nodes]));
    await xenstore.rm("/libxl/5");
  } finally {
    between.close();
    await server.close();
    rmSync(directory, { recursive: true });
  }
});
