// SPDX-License-Identifier: Apache-2.0
//
// The guest that other tests log, booted without any of us: what it prints is complete, and QEMU
// says what it is asked to trace. Also the shape of its kernel, which needs no QEMU.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { debianProgram } from "../support/debian.ts";
import {
  guestExitCode,
  guestKernel,
  guestLine,
  guestLinesMax,
  qemuCommand,
  writeGuestKernel,
} from "../support/guest.ts";

const qemu = await debianProgram("qemu-system-x86_64");

test("a guest's lines arrive complete and in order, its trace on stderr", async (t) => {
  if (!qemu.found) {
    t.skip(qemu.reason);
    return;
  }
  const dir = await mkdtemp(join(tmpdir(), "guest-"));
  t.after(() => rm(dir, { recursive: true }));
  const kernel = join(dir, "kernel");
  const lines = 1234;
  await writeGuestKernel(kernel, { lines });
  const command = qemuCommand({ qemu, kernel, trace: true });
  const { code, stdout, stderr } = await output(command, dir, qemu.env);
  assert.equal(code, guestExitCode, stderr.slice(0, 500));
  assert.equal(stdout, Array.from({ length: lines }, (_, index) => guestLine(index + 1)).join(""));
  // Each character of the console is one register write, at the least.
  assert.ok(
    stderr.split("\n").filter((line) => line.startsWith("serial_write ")).length >= stdout.length,
  );
});

test("the kernel begins with a multiboot header that adds up to nothing", () => {
  const header = Buffer.from(guestKernel({ lines: 1 }));
  const sum = [0, 4, 8].reduce((total, offset) => total + header.readUInt32LE(offset), 0);
  assert.equal(header.readUInt32LE(0), 0x1bad_b002);
  assert.equal(sum % 2 ** 32, 0);
  const [load, entry] = [header.readUInt32LE(16), header.readUInt32LE(28)];
  assert.equal(header[entry - load], 0xfa, "the entry is the first instruction");
});

test("a guest can count to the end of its digits, not further", () => {
  assert.equal(guestLine(guestLinesMax), "guest line 9999999\n");
  for (const lines of [0, -1, 1.5, Number.NaN, guestLinesMax + 1]) {
    assert.throws(() => guestKernel({ lines }), RangeError);
  }
});

/** Into files: on a full socket, which Node would make, QEMU drops console bytes by itself. */
async function output(
  command: readonly string[],
  dir: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const [file = "", ...args] = command;
  const paths = [join(dir, "stdout"), join(dir, "stderr")];
  const files = paths.map((path) => openSync(path, "w"));
  const child = spawn(file, args, { env, stdio: ["ignore", ...files], timeout: 60_000 });
  files.forEach(closeSync);
  await once(child, "exit");
  const [out = "", err = ""] = await Promise.all(paths.map((path) => readFile(path, "utf8")));
  return { code: child.exitCode, stdout: out, stderr: err };
}
