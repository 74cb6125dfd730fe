// SPDX-License-Identifier: Apache-2.0
//
// Debian's own programs for the tests: the installed one, else one that is downloaded with apt-get
// and unpacked below .cache/debian. Nothing is installed and no service starts; the system's apt
// lists are not touched. Not the newest: what was unpacked once stays.

import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { withLock } from "../../scripts/lock.mjs";

/** What a test needs of this machine: `reason` is a sentence for `t.skip()`. */
export type Part<T> =
  | ({ readonly found: true } & T)
  | { readonly found: false; readonly reason: string };

export type DebianProgram = Part<{
  readonly path: string;
  /** Options that must come first, such as where an unpacked QEMU finds its firmware. */
  readonly args: readonly string[];
  /** The whole environment for the child, that of this process included. */
  readonly env: NodeJS.ProcessEnv;
}>;

interface Source {
  readonly package: string;
  /** Where the package puts it, from the root. */
  readonly file: string;
}

const xenTools = "xen-utils-4.17";
const xenFolder = "usr/lib/xen-4.17/bin";
const clients = ["chmod", "exists", "list", "ls", "read", "rm", "watch", "write"] as const;
const sources: Readonly<Record<string, Source>> = {
  ...Object.fromEntries(
    clients.map((name) => [
      `xenstore-${name}`,
      { package: "xenstore-utils", file: `usr/bin/xenstore-${name}` },
    ]),
  ),
  xenstored: { package: xenTools, file: `${xenFolder}/xenstored` },
  oxenstored: { package: xenTools, file: `${xenFolder}/oxenstored` },
  "test-xenstore": { package: xenTools, file: `${xenFolder}/test-xenstore` },
  "qemu-system-x86_64": { package: "qemu-system-x86", file: "usr/bin/qemu-system-x86_64" },
  // Without the merged /usr of later releases.
  systemd: { package: "systemd", file: "lib/systemd/systemd" },
  "systemd-analyze": { package: "systemd", file: "usr/bin/systemd-analyze" },
  bindfs: { package: "bindfs", file: "usr/bin/bindfs" },
  strace: { package: "strace", file: "usr/bin/strace" },
  logrotate: { package: "logrotate", file: "usr/sbin/logrotate" },
};

export const debianProgramNames: readonly string[] = Object.keys(sources);

const repository = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(repository, ".cache/debian");
const unpacked = join(cache, "root");

/** The root of what was unpacked. */
export const unpackedDebian: string = unpacked;

// Debian renames and removes package files often enough that older lists name missing ones.
const listsAgeMsMax = 24 * 60 * 60 * 1000;
const failureAgeMsMax = 10 * 60 * 1000;
const commandMsMax = 120_000;
const execute = promisify(execFile);

/** Finds a program of the table above, downloading its package if it must. Never rejects. */
export async function debianProgram(name: string): Promise<DebianProgram> {
  const source = sources[name];
  if (source === undefined) {
    return { found: false, reason: `${name} is not in the table of Debian programs` };
  }
  const installed = join("/", source.file);
  if (existsSync(installed)) {
    return { found: true, path: installed, args: [], env: process.env };
  }
  const path = join(unpacked, source.file);
  if (!existsSync(stampOf(source.package))) {
    await withLock(
      repository,
      "debian",
      () => undefined,
      () => fetchPackage(source.package),
    );
  }
  if (existsSync(stampOf(source.package)) && existsSync(path)) {
    return { found: true, path, args: await dataOptions(name), env: await environment() };
  }
  const reason = (await lastFailure(source.package)) ?? `${source.package} lacks ${source.file}`;
  return { found: false, reason: `${name} is not here: ${reason}` };
}

/** Makes the next look for a program try again, though an earlier one has just failed. */
export async function forgetFailures(): Promise<void> {
  for (const name of new Set(Object.values(sources).map((source) => source.package))) {
    await rm(failureOf(name), { force: true });
  }
}

/** Written last: without it a file that is there may lack its libraries. */
function stampOf(packageName: string): string {
  return join(cache, `unpacked-${packageName}`);
}

function failureOf(packageName: string): string {
  return join(cache, `failed-${packageName}`);
}

