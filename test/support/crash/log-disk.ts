// SPDX-License-Identifier: Apache-2.0
// The file system that a log is on: memory, the machine's disk, or one so small that it can be filled.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk is twice as slow as memory, and uses inode numbers again. `small` needs root. */
export type DiskKind = "memory" | "disk" | "small";

/** The mutants' runs have a place of their own: a run that is killed leaves something behind. */
const memory =
  process.env["XENLOGD_TEST_MEMORY"] ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
const smallBytes = 4 << 20;

export class LogDisk implements Disposable {
  /** Besides what is on the disk there is room for other things here. */
  readonly directory: string;
  readonly root: string;
  readonly #kind: DiskKind;
  #isFull: boolean = false;
  #wasFull: boolean = false;

  constructor(kind: DiskKind) {
    this.#kind = kind;
    this.directory = mkdtempSync(join(kind === "disk" ? tmpdir() : memory, "xenlogd-crash-"));
    this.root = join(this.directory, "disk");
    mkdirSync(this.root);
    if (kind !== "small") return;
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${smallBytes}`, "xenlogd-test", this.root]);
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get wasFull(): boolean {
    return this.#wasFull;
  }

  /** Leaves so many free blocks; what is in a block already has the rest of that one. */
  fill(freeBlocks: number): void {
    if (this.#kind !== "small") return;
    this.free();
    const { bavail, bsize } = statfsSync(this.root);
    writeFileSync(this.#ballast, Buffer.alloc(Math.max(0, bavail - freeBlocks) * bsize));
    this.#isFull = true;
    this.#wasFull = true;
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
    this.#isFull = false;
  }

  [Symbol.dispose](): void {
    if (this.#kind === "small") execFileSync("umount", [this.root]);
    rmSync(this.directory, { recursive: true });
  }

  get #ballast(): string {
    return join(this.root, "ballast");
  }
}
