// SPDX-License-Identifier: Apache-2.0
//
// Builds the C programs of the tests and of the bench, once for each content, below .cache/c. They
// are in C because what they play (a guest's QEMU, an LD_PRELOAD library, a yardstick) must not be
// slowed by a runtime. Without a compiler the part is missing, with the reason.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Part } from "./debian.ts";

export type Program = Part<{ readonly path: string }>;

const repository = fileURLToPath(new URL("../..", import.meta.url));
const builds = join(repository, ".cache/c");
const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"];
const compileMsMax = 60_000;
const execute = promisify(execFile);

/**
 * Compiles `source`, a path from the repository's root such as `test/support/programs/flood.c`.
 * `shared` makes an LD_PRELOAD library of it. Rejects when the compiler refuses the program.
 */
export async function compileC(
  source: string,
  kind: "program" | "shared" = "program",
): Promise<Program> {
  const path = join(builds, `${basename(source, ".c")}-${kind}-${await contentHash(source)}`);
  if (existsSync(path)) {
    return { found: true, path };
  }
  await mkdir(builds, { recursive: true });
  // Two test files may build the same at once: each its own file, and the last rename wins.
  const fresh = `${path}.${process.pid}`;
  const shared = kind === "shared" ? ["-shared", "-fPIC"] : [];
  try {
    await execute("cc", [...flags, ...shared, "-o", fresh, join(repository, source)], {
      timeout: compileMsMax,
    });
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    if (isMissing(error)) {
      return { found: false, reason: `${source} needs a C compiler, and there is no cc here` };
    }
    throw error;
  }
  return { found: true, path };
}

/** Headers beside it count as its content: includes are not followed. */
async function contentHash(source: string): Promise<string> {
  const folder = dirname(join(repository, source));
  const names = (await readdir(folder)).filter((name) => name.endsWith(".h")).sort();
  const hash = createHash("sha256").update(flags.join(" "));
  for (const name of [...names, basename(source)]) {
    hash.update(await readFile(join(folder, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
