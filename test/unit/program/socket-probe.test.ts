// SPDX-License-Identifier: Apache-2.0
// The probe of a UNIX socket, with real sockets in every state that a server leaves them in.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { probeSocket } from "../../../src/program/index.ts";

const directory = mkdtempSync(join(tmpdir(), "probe-"));
const path = (name: string): string => join(directory, name);
let server: Server;

before(async () => {
  chmodSync(directory, 0o755);
  server = createServer((socket) => socket.destroy());
  await once(server.listen(path("server")), "listening");
});
after(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/** A process that listens with a backlog of 1 and never accepts: connections fill its queue. */
async function deafServer(socketPath: string): Promise<ChildProcess> {
  const script = `import socket,sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(0)
print("listening", flush=True); sys.stdin.read()`;
  const child = spawn("python3", ["-c", script, socketPath], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

describe("the probe of a socket", () => {
  it("says that a server answers", async () => {
    assert.equal(await probeSocket(path("server")), "answers");
  });

  it("says that a server with a full backlog answers", async (t) => {
    if (spawnSync("python3", ["-c", ""]).status !== 0) return t.skip("there is no python3");
    const deaf = await deafServer(path("deaf"));
    try {
      // With listen(0) the kernel queues one connection; the next one gets EAGAIN.
      for (let connection = 1; connection <= 3; connection += 1) {
        assert.equal(await probeSocket(path("deaf")), "answers");
      }
    } finally {
      deaf.kill("SIGKILL");
      await once(deaf, "exit");
    }
    assert.equal(await probeSocket(path("deaf")), "refused", "its file is left");
  });

  it("says that another user's server answers", (t) => {
    if (process.getuid?.() !== 0) return t.skip("only root can become another user");
    chmodSync(path("server"), 0o600);
    const probe = new URL("../../../src/program/portable/socket-probe.ts", import.meta.url).href;
    const script = `import { probeSocket } from ${JSON.stringify(probe)};
process.setgroups([]); process.setgid(65534); process.setuid(65534);
console.log(await probeSocket(${JSON.stringify(path("server"))}));`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script],
      { encoding: "utf8" },
    );
    assert.equal(stdout, "answers\n", stderr);
  });

  it("says that nothing listens on a file that is no socket", async () => {
    writeFileSync(path("file"), "");
    assert.equal(await probeSocket(path("file")), "refused");
  });

  it("says that there is no file", async () => {
    assert.equal(await probeSocket(path("nothing")), "absent");
    assert.equal(await probeSocket(path("no/directory")), "absent");
    assert.equal(await probeSocket(path("file/below")), "absent");
  });

  it("never rejects: not for a path that no socket can have", async () => {
    for (const impossible of [path("x".repeat(200)), "a\0b"]) {
      assert.equal(await probeSocket(impossible), "silent", JSON.stringify(impossible));
    }
  });
});
