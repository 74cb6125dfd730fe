// SPDX-License-Identifier: Apache-2.0
// Host mode, without a host: an embedded xenstore plays Xen's, and the daemon is one that answers
// and never does anything.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type ControlServer, startControlServer } from "../../../src/control/index.ts";
import { introduceDomain } from "../../../src/toolstack/index.ts";
import { connectXenstore, type XenstoreClient } from "../../../src/xenstore/index.ts";
import {
  type RunningXenlog,
  spawnXenlog,
  type TestDirectory,
  testDirectory,
  until,
  type XenlogResult,
  xenlog,
} from "../../support/cli.ts";

let directory: TestDirectory;
let store: RunningXenlog;
let xenstore: XenstoreClient;
let daemon: ControlServer;

before(async () => {
  directory = testDirectory();
  const socketPath = join(directory.path, "socket");
  store = spawnXenlog(["xenstored", "--socket", socketPath, "-v"]);
  await until(() => store.stderr() !== "", "the store answers");
  xenstore = await connectXenstore({ socketPath });
  mkdirSync(join(directory.path, "run/xenlogd"), { recursive: true });
  daemon = await startControlServer({
    socketPath: join(directory.path, "run/xenlogd/control.sock"),
    source: {
      status: () => ({
        pid: process.pid,
        version: "0",
        startedAt: new Date(0).toISOString(),
        mode: "host",
        directory: null,
        transient: false,
        xenstore: "connected",
        lostLines: 0,
      }),
      streams: async () => [],
      waitClosed: async () => undefined,
      stop: () => assert.fail("nobody may stop the host's daemon"),
      reload: () => ({ kind: "reloaded" }),
    },
  });
});
after(async () => {
  await xenstore.close();
  await daemon[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

const onHost = (...args: readonly string[]): Promise<XenlogResult> => {
  const { path } = directory;
  const env = { XENSTORED_PATH: `${path}/socket`, XEN_RUN_DIR: `${path}/run`, XEN_LOG_DIR: path };
  return xenlog(args, { env });
};

const refusal = (code: number, sentence: string): object => ({
  code,
  signal: null,
  stdout: "",
  stderr: `xenlog: ${sentence}\n`,
});

describe("on a Xen host", () => {
  it("list asks the host's daemon", async () => {
    const { code, stdout } = await onHost("list", "--json");
    assert.deepEqual([code, stdout], [0, "[]\n"]);
  });

  it("create is 6 for a name that no domain has: none is made up", async () => {
    assert.deepEqual(
      await onHost("create", "--name", "nobody"),
      refusal(6, 'there is no domain with the name "nobody"'),
    );
    assert.equal(await xenstore.exists("/local/domain"), false);
  });

  it("run is 125 for the same, and wants to be told whose log it is", async () => {
    assert.deepEqual(
      await onHost("run", "--name", "nobody", "--", "true"),
      refusal(125, 'there is no domain with the name "nobody"'),
    );
    assert.deepEqual(
      await onHost("run", "--", "true"),
      refusal(125, "on a Xen host run needs one of --name, --domid and --global"),
    );
  });

  it("create is 5 when the daemon does not answer, and takes everything back", async () => {
    const domid = await introduceDomain(xenstore, "guest");
    assert.deepEqual(
      await onHost("create", "--name", "guest", "--timeout", "100ms"),
      refusal(5, `/libxl/${domid}/logging/1 got no answer within 100 ms; is xenlogd running?`),
    );
    assert.equal(await xenstore.exists(`/libxl/${domid}`), false);
    assert.equal(await xenstore.exists(`/local/domain/${domid}`), true);
    assert.equal(existsSync(join(directory.path, "run/xenlogd/fifo")), false);
  });

  it("create does not wait with --no-wait, and has no epoch yet", async () => {
    const { code, stdout } = await onHost("create", "--global", "--no-wait", "--json");
    assert.equal(code, 0);
    const { state, epoch, file, pipe } = JSON.parse(stdout);
    assert.deepEqual([state, epoch], ["pending", null]);
    assert.equal(file, join(directory.path, "xenlogd/host-console.log"));
    assert.ok(pipe.startsWith(join(directory.path, "run/xenlogd/fifo/")));
    assert.equal(await xenstore.read("/libxl/logging/1/pipe"), pipe);
  });

  it("create takes everything back when it is interrupted", async () => {
    const { path } = directory;
    const env = { XENSTORED_PATH: `${path}/socket`, XEN_RUN_DIR: `${path}/run` };
    const running = spawnXenlog(["create", "--global", "--timeout", "1h"], { env });
    await until(() => xenstore.exists("/libxl/logging/2/pipe"), "it has asked");
    running.child.kill("SIGTERM");
    const { code, stdout } = await running.exited;
    assert.deepEqual([code, stdout], [143, ""]);
    assert.equal(await xenstore.exists("/libxl/logging/2"), false);
  });

  it("--dir means an embedded daemon all the same", async () => {
    const { code, stderr } = await onHost("list", "--dir", directory.path);
    assert.equal(code, 3);
    assert.match(stderr, /^xenlog: no xenlogd answers in /);
  });
});
