// SPDX-License-Identifier: Apache-2.0
// Debian's own xenstore programs, which know nothing of us, against the embedded server.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startXenstoreServer } from "../../src/xenstore/server/index.ts";
import { type DebianProgram, debianProgram } from "../support/debian.ts";

type FoundProgram = Extract<DebianProgram, { found: true }>;

interface Result {
  readonly exitCode: number;
  readonly stdout: string;
}

interface Interop {
  /** Environment that points libxenstore at the embedded server. */
  environment(program: FoundProgram): NodeJS.ProcessEnv;
  run(name: string, ...args: readonly string[]): Promise<Result>;
}

const programMsMax = 60_000;

/** undefined when the programs are not to be had here; the test is then skipped, with the reason. */
async function interop(t: TestContext, ...names: readonly string[]): Promise<Interop | undefined> {
  const programs = new Map<string, FoundProgram>();
  for (const name of names) {
    const program = await debianProgram(name);
    if (!program.found) {
      t.skip(program.reason);
      return undefined;
    }
    programs.set(name, program);
  }
  const folder = await mkdtemp(join(tmpdir(), "xenstore-interop-"));
  const socketPath = join(folder, "socket");
  const server = await startXenstoreServer({ socketPath });
  t.after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const environment = ({ env }: FoundProgram): NodeJS.ProcessEnv => ({
    ...env,
    XENSTORED_PATH: socketPath,
  });
  const run = (name: string, ...args: readonly string[]): Promise<Result> => {
    const program = programs.get(name);
    assert.ok(program, `${name} was not asked for`);
    const options = { env: environment(program), timeout: programMsMax };
    return new Promise((resolve) => {
      execFile(program.path, [...program.args, ...args], options, (error, stdout) => {
        const exitCode = error === null ? 0 : Number(error.code ?? -1);
        resolve({ exitCode, stdout });
      });
    });
  };
  return { environment, run };
}

test("xenstore-write, -read, -list, -ls, -exists, -chmod and -rm work", async (t) => {
  const names = ["write", "read", "list", "ls", "exists", "chmod", "rm"];
  const store = await interop(t, ...names.map((name) => `xenstore-${name}`));
  if (store === undefined) return;
  const rows: readonly (readonly [command: string, exitCode: number, stdout: string])[] = [
    ["write /a/b one /a/c two", 0, ""],
    ["read /a/b /a/c", 0, "one\ntwo\n"],
    ["read /a/no", 1, ""],
    ["list /a", 0, "b\nc\n"],
    ["exists /a/b", 0, ""],
    ["exists /a/no", 1, ""],
    ["chmod /a n0 b0", 0, ""],
    ["ls -f /a", 0, '/a/b = "one"\n/a/c = "two"\n'],
    ["rm /a/b", 0, ""],
    ["list /a", 0, "c\n"],
    ["write rel own", 0, ""],
    ["read /local/domain/0/rel", 0, "own\n"],
  ];
  for (const [command, exitCode, stdout] of rows) {
    const [name = "", ...args] = command.split(" ");
    assert.deepEqual(await store.run(`xenstore-${name}`, ...args), { exitCode, stdout }, command);
  }
});

test("xenstore-list shows a directory that fills many messages", async (t) => {
  const store = await interop(t, "xenstore-write", "xenstore-list");
  if (store === undefined) return;
  const names = Array.from({ length: 600 }, (_, number) => `a-rather-long-name-${number}`);
  await store.run("xenstore-write", ...names.flatMap((name) => [`/big/${name}`, "x"]));
  const { stdout } = await store.run("xenstore-list", "/big");
  assert.deepEqual(new Set(stdout.trim().split("\n")), new Set(names));
});

test("xenstore-watch is told of a change made by xenstore-write", async (t) => {
  const store = await interop(t, "xenstore-watch", "xenstore-write");
  const program = await debianProgram("xenstore-watch");
  if (store === undefined || !program.found) return;
  const child = spawn(program.path, ["-n", "2", "/w"], {
    env: store.environment(program),
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  // It prints through a buffer only when it ends, so its first event cannot be waited for here.
  let told = "";
  child.stdout.on("data", (chunk: Buffer) => {
    told += chunk.toString();
  });
  while (child.exitCode === null) {
    await store.run("xenstore-write", "/w/x", "1");
    if (child.exitCode === null) await Promise.race([exited, new Promise(setImmediate)]);
  }
  await exited;
  assert.equal(told, "/w\n/w/x\n");
});

test("test-xenstore passes all its tests", async (t) => {
  const store = await interop(t, "test-xenstore");
  if (store === undefined) return;
  const { exitCode, stdout } = await store.run("test-xenstore", "-i", "10000");
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^ta err\s*: avg/m);
});
