// SPDX-License-Identifier: Apache-2.0
// Two requests whose paths lead to one file: only one stream writes it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { describe, it } from "node:test";
import { chainOf } from "../../support/chain.ts";
import { readOrEmpty } from "../../support/cli.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noMount } from "./fixture.ts";

/** The directory of the logs, mounted a second time below itself. */
function bindLogs(bench: Bench): void {
  const logs = dirname(bench.daemon.logPath("x"));
  const bind = bench.daemon.logPath("bind");
  mkdirSync(bind, { recursive: true });
  execFileSync("mount", ["--bind", logs, bind]);
  bench.defer(() => execFileSync("umount", ["-l", bind]));
}

describe("a log that a bind mount shows a second time", { skip: noMount, concurrency: 2 }, () => {
  it("is refused there while a stream has it, also after a rotation, and nothing is changed", async () => {
    await using bench = await Bench.start();
    bindLogs(bench);
    const file = bench.daemon.logPath("nb.log");
    const owner = await bench.stream("owner", { file, limitBytes: 4096, copies: 2 });
    const writer = bench.writer(owner);
    const second = bench.daemon.logPath("bind/nb.log");
    const refused = async (name: string): Promise<void> => {
      await assert.rejects(bench.stream(name, { file: second, limitBytes: 4096, copies: 0 }), {
        code: "refused",
        message: new RegExp(`file ${second} is the log of 1/1 already$`),
      });
    };
    await refused("before");
    const text = ["a", "b"].map((letter) => `${letter.repeat(99)}\n`.repeat(30)).join("");
    writeSync(writer, text);
    const whole = (): string =>
      chainOf(file)
        .map((path) => readOrEmpty(path))
        .join("");
    await waitFor("a copy, and all bytes", () => existsSync(`${file}.1`) && whole() === text);
    await refused("after");
    assert.equal(whole(), text);
    assert.equal(bench.count("LogInterfered"), 0);
  });

  it("goes to the next stream, by either path, when the first one has ended", async () => {
    await using bench = await Bench.start();
    bindLogs(bench);
    const file = bench.daemon.logPath("nb.log");
    const first = await bench.stream("first", { file });
    bench.say(first, "first\n");
    await waitFor("its line", () => readFileSync(file, "utf8") === "first\n");
    await first.close();
    const next = await bench.stream("next", { file: bench.daemon.logPath("bind/nb.log") });
    bench.say(next, "next\n");
    await waitFor("the next line", () => readFileSync(file, "utf8") === "first\nnext\n");
  });
});

describe("the new name of a log that was renamed a moment ago", () => {
  it("is served, and the log that had the file goes on under its own name", async () => {
    await using bench = await Bench.start();
    const one = await bench.stream("a");
    const writer = bench.writer(one);
    writeSync(writer, "before\n");
    await waitFor("its line", () => readFileSync(one.file, "utf8") === "before\n");
    const renamed = bench.daemon.logPath("b.log");
    renameSync(one.file, renamed);
    const two = await bench.stream("b", { file: renamed });
    assert.ok(existsSync(one.file));
    assert.notEqual(statSync(one.file).ino, statSync(renamed).ino);
    writeSync(writer, "after\n");
    bench.say(two, "of two\n");
    await waitFor("one", () => readFileSync(one.file, "utf8") === "after\n");
    await waitFor("two", () => readFileSync(renamed, "utf8") === "before\nof two\n");
    const found = bench.daemon.events.filter(({ msg }) => msg === "LogInterfered");
    assert.deepEqual(
      found.map(({ what, to }) => ({ what, to })),
      [{ what: "renamed", to: "b.log" }],
    );
  });
});
