// SPDX-License-Identifier: Apache-2.0
//
// Makes a checkout runnable: packages installed, dist/ built. Silent and quick if nothing is due;
// else it prints to stderr only. `setup.mjs build` builds and installs nothing. Plain JavaScript
// without dependencies: it runs before `npm ci`, on any Node, also one that is too old.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installIsDue } from "./install-due.mjs";
import { withLock } from "./lock.mjs";

const nodeOldest = [20, 19];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampPath = join(root, "dist", ".built-from");

process.exitCode = await main(process.argv[2] === "build");

async function main(buildOnly) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < nodeOldest[0] || (major === nodeOldest[0] && minor < nodeOldest[1])) {
    say(`Node.js ${nodeOldest.join(".")} or newer is needed, this is ${process.versions.node}.`);
    return 1;
  }
  if (!(installDue(buildOnly) || buildDue())) {
    return 0;
  }
  const onWait = () => say("another start is setting up, waiting for it …");
  return await withLock(root, "setup", onWait, (lock) => setUp(buildOnly, lock));
}

async function setUp(buildOnly, lock) {
  // The other process may have done it during the wait.
  if (installDue(buildOnly)) {
    const code = await install(lock);
    if (code !== 0) {
      say("the packages could not be installed (npm ci failed, its words are above).");
      return code;
    }
  }
  if (buildDue()) {
    const code = await build(lock);
    if (code !== 0) {
      say("the build failed, the compiler's words are above.");
      return code;
    }
  }
  return 0;
}

function installDue(buildOnly) {
  return !buildOnly && installIsDue(readJson("package-lock.json"), readInstalled());
}

/** npm's own record of what it installed; its last act, so a killed `npm ci` leaves none. */
function readInstalled() {
  const path = "node_modules/.package-lock.json";
  return existsSync(join(root, path)) ? readJson(path) : undefined;
}

async function install(lock) {
  const first = !existsSync(join(root, "node_modules"));
  say(`${first ? "first start" : "packages have changed"}, installing packages …`);
  const npm = process.env.npm_execpath;
  // No scripts: no package here needs one, and `prepare` would build what is built below.
  const args = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
  args.push("--loglevel=error");
  return npm?.endsWith(".js")
    ? await run(process.execPath, [npm, ...args], lock)
    : await run("npm", args, lock);
}

function buildDue() {
  const built = existsSync(stampPath) ? readFileSync(stampPath, "utf8") : "";
  return built !== sourceHash();
}

async function build(lock) {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  if (!existsSync(compiler)) {
    // `npm ci --omit=dev` gets here through `prepare`; this is no error.
    say("not built: the TypeScript compiler is not installed (npm ci --include=dev).");
    return 0;
  }
  say(existsSync(stampPath) ? "sources have changed, building …" : "building …");
  const hash = sourceHash();
  // A sibling of dist/, renamed at the end: a program that runs from dist/ sees the old files or
  // the new ones, never a mixture.
  const fresh = join(root, ".dist-new");
  const old = join(root, ".dist-old");
  rmSync(fresh, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
  mkdirSync(fresh);
  const args = [compiler, "-p", "tsconfig.build.json", "--outDir", fresh];
  const code = await run(process.execPath, args, lock);
  if (code !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    return code;
  }
  makeExecutable(join(fresh, "bin"));
  writeFileSync(join(fresh, ".built-from"), hash);
  if (existsSync(join(root, "dist"))) {
    renameSync(join(root, "dist"), old);
  }
  renameSync(fresh, join(root, "dist"));
  rmSync(old, { recursive: true, force: true });
  return 0;
}

function makeExecutable(folder) {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names.filter((each) => each.endsWith(".js"))) {
    chmodSync(join(folder, name), 0o755);
  }
}

/** A hash over the names and contents of the compiler's input. */
function sourceHash() {
  const sources = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const settings = readdirSync(root)
    .filter((name) => name === "package.json" || /^tsconfig.*\.json$/.test(name))
    .map((name) => join(root, name));
  const hash = createHash("sha256");
  for (const path of [...settings, ...sources].sort()) {
    const content = readFileSync(path);
    hash.update(`${path.slice(root.length)}\n${content.length}\n`).update(content);
  }
  return `${hash.digest("hex")}\n`;
}

/** Runs a program with its output on stderr; gives its exit code, 128 + n for a signal. */
function run(file, args, lock) {
  const inherited = lock < 0 ? [] : [lock];
  const child = spawn(file, args, { cwd: root, stdio: ["ignore", 2, 2, ...inherited] });
  const forward = (signal) => child.kill(signal);
  process.on("SIGTERM", forward).on("SIGINT", forward);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      say(`${file} could not be started: ${error.message}.`);
      resolve(1);
    });
    child.on("close", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  }).finally(() => process.off("SIGTERM", forward).off("SIGINT", forward));
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

function say(words) {
  process.stderr.write(`xenlogd: ${words}\n`);
}
