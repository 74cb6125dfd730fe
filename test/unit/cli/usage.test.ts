// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runMain } from "./context.ts";

const noDaemon =
  "neither xenlogd nor xenstored answers on this host (looked at /nonexistent/run/xenlogd/control.sock, /nonexistent/xenstored/socket): name an embedded daemon with --dir, such as --dir /nonexistent/home/.local/state/xenlogd";

describe("a command line that is not one", () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ["bogus", 2, "unknown command 'bogus'; xenlog help lists the commands"],
    ["list --bogus", 2, "unknown option '--bogus'; see xenlog help list"],
    ["--bogus list", 2, "unknown option '--bogus'; see xenlog help"],
    ["list --al", 2, "unknown option '--al' (Did you mean --all?); see xenlog help list"],
    ["list a b", 2, 'too many arguments for list: "b"; see xenlog help list'],
    ["list --dir", 2, "option '--dir <D>' argument missing; see xenlog help list"],
    ["list --dir=", 2, "--dir is empty"],
    ["run --config= -- true", 125, "--config is empty"],
    ["reload now", 2, 'too many arguments for reload: "now"; see xenlog help reload'],
    [
      "reload --config F",
      2,
      "reload takes no --config: the daemon reads the file again that it was started with",
    ],
    ["reload", 3, noDaemon],
    [
      "list --color maybe",
      2,
      "option '--color <when>' argument 'maybe' is invalid. Allowed choices are auto, always, never.",
    ],
    ["close", 2, "missing required argument 'DOMAIN'; see xenlog help close"],
    ["create", 2, "create needs one of --name, --domid and --global"],
    ["create --name a --domid 1", 2, "only one of --name, --domid and --global can be given"],
    ["create --name a --rate 1MiB", 2, "--rate and --burst can only be given together"],
    ["create --name a --burst 1MiB", 2, "--rate and --burst can only be given together"],
    ["run", 125, "missing required argument 'COMMAND'; see xenlog help run"],
    ["run --", 125, "missing required argument 'COMMAND'; see xenlog help run"],
    ["run --bogus -- true", 125, "unknown option '--bogus'; see xenlog help run"],
    ["run --limit", 125, "option '--limit <S>' argument missing; see xenlog help run"],
    ["run --name a --global -- true", 125, "only one of --name, --domid and --global can be given"],
    ["list", 3, noDaemon],
    ["create --name demo", 3, noDaemon],
    ["close demo", 3, noDaemon],
    ["xenstored --notify-fd 1", 2, '--notify-fd is "1"; it must be a descriptor above 2'],
  ];
  for (const [line, code, sentence] of cases) {
    it(`is answered with one sentence and ${code}: xenlog ${line}`, async () => {
      const argv = line.split(" ");
      assert.deepEqual(await runMain(argv), { code, stdout: "", stderr: `xenlog: ${sentence}\n` });
    });
  }
});

describe("a bad value", () => {
  const limit = "it must be a whole number of bytes from 4096 to 9007199254740991";
  const copies = "it must be a whole number from 0 to 1000";
  const cases: readonly (readonly [string, string, string])[] = [
    ["--limit", "-5", `--limit is "-5"; ${limit}`],
    ["--limit", "1.5", `--limit is "1.5"; ${limit}`],
    ["--limit", "0", `--limit is "0"; ${limit}`],
    ["--limit", "4095", `--limit is "4095"; ${limit}`],
    ["--limit", "3KiB", `--limit is "3KiB"; ${limit}`],
    ["--limit", "9007199254740993", `--limit is "9007199254740993"; ${limit}`],
    ["--limit", "9999999999GiB", `--limit is "9999999999GiB"; ${limit}`],
    [
      "--limit",
      "many",
      '--limit is "many", which is not a size; write it as 65536 or 64KiB for example',
    ],
    ["--limit", "64K", '--limit is "64K", which is not a size; write it as 65536 or 64KiB'],
    ["--limit", "1MB", '--limit is "1MB", which is not a size; write it as 1048576 or 1MiB'],
    [
      "--limit",
      "64parsec",
      '--limit is "64parsec", which is not a size; the units are KiB, MiB and GiB',
    ],
    ["--copies", "-1", `--copies is "-1"; ${copies}`],
    ["--copies", "2.5", `--copies is "2.5"; ${copies}`],
    ["--copies", "few", `--copies is "few"; ${copies}`],
    ["--copies", "1001", `--copies is "1001"; ${copies}`],
    ["--copies", "9007199254740993", `--copies is "9007199254740993"; ${copies}`],
    ["--overflow", "wait", '--overflow is "wait"; it must be auto, block or drop'],
    ["--log", "a/b", '--log is "a/b"; it must not contain a slash'],
    ["--log", "7", '--log is "7"; a number means a log\'s id'],
    ["--name", "", '--name is ""; it must not be empty'],
    ["--name", "host", '--name is "host"; that word means the host itself'],
    ["--name", "12", '--name is "12"; a number means a domid'],
    ["--domid", "99999", '--domid is "99999"; it must be a whole number from 0 to 32751'],
    [
      "--domid",
      "05",
      '--domid is "05"; it must be a whole number from 0 to 32751, without leading zeros',
    ],
    ["--file", "", "--file is empty"],
  ];
  for (const [option, value, sentence] of cases) {
    it(`is refused by create with 2 and by run with 125: ${option} ${value}`, async () => {
      const stderr = `xenlog: ${sentence}\n`;
      const owner = option === "--name" || option === "--domid" ? [] : ["--name", "demo"];
      assert.deepEqual(await runMain(["create", ...owner, option, value]), {
        code: 2,
        stdout: "",
        stderr,
      });
      assert.deepEqual(await runMain(["run", option, value, "--", "true"]), {
        code: 125,
        stdout: "",
        stderr,
      });
    });
  }

  it("is refused when only limit and copies together are too much", async () => {
    const values = ["--limit", "9007199254740991", "--copies", "1"];
    const { code, stderr } = await runMain(["create", "--name", "demo", ...values]);
    assert.equal(code, 2);
    assert.equal(
      stderr,
      "xenlog: limit 9007199254740991 and copies 1 allow more than 9007199254740991 bytes on disk; make one of them smaller\n",
    );
  });

  it("is refused of a time-out", async () => {
    const refuse = async (value: string): Promise<string> =>
      (await runMain(["create", "--name", "a", "--timeout", value])).stderr;
    assert.equal(
      await refuse("soon"),
      'xenlog: --timeout is "soon", which is not a duration; write it as 250ms, 10s, 10m or 2h\n',
    );
    assert.equal(await refuse("0ms"), 'xenlog: --timeout is "0ms"; it must be at least 1ms\n');
  });

  it("is found before COMMAND is looked for, and COMMAND before anything is started", async () => {
    const bad = await runMain(["run", "--limit", "1", "--", "no such command"]);
    assert.equal(bad.code, 125);
    const missing = await runMain(["run", "--dir", "/nonexistent", "--", "nope"]);
    assert.deepEqual(missing, {
      code: 127,
      stdout: "",
      stderr: "xenlog: nope: command not found\n",
    });
  });
});

