// SPDX-License-Identifier: Apache-2.0
// The start of a program that reports on a descriptor, with shells that report or do not.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  type AwaitOptions,
  awaitEnd,
  type StartOutcome,
  startAndAwaitNotice,
  startProgram,
} from "../../../src/program/start.ts";

const directory = mkdtempSync(join(tmpdir(), "start-"));
after(() => rmSync(directory, { recursive: true }));

const patient: AwaitOptions = { readyMsMax: 20_000, endMsMax: 20_000 };
const ready = `echo '{"ready":true}' >&3`;

function start(script: string, options: Partial<AwaitOptions> = {}): Promise<StartOutcome> {
  const program = { command: "sh", args: ["-c", script] };
  return startAndAwaitNotice(program, { ...patient, ...options });
}

/** Ends the process that an outcome has left running. */
async function end(outcome: StartOutcome): Promise<void> {
  if (!("child" in outcome)) return;
  outcome.child.kill("SIGKILL");
  assert.ok(await awaitEnd(outcome.child, 20_000));
}

describe("a program that is started", () => {
  it("is ready when it says so, though it keeps the descriptor open", async () => {
    const pids: (number | undefined)[] = [];
    const outcome = await start(`${ready}; exec sleep 60`, {
      onStarted: ({ pid }) => pids.push(pid),
    });
    assert.ok(outcome.kind === "ready");
    assert.deepEqual(pids, [outcome.child.pid]);
    await end(outcome);
  });

  it("has a session of its own and the directory, environment and output that are given", async () => {
    const script = `pwd; echo "$WORD"; cut -d' ' -f5,6 /proc/self/stat; echo error >&2; ${ready}`;
    const outcome = await start(`{ ${script}; } >out 2>&1; echo $$ >pid; exec sleep 60`, {
      directory,
      environment: { WORD: "word", PATH: process.env["PATH"] },
    });
    assert.equal(outcome.kind, "ready");
    await end(outcome);
    const [pwd, word, group, error] = readFileSync(join(directory, "out"), "utf8").split("\n");
    const { pid } = (outcome as Extract<StartOutcome, { kind: "ready" }>).child;
    assert.deepEqual([pwd, word, group, error], [directory, "word", `${pid} ${pid}`, "error"]);
  });

  it("fails with its own words, and has ended by then", async () => {
    const notice = { error: { code: "bad", message: "it is bad" }, exitCode: 7 };
    const outcome = await start(
      `echo '${JSON.stringify(notice)}' >&3; sleep 0.2; echo >${directory}/gone`,
    );
    assert.deepEqual(outcome, {
      kind: "failed",
      notice: { kind: "failed", code: "bad", message: "it is bad", exitCode: 7 },
    });
    assert.equal(readFileSync(join(directory, "gone"), "utf8"), "\n");
  });

  it("has ended when it says nothing, or half a notice", async () => {
    assert.deepEqual(await start("exit 3"), { kind: "ended", signal: null });
    assert.deepEqual(await start("printf '{\"rea' >&3"), { kind: "ended", signal: null });
    assert.deepEqual(await start("kill -9 $$"), { kind: "ended", signal: "SIGKILL" });
  });

  it("has ended although a child of it keeps the descriptor open", async () => {
    const outcome = await start("sleep 60 & echo $! >child; exit 1", { directory });
    process.kill(Number(readFileSync(join(directory, "child"), "utf8")), "SIGKILL");
    assert.deepEqual(outcome, { kind: "ended", signal: null });
  });

  it("is ready although it has ended since, and a child of it keeps the descriptor open", async () => {
    const outcome = await start(`sleep 60 & echo $! >child; ${ready}`, { directory });
    process.kill(Number(readFileSync(join(directory, "child"), "utf8")), "SIGKILL");
    assert.equal(outcome.kind, "ready");
    await end(outcome);
  });

  it("is late when it runs without a word, with or without its descriptor", async () => {
    const silent = await start("exec sleep 60", { readyMsMax: 50 });
    assert.equal(silent.kind, "late");
    await end(silent);
    const closed = await start("exec 3>&-; exec sleep 60", { endMsMax: 50 });
    assert.equal(closed.kind, "late");
    await end(closed);
  });

  const impossible: readonly (readonly [string, string, readonly string[]])[] = [
    ["does not exist", join(directory, "nothing"), []],
    ["is no program", directory, []],
    ["is too long", "sh", ["x".repeat(1 << 22)]],
  ];
  for (const [what, command, args] of impossible) {
    it(`is not started when it ${what}`, async () => {
      const outcome = await startAndAwaitNotice({ command, args }, patient);
      assert.ok(outcome.kind === "notStarted", outcome.kind);
      assert.ok(outcome.error instanceof Error);
    });
  }

  it("is ended when the caller cannot record it, and the error is passed on", async () => {
    const started = start("read line; exit 0", {
      onStarted: ({ pid }) => {
        process.kill(pid ?? 0, "SIGKILL");
        throw new Error("no space");
      },
    });
    await assert.rejects(started, { message: "no space" });
  });
});

describe("the end of a program", () => {
  it("is awaited, for a time", async () => {
    const child = startProgram({ command: "sleep", args: ["60"] });
    assert.equal(await awaitEnd(child, 20), false);
    child.kill("SIGKILL");
    assert.equal(await awaitEnd(child, 20_000), true);
    assert.equal(await awaitEnd(child, 0), true);
  });

  it("is awaited by a process that has nothing else to do", async () => {
    const module = new URL("../../../src/program/start.ts", import.meta.url).href;
    const script = `import { awaitEnd, startProgram } from ${JSON.stringify(module)};
const child = startProgram({ command: "sleep", args: ["60"] });
child.unref();
const hasEnded = await awaitEnd(child, 50);
process.kill(child.pid, "SIGKILL");
process.exit(hasEnded ? 1 : 42);`;
    const program = { command: process.execPath, args: ["--input-type=module", "--eval", script] };
    const child = startProgram(program, { stderr: 2 });
    await awaitEnd(child, 60_000);
    assert.equal(child.exitCode, 42);
  });
});