/** Why it failed a short while ago: without a network each test file would wait for it anew. */
async function lastFailure(packageName: string): Promise<string | undefined> {
  const path = failureOf(packageName);
  return ageMs(path) < failureAgeMsMax ? await readFile(path, "utf8") : undefined;
}

async function fetchPackage(name: string): Promise<void> {
  if (existsSync(stampOf(name)) || (await lastFailure(name)) !== undefined) {
    return;
  }
  try {
    await mkdir(unpacked, { recursive: true });
    await refreshLists();
    await unpack(await missingPackages(name));
    await writeFile(stampOf(name), "");
  } catch (error) {
    await writeFile(failureOf(name), `apt-get could not fetch ${name} (${firstLine(error)})`);
  }
}

/** Downloads of one call go to a folder of their own: a killed one leaves nothing half unpacked. */
async function unpack(wanted: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(cache, "download-"));
  try {
    await apt(["download", ...wanted], folder);
    for (const file of (await readdir(folder)).filter((each) => each.endsWith(".deb"))) {
      await execute("dpkg", ["-x", join(folder, file), unpacked]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The package and what it depends on, as far as it is not installed: `name=version` each. */
async function missingPackages(name: string): Promise<readonly string[]> {
  const plan = await apt(["--simulate", "--no-install-recommends", "install", name], cache);
  // `Inst NAME [OLD] (NEW …)`: one with an OLD version is installed, and the old one will do.
  const wanted = [...plan.matchAll(/^Inst (\S+) \((\S+)/gm)].map(
    ([, pkg, version]) => `${pkg}=${version}`,
  );
  // An installed package whose file is gone: apt has nothing to do, but can still download.
  return wanted.length > 0 ? wanted : [name];
}

async function refreshLists(): Promise<void> {
  await mkdir(join(cache, "lists/partial"), { recursive: true });
  await mkdir(join(cache, "archives/partial"), { recursive: true });
  const stamp = join(cache, "lists-refreshed");
  if (ageMs(stamp) > listsAgeMsMax) {
    process.stderr.write("xenlogd tests: reading the list of Debian's packages …\n");
    await apt(["update"], cache);
    await writeFile(stamp, "");
  }
}

function ageMs(path: string): number {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? Number.POSITIVE_INFINITY : Date.now() - status.mtimeMs;
}

async function apt(args: readonly string[], cwd: string): Promise<string> {
  const options = [
    `Dir::State::lists=${join(cache, "lists")}`,
    `Dir::Cache=${cache}`,
    // apt's own user cannot write below a private home directory.
    "APT::Sandbox::User=root",
    "APT::Update::Error-Mode=any",
    "Acquire::Retries=2",
    "Acquire::http::Timeout=20",
  ].flatMap((option) => ["-o", option]);
  const settings = {
    cwd,
    timeout: commandMsMax,
    maxBuffer: 16 << 20,
    env: { ...process.env, LC_ALL: "C" },
  };
  const { stdout } = await execute("apt-get", ["-q", ...options, ...args], settings);
  return stdout;
}

async function environment(): Promise<NodeJS.ProcessEnv> {
  const folders: string[] = [];
  for (const top of ["usr/lib", "lib"]) {
    const path = join(unpacked, top);
    const names = existsSync(path) ? await readdir(path) : [];
    for (const name of names.filter((each) => each.endsWith("-linux-gnu"))) {
      // systemd's own library is where only its programs look for it.
      folders.push(join(path, name), join(path, name, "systemd"));
    }
  }
  const inherited = process.env["LD_LIBRARY_PATH"];
  if (inherited !== undefined && inherited !== "") {
    folders.push(inherited);
  }
  return { ...process.env, LD_LIBRARY_PATH: folders.join(delimiter) };
}

async function dataOptions(name: string): Promise<readonly string[]> {
  // The build's data path is absolute; firmware comes from three packages.
  const folders = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];
  return name.startsWith("qemu-system-")
    ? folders.flatMap((each) => ["-L", join(unpacked, each)])
    : [];
}

/** apt's own first error, without the addresses: it ends in test reports. */
function firstLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split("\n");
  const line = lines.find((each) => each.startsWith("E: ")) ?? lines[0] ?? "";
  return line.replace(/^E: /, "").replace(/\S+:\/\/\S+ +/g, "");
}
