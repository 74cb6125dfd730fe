// SPDX-License-Identifier: Apache-2.0
//
// The package as users get it: packed, installed with its dependencies in an empty folder, and run on
// the Node of the host, not on the one of development.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startXenstoreServer } from "../../src/xenstore/server/index.ts";
import { userEnvironment } from "../support/user-environment.ts";

const execute = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url));
const development = join(repository, "node_modules/.bin");
const installMsMax = 120_000;
const stepMsMax = 30_000;

describe("the package", () => {
  let folder: string;
  let packed: readonly string[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "xenlogd-package-"));
    await run("node", [join(repository, "scripts/setup.mjs"), "build"]);
    const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
    const [made] = JSON.parse(await run("npm", args, { cwd: repository }));
    packed = made.files.map(({ path }: { readonly path: string }) => path);
    await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    // What `npm ci` has downloaded for this checkout is in npm's cache.
    const quiet = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    await run("npm", ["install", "--omit=dev", ...quiet, join(folder, made.filename)], {
      timeout: installMsMax,
    });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("holds programs, types, documents, example and unit, and no source map", () => {
    for (const path of [
      "dist/bin/xenlog.js",
      "dist/bin/xenlogd.js",
      "dist/index.d.ts",
      "dist/xenstore/server/index.d.ts",
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "docs/contract.md",
      "docs/library.md",
      "docs/operations.md",
      "examples/toolstack.mjs",
      "packaging/xenlogd.service",
    ]) {
      assert.ok(packed.includes(path), path);
    }
    const others = packed.filter((path) => /\.map$|^(src|test|scripts)\/|\.built-from$/.test(path));
    assert.deepEqual(others, []);
  });

  test("is clean for publint", async () => {
    await run("node", [
      join(development, "publint"),
      "run",
      repository,
      "--strict",
      "--pack",
      "false",
    ]);
  });

  test("its programs and its three doors load on the host's Node", async (t) => {
    t.diagnostic(`Node ${(await run("node", ["--version"])).trim()}`);
    const { version } = JSON.parse(await readFile(join(repository, "package.json"), "utf8"));
    assert.match(await run("npx", ["--no-install", "xenlog", "--version"]), new RegExp(version));
    const script = `
      const names = ["xenlogd", "xenlogd/xenstore", "xenlogd/xenstore/server"];
      const doors = await Promise.all(names.map((name) => import(name)));
      console.log(doors.map((door) => Object.keys(door).length > 0).join());`;
    const printed = await run("node", ["--input-type=module", "-e", script]);
    assert.equal(printed, "true,true,true\n");
  });

  test("its example has the right types, runs on the host's Node, and logs through its daemon", async () => {
    const installed = join(folder, "node_modules/xenlogd/examples/toolstack.mjs");
    await cp(installed, join(folder, "example.mjs"));
    const types = ["--types", "node", "--typeRoots", join(repository, "node_modules/@types")];
    const target = ["--target", "es2022", "--lib", "es2023,esnext.disposable", "--strict"];
    const compiler = join(repository, "node_modules/typescript/bin/tsc");
    const checked = ["--module", "nodenext", "--checkJs", "--noEmit", "example.mjs"];
    await run("node", [compiler, ...target, ...types, ...checked]);

    const places = { XEN_RUN_DIR: join(folder, "run"), XEN_LOG_DIR: join(folder, "log") };
    await Promise.all(Object.values(places).map((path) => mkdir(path)));
    const socketPath = join(folder, "xenstored");
    await using _server = await startXenstoreServer({ socketPath });
    const env = { ...userEnvironment, ...places, XENSTORED_PATH: socketPath };
    const program = join(folder, "node_modules/.bin/xenlogd");
    const daemon = spawn(program, { env, stdio: "ignore" });
    const ended = once(daemon, "exit");
    try {
      for (const example of [installed, "example.mjs"]) {
        await run("node", [example, "sh", "-c", "echo out; echo err >&2"], { env });
      }
    } finally {
      daemon.kill("SIGTERM");
      await ended;
    }
    const log = join(places.XEN_LOG_DIR, "xenlogd/host-example.log");
    assert.equal(await readFile(log, "utf8"), "out\nerr\n".repeat(2));
  });

  async function run(
    file: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv; timeout?: number } = {},
  ): Promise<string> {
    const defaults = { cwd: folder, env: userEnvironment, timeout: stepMsMax };
    return (await execute(file, args, { ...defaults, ...options })).stdout;
  }
});
