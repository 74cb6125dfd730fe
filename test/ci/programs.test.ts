// SPDX-License-Identifier: Apache-2.0
//
// The C programs that others measure and verify with: the flood writes what it says, the verifier
// sees a lost, a doubled and a changed byte, the yardstick rotates where it should.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { compileC } from "../support/programs.ts";

const execute = promisify(execFile);
const flood = await compileC("test/support/programs/flood.c");
const verify = await compileC("test/support/programs/verify.c");
const splice = await compileC("bench/splice.c");
const missing = [flood, verify, splice].find((program) => !program.found);
const skip = missing?.found === false ? missing.reason : false;
const width = 100;

test("what the flood writes verifies, its witness is its end, wherever it is cut", {
  skip,
}, async (t) => {
  const tools = await programs(t);
  const stream = await tools.flood(["-w", tools.path("witness"), "-", "2345678"]);
  const witness = await readFile(tools.path("witness"));
  assert.equal(witness.readBigUInt64LE(), 2_345_678n);
  const pieces = [stream.subarray(0, 150), stream.subarray(150, 151), stream.subarray(151)];
  const { ok, first, last, start, end } = await tools.verify(pieces);
  assert.deepEqual([ok, first, last, start, end], [true, 0, 23_455, 0, 2_345_678]);
  const tail = await tools.verify([stream.subarray(1_000_050)]);
  assert.deepEqual([tail.ok, tail.first, tail.start], [true, 10_001, 1_000_050]);
});

test("the verifier sees a byte that is lost, doubled or changed", { skip }, async (t) => {
  const tools = await programs(t);
  const stream = await tools.flood(["-", "2000000"]);
  const at = 1_234_567;
  const changed = Buffer.from(stream);
  changed[at] = 0;
  const damaged = {
    lost: [stream.subarray(0, at), stream.subarray(at + 1)],
    doubled: [stream.subarray(0, at), stream.subarray(at - 1)],
    "a line lost": [stream.subarray(0, at), stream.subarray(at + width)],
    "a line doubled": [stream.subarray(0, at), stream.subarray(at - width)],
    changed: [changed],
  };
  for (const [name, pieces] of Object.entries(damaged)) {
    const { ok, error } = await tools.verify(pieces);
    assert.equal(ok, false, name);
    assert.match(error ?? "", /in line 1234[56] of the stream/, name);
  }
});

test("two floods of one stream join when the second begins at the end of the first", {
  skip,
}, async (t) => {
  const tools = await programs(t);
  const pieces = [
    await tools.flood(["-", "12345"]),
    await tools.flood(["-s", "12345", "-", "6789"]),
  ];
  const { ok, end } = await tools.verify(pieces);
  assert.deepEqual([ok, end], [true, 12_345 + 6_789]);
});

for (const mode of ["staged", "copy"]) {
  test(`the ${mode} yardstick keeps two files of at most the limit, and the end of the stream`, {
    skip,
  }, async (t) => {
    const tools = await programs(t);
    const [fifo, log] = [tools.path("fifo"), tools.path("log")];
    await execute("mkfifo", [fifo]);
    const moved = execute(tools.splice, [mode, fifo, log, "100000"], { timeout: 30_000 });
    const written = await execute(tools.floodPath, [fifo, "1234567"], { timeout: 30_000 });
    const { bytes, rotations } = JSON.parse((await moved).stdout);
    assert.deepEqual([bytes, rotations], [1_234_567, 12]);
    assert.equal(JSON.parse(written.stdout).bytes, 1_234_567);
    assert.equal((await stat(`${log}.1`)).size, 100_000);
    const { ok, end } = await tools.verify([await readFile(`${log}.1`), await readFile(log)]);
    assert.deepEqual([ok, end], [true, 1_234_567]);
  });
}

interface Verdict {
  readonly ok: boolean;
  readonly first: number | null;
  readonly last: number | null;
  readonly start: number;
  readonly end: number;
  readonly error: string | null;
}

async function programs(t: TestContext) {
  assert.ok(flood.found && verify.found && splice.found);
  const [floodPath, verifyPath] = [flood.path, verify.path];
  const dir = await mkdtemp(join(tmpdir(), "programs-"));
  t.after(() => rm(dir, { recursive: true }));
  return {
    floodPath,
    splice: splice.path,
    path: (name: string) => join(dir, name),
    async flood(args: readonly string[]): Promise<Buffer> {
      const settings = { encoding: "buffer", maxBuffer: 64 << 20, timeout: 30_000 } as const;
      return (await execute(floodPath, args, settings)).stdout;
    },
    async verify(pieces: readonly Buffer[]): Promise<Verdict> {
      const paths = pieces.map((_, index) => join(dir, `piece-${index}`));
      await Promise.all(pieces.map((piece, index) => writeFile(paths[index] ?? "", piece)));
      return await new Promise((resolve, reject) => {
        execFile(verifyPath, paths, (error, stdout) => {
          if (stdout === "") {
            reject(error);
          } else {
            resolve(JSON.parse(stdout));
          }
        });
      });
    },
  };
}
