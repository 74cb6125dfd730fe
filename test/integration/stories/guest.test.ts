// SPDX-License-Identifier: Apache-2.0
// A real virtual machine under `xenlog run`: its serial console on stdout, QEMU's tracing on stderr.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { chainSizes, filesBelow, wholeLog } from "../../support/chain.ts";
import { testDirectory, xenlog } from "../../support/cli.ts";
import { debianProgram } from "../../support/debian.ts";
import { guestExitCode, guestLine, qemuCommand, writeGuestKernel } from "../../support/guest.ts";

const lines = 1500;
const qemu = await debianProgram("qemu-system-x86_64");

/** The console alone: QEMU writes a line of its trace in one piece between two of its bytes. */
function consoleOf(log: Buffer): string {
  return log.toString("latin1").replace(/serial_write [^\n]*\n/g, "");
}

describe("QEMU under run", () => {
  it("has its whole console and trace in a log that is large enough", async (t) => {
    if (!qemu.found) return t.skip(qemu.reason);
    await using directory = testDirectory();
    const kernel = join(directory.path, "kernel");
    await writeGuestKernel(kernel, { lines });
    const options = ["--name", "vm", "--limit", "16MiB", "--copies", "1", "--dir", directory.path];
    const result = await xenlog(
      ["run", ...options, "--", ...qemuCommand({ qemu, kernel, trace: true })],
      { env: definedOnly(qemu.env) },
    );
    assert.equal(result.code, guestExitCode, result.stderr);
    const log = wholeLog(join(directory.path, "log/vm-console.log"));
    const expected = Array.from({ length: lines }, (_, index) => guestLine(index + 1)).join("");
    assert.equal(consoleOf(log), expected);
    // The guest writes at least one register for each character.
    assert.ok(log.toString("latin1").split("serial_write ").length > expected.length);
    assert.deepEqual(filesBelow(join(directory.path, "run")), []);
  });

  it("is held to its bound, and the newest of it is kept", async (t) => {
    if (!qemu.found) return t.skip(qemu.reason);
    await using directory = testDirectory();
    const kernel = join(directory.path, "kernel");
    await writeGuestKernel(kernel, { lines });
    const options = ["--name", "vm", "--limit", "16KiB", "--copies", "2", "--dir", directory.path];
    const result = await xenlog(
      ["run", ...options, "--", ...qemuCommand({ qemu, kernel, trace: true })],
      { env: definedOnly(qemu.env) },
    );
    assert.equal(result.code, guestExitCode, result.stderr);
    const file = join(directory.path, "log/vm-console.log");
    const sizes = chainSizes(file);
    assert.equal(sizes.length, 3);
    assert.ok(sizes.every((size) => size <= 16_384));
    const kept = consoleOf(wholeLog(file));
    const whole = Array.from({ length: lines }, (_, index) => guestLine(index + 1)).join("");
    // The oldest file may begin within a line of the trace.
    assert.ok(whole.endsWith(kept.slice(-200)), kept.slice(-200));
  });
});

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
