// SPDX-License-Identifier: Apache-2.0
// Resource limits of this process, prlimit(2), and whether there is room below them.

import { closeSync, constants } from "node:fs";
import { copyDescriptor } from "./descriptors.ts";
import { errnoNameOf, KernelError } from "./errno/index.ts";
import { openPath } from "./files.ts";
import { lastErrno, libcPrlimit } from "./library.ts";

// include/uapi/asm-generic/resource.h; the numbers of x86-64 and arm64.
const resources = { fileBytes: 1, openFiles: 7 } as const;

type Resource = keyof typeof resources;

/** struct rlimit: two words. */
const limitBytes = 16;
const infinity = 2n ** 64n - 1n;

interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** What the process may have; Infinity if there is no limit. Throws KernelError. */
export function softLimit(resource: Resource): number {
  const { soft } = read(resource);
  return soft === infinity ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Raises all soft limits of this module to the hard ones; processes that it starts inherit them. */
export function raiseLimits(): void {
  for (const resource of Object.keys(resources) as Resource[]) {
    const { soft, hard } = read(resource);
    if (soft === hard) continue;
    const limit = Buffer.alloc(limitBytes);
    limit.writeBigUInt64LE(hard, 0);
    limit.writeBigUInt64LE(hard, 8);
    call(resource, limit, null);
  }
}

/** Whether the process may open that many files more. Opens them, and closes them again. */
export function mayOpen(files: number): boolean {
  const opened: number[] = [];
  try {
    opened.push(openPath("/dev/null", constants.O_RDONLY));
    while (opened.length < files) opened.push(copyDescriptor(opened[0] ?? -1));
    return true;
  } catch (error) {
    // Other errors, ENFILE included, are no limit of this process.
    if (errnoNameOf(error) === undefined) throw error;
    return errnoNameOf(error) !== "EMFILE";
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function read(resource: Resource): Limit {
  const limit = Buffer.alloc(limitBytes);
  call(resource, null, limit);
  return { soft: limit.readBigUInt64LE(0), hard: limit.readBigUInt64LE(8) };
}

function call(resource: Resource, wanted: Buffer | null, found: Buffer | null): void {
  if (libcPrlimit(0, resources[resource], wanted, found) < 0) {
    throw new KernelError("prlimit", lastErrno());
  }
}
