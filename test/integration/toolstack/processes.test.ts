// SPDX-License-Identifier: Apache-2.0
// The toolstack's side as processes of their own: four creators at once, a shell, the example.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { libxlRoot } from "../../../src/contract/index.ts";
import { debianProgram } from "../../support/debian.ts";
import { servers, startStandIn, startTestStore, tree } from "./store.ts";

const cycler = fileURLToPath(new URL("cycler.ts", import.meta.url));
const contractDocument = fileURLToPath(new URL("../../../docs/contract.md", import.meta.url));
const example = fileURLToPath(new URL("../../../examples/toolstack.mjs", import.meta.url));
const library = new URL("../../../src/index.ts", import.meta.url).href;
/** The example imports the package by its name: here that is src/, elsewhere dist/. */
const nameToSource = `data:text/javascript,import { registerHooks } from "node:module";
  registerHooks({
    resolve: (name, context, next) => next(name === "xenlogd" ? "${library}" : name, context),
  });`;

for (const { kind, skip } of servers) {
  describe(`processes on ${kind}`, { skip }, () => {
    it("four of them make and close 200 logs of one domain, and leave no node", async () => {
      await using store = await startTestStore(kind);
      const ids = new Set<number>();
      await using _daemon = await startStandIn(store.client, (key) => {
        ids.add(key.id);
        return { state: "ready" };
      });
      const exits = ["a", "b", "c", "d"].map((name) =>
        run(process.execPath, [cycler, store.socketPath, store.fifoDirectory, name, "50"]),
      );
      assert.deepEqual(
        (await Promise.all(exits)).map(({ exitCode }) => exitCode),
        [0, 0, 0, 0],
      );
      assert.deepEqual(await tree(store.client, libxlRoot), {});
      assert.equal((await store.fifos()).length, 200, "one for each, and the daemon's to delete");
      // No more than four at a time, and the lowest free id each time.
      assert.ok(Math.max(...ids) <= 4, [...ids].join());
    });
  });
}

const tools = await Promise.all(
  ["xenstore-write", "xenstore-read", "xenstore-rm"].map((name) => debianProgram(name)),
);
const missingTool = tools.find((tool) => !tool.found);
const toolsSkip = missingTool?.found === false ? missingTool.reason : false;

for (const { kind, skip } of servers) {
  describe(`the shell script of docs/contract.md on ${kind}`, { skip: skip || toolsSkip }, () => {
    for (const state of ["ready", "failed"] as const) {
      // contract: C61, C87, C88
      it(`needs only mkfifo and Debian's xenstore tools, and sees ${state}`, async () => {
        await using store = await startTestStore(kind);
        const readers: number[] = [];
        await using _daemon = await startStandIn(store.client, (_key, pipe) => {
          readers.push(openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK));
          return state === "ready" ? { state } : { state, error: "no room" };
        });
        await mkdir(store.fifoDirectory);
        const said = await run("sh", ["-euc", scriptFor(store.fifoDirectory)], {
          ...toolEnvironment(),
          XENSTORED_PATH: store.socketPath,
        });
        assert.deepEqual(said, { exitCode: 0, output: state === "ready" ? "" : "no room\n" });
        assert.deepEqual(
          readers.map((fd) => readFileSync(fd, "utf8")),
          [state === "ready" ? "out\nerr\n" : ""],
        );
        for (const fd of readers) closeSync(fd);
        assert.equal(await store.client.exists("/libxl/5/logging/1"), false);
        assert.equal((await store.fifos()).length, state === "ready" ? 1 : 0);
      });
    }
  });
}

/** The document's own words, with another directory and a program that says something. */
function scriptFor(fifoDirectory: string): string {
  const [, script = ""] = /```sh\n(.*?)```/s.exec(readFileSync(contractDocument, "utf8")) ?? [];
  return script
    .replaceAll("/run/xen/xenlogd/fifo", fifoDirectory)
    .replace("some-program", "sh -c 'echo out; echo err >&2'");
}

function toolEnvironment(): NodeJS.ProcessEnv {
  const found = tools.filter((tool) => tool.found);
  const path = [...found.map((tool) => dirname(tool.path)), process.env["PATH"]].join(delimiter);
  return { ...found[0]?.env, PATH: path };
}

describe("examples/toolstack.mjs", () => {
  it("has at most 20 lines and logs what its command says on both descriptors", async () => {
    assert.ok(readFileSync(example, "utf8").trimEnd().split("\n").length <= 20);
    await using store = await startTestStore();
    const runDirectory = await mkdtemp(join(tmpdir(), "xenlogd-example-"));
    const readers: number[] = [];
    await using _daemon = await startStandIn(store.client, (_key, pipe) => {
      readers.push(openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK));
      return { state: "ready" };
    });
    const { exitCode } = await run(
      process.execPath,
      ["--import", nameToSource, example, "sh", "-c", "echo out; echo err >&2; exit 3"],
      {
        XENSTORED_PATH: store.socketPath,
        XEN_RUN_DIR: runDirectory,
      },
    );
    assert.equal(exitCode, 3);
    assert.deepEqual(
      readers.map((fd) => readFileSync(fd, "utf8")),
      ["out\nerr\n"],
    );
    for (const fd of readers) closeSync(fd);
    assert.deepEqual(await tree(store.client, libxlRoot), {});
    await rm(runDirectory, { recursive: true });
  });

  it("prints one sentence where it cannot, and ends", async () => {
    await using store = await startTestStore();
    const runDirectory = await mkdtemp(join(tmpdir(), "xenlogd-example-"));
    await using _daemon = await startStandIn(store.client);
    const say = async (socketPath: string, command: string): Promise<object> => {
      const words = ["--import", nameToSource, example, command];
      const script = ["-c", 'exec "$0" "$@" 2>&1', process.execPath, ...words];
      return await run("sh", script, { XENSTORED_PATH: socketPath, XEN_RUN_DIR: runDirectory });
    };
    assert.deepEqual(await say("/dev/null", "true"), {
      exitCode: 1,
      output:
        "example: cannot reach xenstored at /dev/null: /dev/null is neither a socket nor xenstore's device\n",
    });
    assert.deepEqual(await say(store.socketPath, "/nonexistent/command"), {
      exitCode: 1,
      output: "example: spawn /nonexistent/command ENOENT\n",
    });
    assert.deepEqual(await tree(store.client, libxlRoot), {});
    await rm(runDirectory, { recursive: true });
  });
});

async function run(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ readonly exitCode: number; readonly output: string }> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const exited = once(child, "exit");
  const output = Buffer.concat(await child.stdout.toArray()).toString();
  return { exitCode: (await exited)[0], output };
}
