// SPDX-License-Identifier: Apache-2.0
//
// Debian's two xenstored servers without a hypervisor, driven by Debian's own clients: the ground
// that the interoperation tests stand on.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { type DebianProgram, debianProgram } from "../support/debian.ts";
import { startXenstored, type XenstoredKind, xenstoredParts } from "../support/xenstored.ts";

const execute = promisify(execFile);
const parts = await xenstoredParts();
const clientNames = ["write", "read", "ls", "rm", "watch", "exists", "chmod"] as const;
const clients = Object.fromEntries(
  await Promise.all(
    clientNames.map(async (name) => [name, await debianProgram(`xenstore-${name}`)] as const),
  ),
);
const missing = [parts, ...Object.values(clients)].find((part) => !part.found);
const skip = missing?.found === false ? missing.reason : false;

for (const kind of ["c", "ocaml"] as const) {
  test(`${kind}: what xenstore-write writes, xenstore-read, -ls and -rm find`, {
    skip,
  }, async (t) => {
    const { xenstore } = await start(t, kind);
    await xenstore("write", "/libxl/5/logging/1/pipe", "/run/xen/a b");
    assert.equal(await xenstore("read", "/libxl/5/logging/1/pipe"), "/run/xen/a b\n");
    assert.equal(
      await xenstore("ls", "/libxl"),
      '5 = ""\n logging = ""\n  1 = ""\n   pipe = "/run/xen/a b"\n',
    );
    await xenstore("rm", "/libxl/5");
    await assert.rejects(xenstore("exists", "/libxl/5/logging"));
  });

  test(`${kind}: a domain's birth and death fire their watches, and its own nodes go`, {
    skip,
  }, async (t) => {
    const { server, xenstore, watch } = await start(t, kind);
    const births = await watch("@introduceDomain");
    const deaths = await watch("@releaseDomain");
    await server.introduceDomain(5);
    await births.next();
    await xenstore("write", "/local/domain/5/name", "demo");
    await xenstore("write", "/libxl/5/type", "hvm");
    await xenstore("chmod", "/local/domain/5/name", "n5");
    await server.destroyDomain(5);
    await deaths.next();
    await assert.rejects(xenstore("exists", "/local/domain/5/name"));
    assert.equal(await xenstore("read", "/libxl/5/type"), "hvm\n");
  });

  test(`${kind}: a domain that shut down is told as gone, too`, { skip }, async (t) => {
    const { server, watch } = await start(t, kind);
    await server.introduceDomain(7);
    const deaths = await watch("@releaseDomain");
    await server.shutDownDomain(7);
    await deaths.next();
  });

  test(`${kind}: killed and started again in its folder it answers, empty`, { skip }, async (t) => {
    const { server, xenstore, restart } = await start(t, kind);
    await xenstore("write", "/tool/test", "1");
    await server.kill("SIGKILL");
    await restart();
    await assert.rejects(xenstore("exists", "/tool/test"));
  });
}

async function start(t: TestContext, kind: XenstoredKind) {
  assert.ok(parts.found);
  const dir = await mkdtemp(join(tmpdir(), "xenstored-"));
  const options = { kind, dir, parts };
  const server = await startXenstored(options);
  t.after(async () => {
    await server.stop();
    await rm(dir, { recursive: true });
  });
  const env = (client: DebianProgram) => {
    assert.ok(client.found);
    return { path: client.path, env: { ...client.env, XENSTORED_PATH: server.socketPath } };
  };
  return {
    server,
    async restart() {
      const next = await startXenstored(options);
      t.after(() => next.stop());
    },
    async xenstore(name: (typeof clientNames)[number], ...args: string[]): Promise<string> {
      const client = env(clients[name] as DebianProgram);
      return (await execute(client.path, args, { env: client.env, timeout: 20_000 })).stdout;
    },
    /** Resolves when the watch is set: its first line, which every watch fires at once, is read. */
    async watch(path: string) {
      const client = env(clients["watch"] as DebianProgram);
      const child = spawn(client.path, [path], {
        env: client.env,
        stdio: ["ignore", "pipe", "inherit"],
      });
      t.after(() => child.kill());
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      await lines.next();
      return lines;
    },
  };
}