describe("errors with --json", () => {
  const refusal = (code: string, message: string): string =>
    `${JSON.stringify({ error: { code, message } })}\n`;

  it("are JSON wherever the option stands, with a code for programs", async () => {
    for (const argv of [
      ["--json", "list"],
      ["list", "--json"],
    ]) {
      const { code, stderr } = await runMain(argv);
      assert.deepEqual([code, stderr], [3, refusal("unreachable", noDaemon)]);
    }
  });

  it("are JSON for a line that cannot be parsed", async () => {
    const { stderr } = await runMain(["create", "--json", "--bogus"]);
    assert.equal(stderr, refusal("usage", "unknown option '--bogus'; see xenlog help create"));
  });

  it("leave COMMAND's own options alone", async () => {
    const { stderr } = await runMain(["run", "--", "nope", "--json"]);
    assert.equal(stderr, "xenlog: nope: command not found\n");
    const { stderr: json } = await runMain(["run", "--json", "nope", "-x"]);
    assert.equal(json, refusal("commandNotFound", "nope: command not found"));
  });
});

describe("help and version", () => {
  it("go to stdout", async () => {
    assert.deepEqual(await runMain(["--version"]), { code: 0, stdout: "1.2.3\n", stderr: "" });
    const { code, stdout, stderr } = await runMain(["-h"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const commands = stdout
      .slice(stdout.indexOf("Commands:"), stdout.indexOf("Examples:"))
      .matchAll(/^ {2}([a-z]+)/gm);
    assert.deepEqual(
      [...commands].map(([, name]) => name),
      ["run", "create", "close", "list", "reload", "xenstored", "help"],
    );
  });

  it("come to stderr with 2 when there is no command at all", async () => {
    const { code, stdout, stderr } = await runMain([]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^Usage: xenlog /);
  });

  for (const name of ["run", "create", "close", "list", "reload", "xenstored"]) {
    it(`of ${name} come both ways, with examples that can be parsed and exit codes`, async () => {
      const help = await runMain(["help", name]);
      assert.deepEqual(help, await runMain([name, "--help"]));
      assert.deepEqual([help.code, help.stderr], [0, ""]);
      assert.match(help.stdout, /^Exit codes:$/m);
      const [, examples = ""] = /^Examples:\n((?: {2}.+\n)+)/m.exec(help.stdout) ?? [];
      const lines = examples.trim().split("\n");
      assert.ok(
        lines.every((line) => line.trim().startsWith(`xenlog ${name}`)),
        examples,
      );
      const printed = help.stdout.split("\n").filter((line) => line.length > 100);
      assert.deepEqual(printed, []);
    });
  }

  it("say what --overflow means", async () => {
    for (const name of ["run", "create"]) {
      const { stdout } = await runMain(["help", name]);
      for (const word of ["auto", "drop", "block"]) {
        assert.match(stdout, new RegExp(`^ {2}${word} +(wait|drop) `, "m"));
      }
    }
  });

  it("say what the states of list mean, and that --rate and --burst have no effect yet", async () => {
    const { stdout: list } = await runMain(["help", "list"]);
    for (const state of ["pending", "ready", "stalled", "failed", "closing", "closed"]) {
      assert.match(list, new RegExp(`^  ${state} +`, "m"));
    }
    const { stdout: create } = await runMain(["help", "create"]);
    assert.equal(create.match(/no\s+effect\s+yet/g)?.length, 2);
  });

  it("of everything come with help alone; of what is no command not at all", async () => {
    assert.deepEqual(await runMain(["help"]), await runMain(["--help"]));
    const { code, stdout } = await runMain(["help", "bogus"]);
    assert.deepEqual([code, stdout], [2, ""]);
  });

  it("do not mention what is for other programs", async () => {
    const { stdout } = await runMain(["xenstored", "--help"]);
    assert.match(stdout, /--socket/);
    assert.doesNotMatch(stdout, /notify/);
  });
});
