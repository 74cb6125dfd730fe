// SPDX-License-Identifier: Apache-2.0
//
// A checkout in a temporary folder with this repository's scripts and npm commands, a compiler that
// copies, and programs that say how they were called. It installs without a network, so a whole
// first start takes a second. Not our code under test but the way to it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

interface Ended {
  /** The exit code, or 128 + n as a shell says it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with what `pattern` caught, as soon as stdout holds it. */
  printed(pattern: RegExp): Promise<string>;
}

export interface Checkout {
  npm(args: readonly string[], env?: NodeJS.ProcessEnv): Running;
  node(args: readonly string[]): Running;
  write(path: string, content: string): Promise<void>;
  read(path: string): Promise<string>;
  /** Makes the Node of this process the development Node, as the toolchain package does. */
  addDevelopmentNode(): Promise<void>;
}

export async function makeCheckout(t: TestContext): Promise<Checkout> {
  const dir = await mkdtemp(join(tmpdir(), "checkout-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const write = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  };
  await cp(join(repository, "scripts"), join(dir, "scripts"), { recursive: true });
  for (const [path, content] of Object.entries(await files())) {
    await write(path, content);
  }
  return {
    npm: (args, env = {}) => run("npm", args, dir, env),
    node: (args) => run(process.execPath, args, dir, {}),
    write,
    read: (path) => readFile(join(dir, path), "utf8"),
    async addDevelopmentNode() {
      await mkdir(join(dir, "node_modules/.bin"), { recursive: true });
      await symlink(process.execPath, join(dir, "node_modules/.bin/node"));
    },
  };
}

async function files(): Promise<Readonly<Record<string, string>>> {
  const { scripts } = JSON.parse(await readFile(join(repository, "package.json"), "utf8"));
  const manifest = {
    name: "checkout",
    version: "1.0.0",
    private: true,
    type: "module",
    workspaces: ["compiler"],
    scripts: { start: scripts.start, test: scripts.test, check: "true", prepare: scripts.prepare },
  };
  const lock = {
    name: "checkout",
    version: "1.0.0",
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { name: "checkout", version: "1.0.0", workspaces: ["compiler"] },
      "node_modules/typescript": { resolved: "compiler", link: true },
      compiler: { name: "typescript", version: "0.0.0" },
    },
  };
  return {
    "package.json": JSON.stringify(manifest),
    "package-lock.json": JSON.stringify(lock),
    "tsconfig.build.json": "{}",
    "compiler/package.json": JSON.stringify({ name: "typescript", version: "0.0.0" }),
    "compiler/bin/tsc": compiler,
    "scripts/debian.ts": "// Nothing to fetch here.\n",
    "src/bin/xenlog.js": program,
    "src/bin/xenlogd.js": 'console.log(JSON.stringify(["daemon", ...process.argv.slice(2)]));\n',
  };
}

const compiler = `
  const { appendFileSync, cpSync, readFileSync } = require("node:fs");
  appendFileSync("builds", "one\\n");
  if (readFileSync("src/bin/xenlog.js", "utf8").includes("does not compile")) {
    console.log("a compiler's complaint");
    process.exit(2);
  }
  cpSync("src", process.argv[process.argv.indexOf("--outDir") + 1], { recursive: true });
`;

const program = `
  const args = process.argv.slice(2);
  console.log(JSON.stringify(args));
  if (args[0] === "exit") process.exitCode = Number(args[1]);
  if (args[0] === "wait") {
    console.log("pid " + process.pid + ".");
    setInterval(() => {}, 1000);
  }
`;

function run(
  file: string,
  args: readonly string[],
  cwd: string,
  extra: NodeJS.ProcessEnv,
): Running {
  const child = spawn(file, args, { cwd, env: { ...cleanEnvironment(), ...extra } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.end();
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code ?? (signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 137),
    stdout,
    stderr,
  }));
  return {
    ended,
    kill: (signal) => child.kill(signal),
    async printed(pattern) {
      for (;;) {
        const found = pattern.exec(stdout);
        if (found !== null) {
          return found[1] ?? found[0];
        }
        await once(child.stdout, "data");
      }
    },
  };
}

/** Without what npm and the test runner tell their children: the inner ones must tell their own. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const told = /^(npm_(package|lifecycle|command|execpath|node_execpath)|INIT_CWD$|NODE_TEST|CI$)/;
  const kept = Object.entries(process.env).filter(([name]) => !told.test(name));
  return Object.fromEntries(kept);
}
