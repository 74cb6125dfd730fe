// SPDX-License-Identifier: Apache-2.0
// README.md's own commands, as they stand there, and what it says they print. Only the places differ:
// /tmp/demo and the directories of Xen are a test's own.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { controlClient } from "../../src/control/index.ts";
import { introduceDomain } from "../../src/toolstack/index.ts";
import { connectXenstore } from "../../src/xenstore/index.ts";
import { startXenstoreServer } from "../../src/xenstore/server/index.ts";
import { leftBehind, processesIn, testDirectory } from "../support/cli.ts";
import { userEnvironment } from "../support/user-environment.ts";
import { waitFor } from "../support/wait.ts";

const execute = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url));
const blocks = [
  ...readFileSync(join(repository, "README.md"), "utf8").matchAll(/^```(\w*)\n(.*?)^```$/gms),
].map(([, language = "", text = ""]) => ({ language, text }));

interface Step {
  readonly command: string;
  readonly printed: string;
}

/** The commands after `$ `, with what is printed below each. */
function stepsOf(text: string): readonly Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [, command = "", printed = ""] = /^((?:[^\n]*\\\n)*[^\n]*\n)(.*)$/s.exec(step) ?? [];
      return { command, printed };
    });
}

/** What differs from run to run: when and by whom files were made, and where rotations fell. */
function shapeOf(printed: string): string {
  return printed
    .replace(/^total \d+$/gm, "total N")
    .replace(/^(-[rwx-]{9}) +\d+ \S+ +\S+ +\d+ .{12} /gm, "$1 ")
    .replace(/(rotations=)[1-9]\d*/g, "$1N")
    .replace(/(kept=)\d+ (written=14888896 dropped=0 rotations=N|written=14 )/g, "$1N $2");
}

const sessions = blocks.map(({ text }) => stepsOf(text)).filter((steps) => steps.length > 0);

before(() =>
  execute("node", [join(repository, "scripts/setup.mjs"), "build"], { env: userEnvironment }),
);

/** Commands in the order of README.md; each session goes on with what the one before it left. */
describe("README.md without Xen", () => {
  test("has commands that print what it says, and leave nothing running", async () => {
    assert.equal(sessions.length, 3, "floods, appends, survives a kill");
    await using directory = testDirectory();
    const place = (text: string): string => text.replaceAll("/tmp/demo", directory.path);
    for (const { command, printed } of sessions.flat()) {
      const script = ["-c", `{ ${place(command)} } 2>&1`];
      const options = { cwd: repository, env: { ...userEnvironment, LC_ALL: "C" } };
      const { stdout } = await execute("sh", script, options);
      assert.equal(shapeOf(stdout), shapeOf(place(printed)), command);
    }
    assert.deepEqual(processesIn(directory.path), []);
    const left = leftBehind(directory.path).filter((path) => !path.startsWith("log/"));
    assert.deepEqual(left, []);
  });
});

describe("README.md on a Xen host", () => {
  for (const [language, program] of [
    ["sh", ["sh"]],
    ["js", ["node"]],
  ] as const) {
    test(`has a ${language} example that logs what QEMU says, and closes`, async () => {
      const [example, ...others] = blocks.filter((block) => block.language === language);
      assert.ok(example !== undefined && others.length === 0);
      await using host = await startHost();
      const file = join(host.directory, language === "js" ? "example.mjs" : "example.sh");
      const text = example.text
        .replaceAll("/run/xen/", `${host.environment["XEN_RUN_DIR"]}/`)
        .replaceAll("/var/log/xen/", `${host.environment["XEN_LOG_DIR"]}/`);
      writeFileSync(file, text);
      await execute(program[0], [file, "-m", "64"], { env: host.environment });
      const log = join(host.environment["XEN_LOG_DIR"] ?? "", "xenlogd/vm1-qemu.log");
      await waitFor("the end of the log", async () => {
        const { socketPath } = host;
        return (await controlClient(socketPath).streams({ all: false })).length === 0;
      });
      assert.equal(readFileSync(log, "utf8"), language === "js" ? "qemu: -m 64\n" : "qemu: …\n");
    });
  }
});

interface Host extends AsyncDisposable {
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Of xenlogd. */
  readonly socketPath: string;
}

/** xenstored with a domain, xenlogd as built, and a QEMU that says what it was started with. */
async function startHost(): Promise<Host> {
  const directory = testDirectory();
  const at = (name: string): string => join(directory.path, name);
  for (const name of ["run", "log", "bin", "node_modules"]) mkdirSync(at(name));
  symlinkSync(repository, at("node_modules/xenlogd"));
  writeFileSync(at("bin/qemu-system-x86_64"), '#!/bin/sh\necho "qemu: $*" >&2\n');
  writeFileSync(at("bin/xenlog"), `#!/bin/sh\nexec node '${repository}/dist/bin/xenlog.js' "$@"\n`);
  for (const name of ["xenlog", "qemu-system-x86_64"]) chmodSync(at(`bin/${name}`), 0o755);
  const server = await startXenstoreServer({ socketPath: at("xenstored") });
  const xenstore = await connectXenstore({ socketPath: at("xenstored") });
  await introduceDomain(xenstore, "vm1");
  await xenstore.close();
  const environment = {
    ...userEnvironment,
    PATH: [at("bin"), userEnvironment["PATH"]].join(delimiter),
    XENSTORED_PATH: at("xenstored"),
    XEN_RUN_DIR: at("run"),
    XEN_LOG_DIR: at("log"),
    XENLOGD_CONFIG: "/dev/null",
  };
  const program = join(repository, "dist/bin/xenlogd.js");
  const daemon = spawn("node", [program], { env: environment, stdio: "ignore" });
  const socketPath = at("run/xenlogd/control.sock");
  const answers = async (): Promise<boolean> =>
    (
      await controlClient(socketPath)
        .status()
        .catch(() => undefined)
    )?.xenstore === "connected";
  await waitFor("xenlogd", answers);
  return {
    directory: directory.path,
    environment,
    socketPath,
    [Symbol.asyncDispose]: async () => {
      const ended = once(daemon, "exit");
      daemon.kill("SIGTERM");
      await ended;
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
