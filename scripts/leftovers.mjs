// SPDX-License-Identifier: Apache-2.0
//
// What a test file leaves behind: processes, mounts, files. It has temporary directories of its own,
// and their random name is in the environment or in the arguments of each process that it starts,
// so that nothing that others run on this machine is mistaken for it.

import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A process that was sent SIGKILL a moment ago may still be there. */
const endingMsMax = 2000;
const filesNamedMax = 5;

/** Directories for one run of a test file, and the environment that leads its processes there. */
export function makePlace() {
  // Short: a UNIX socket's path has at most 107 bytes.
  const disk = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "xt-")));
  // Others may pass, not look: some tests are another user for a while.
  fs.chmodSync(disk, 0o711);
  const name = basename(disk);
  const env = { TMPDIR: disk, XENLOGD_TEST_RUN: disk };
  const allMemory = process.env.XENLOGD_TEST_MEMORY ?? "/dev/shm";
  if (!fs.existsSync(allMemory)) {
    return { name, directories: [disk], env };
  }
  const memory = join(allMemory, name);
  fs.mkdirSync(memory);
  return { name, directories: [disk, memory], env: { ...env, XENLOGD_TEST_MEMORY: memory } };
}

/** For a run that has ended: gives processes the time to end, then names and removes what is left. */
export async function takeLeftovers(place) {
  const deadline = performance.now() + endingMsMax;
  while (processesOf(place).length > 0 && performance.now() < deadline) {
    await delay(10);
  }
  return removePlace(place);
}

/** Ends the place at once, with all that is in it; names what that was. */
export function removePlace(place) {
  const processes = processesOf(place).map((pid) => `process ${pid} (${commandLine(pid)})`);
  const deadline = performance.now() + endingMsMax;
  // More than once: a process may have started another one before its end.
  for (let left = processesOf(place); left.length > 0; left = processesOf(place)) {
    for (const pid of left) {
      kill(pid);
    }
    if (performance.now() > deadline) {
      break;
    }
  }
  const mounts = mountsOf(place);
  // Before their files are looked for: the file system of a dead server answers nothing.
  for (const path of mounts) {
    execFileSync("umount", ["-l", path]);
  }
  const files = place.directories.flatMap(filesIn);
  for (const directory of place.directories) {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  const more = files.length - filesNamedMax;
  return [
    ...processes,
    ...mounts.map((path) => `mount ${path}`),
    ...files.slice(0, filesNamedMax),
    ...(more > 0 ? [`${more} more files`] : []),
  ];
}

/** Not zombies: they have neither environment nor arguments. */
function processesOf({ name }) {
  return fs
    .readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => (read(`/proc/${pid}/environ`) + read(`/proc/${pid}/cmdline`)).includes(name))
    .map(Number);
}

function commandLine(pid) {
  return read(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
}

/** The last one first: a mount may be on another one. */
function mountsOf({ directories }) {
  const paths = read("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  return paths
    .filter((path) => directories.some((directory) => path.startsWith(`${directory}/`)))
    .reverse();
}

/** FIFOs first. A directory is named only if it is empty. */
function filesIn(directory) {
  if (!fs.existsSync(directory)) {
    return [];
  }
  const entries = fs.readdirSync(directory, { recursive: true, withFileTypes: true });
  const filled = new Set(entries.map(({ parentPath }) => parentPath));
  const named = entries
    .map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
    .filter(({ path }) => !filled.has(path))
    .map(({ entry, path }) => `${kindOf(entry)} ${path}`);
  return named.sort((a, b) => Number(b.startsWith("FIFO")) - Number(a.startsWith("FIFO")));
}

function kindOf(entry) {
  return entry.isFIFO() ? "FIFO" : entry.isDirectory() ? "directory" : "file";
}

function read(path) {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
