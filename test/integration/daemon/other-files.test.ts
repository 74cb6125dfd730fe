// SPDX-License-Identifier: Apache-2.0
// Things in the place of the daemon's own files that are none of them: it reads none, changes none,
// waits for none, and starts.

import assert from "node:assert/strict";
import {
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileSystemOf, readMounts } from "../../../src/daemon/pumps/file-systems.ts";
import { makeFifo } from "../../../src/kernel/index.ts";
import { leftBehind, spawnXenlog, testDirectory } from "../../support/cli.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

type Put = (path: string, decoy: string) => void;

const fifo: Put = (path) => makeFifo(path, 0o600);
const link: Put = (path, decoy) => symlinkSync(decoy, path);
const dangling: Put = (path, decoy) => symlinkSync(`${decoy}.none`, path);
const damaged: Put = (path) => writeFileSync(path, "{");
const huge: Put = (path) => {
  writeFileSync(path, "");
  truncateSync(path, 2 ** 40);
};
/** Of another user, where we may make one. */
const foreign: Put = (path) => {
  if (process.getuid?.() === 0) {
    writeFileSync(path, "");
    chownSync(path, 65_534, 65_534);
  } else makeFifo(path, 0o600);
};

describe("a daemon that finds something else in the place of a file of its own", () => {
  it("sets it aside, says so, starts, and leaves it so at its stop", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const state = join(daemon.directory, "state");
    const decoy = join(daemon.directory, "decoy");
    writeFileSync(decoy, "of another program");
    const pool = fileSystemOf(join(daemon.directory, "log"), readMounts());
    const things: Record<string, Put> = {
      "table/vault.json": fifo,
      "table/vault.json.new": fifo,
      [`table/notes-${pool}`]: fifo,
      [`table/pump-${pool}.lock`]: dangling,
      "table/streams/0000000000000001.json": link,
      "table/streams/0000000000000002.json": huge,
      "table/streams/0000000000000003.json": damaged,
      "table/streams/0000000000000004.json": fifo,
      "table/positions/0000000000000005": fifo,
      "table/positions/0000000000000006": foreign,
      "xenstored.process": fifo,
      "xenstored.out": link,
      "xenstore.state": damaged,
    };
    for (const [name, put] of Object.entries(things)) {
      const path = join(state, name);
      mkdirSync(dirname(path), { recursive: true });
      put(path, decoy);
    }
    await daemon.start();
    const handle = await bench.stream("well");
    bench.say(handle, "well\n");
    await waitFor("the line", () => readFileSync(handle.file, "utf8") === "well\n");
    await handle.close();
    await waitFor("its end", () => bench.count("StreamClosed") === 1);
    const aside = Object.keys(things).map((name) => `state/${name}.damaged`);
    const said = daemon.events.filter(({ msg }) => msg === "StateSetAside");
    assert.deepEqual(
      new Set(said.map(({ path }) => String(path).slice(daemon.directory.length + 1))),
      new Set(aside),
    );
    for (const { level, reason } of said) {
      assert.equal(level, "error");
      assert.match(String(reason), /\w{2} \w/);
    }
    assert.equal(readFileSync(decoy, "utf8"), "of another program");
    assert.throws(() => statSync(`${decoy}.none`), { code: "ENOENT" });
    assert.equal(await daemon.stop(), 0);
    const left = leftBehind(daemon.directory).filter((name) => !name.startsWith("log/"));
    assert.deepEqual(new Set(left), new Set([...aside, "state/xenstore.state"]), "with its domain");
  });

  it("refuses to start where its pid file is a link: that may be a lock of another", async () => {
    await using directory = testDirectory();
    const pidFile = join(directory.path, "run/xenlogd.pid");
    mkdirSync(dirname(pidFile));
    symlinkSync("elsewhere", pidFile);
    const args = ["--embedded", "--dir", directory.path];
    const { code, stderr } = await spawnXenlog(args, { name: "xenlogd" }).exited;
    assert.equal(code, 1);
    const reason = `open ${pidFile} failed: a symbolic link is in the way (ELOOP)`;
    assert.equal(stderr, `xenlogd: ${reason}; remove it\n`);
    assert.throws(() => statSync(join(directory.path, "run/elsewhere")), { code: "ENOENT" });
  });
});
