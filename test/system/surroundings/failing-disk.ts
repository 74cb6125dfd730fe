// SPDX-License-Identifier: Apache-2.0
// A small file system that takes nothing more from one moment on, whatever is open on it, until it is
// well again: full, without inodes, or read-only after an error of its own.

import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { errnoNameOf } from "../../../src/kernel/index.ts";
import { fillUp } from "../../integration/daemon/fixture.ts";

export type Fault = "full" | "noInodes" | "readOnly";

export interface FailingDisk extends Disposable {
  /** Makes a directory of the disk appear at `path`, which is made if it is missing. */
  appearAt(path: string): void;
  fail(): void;
  heal(): void;
}

/** `directory` is for the disk's own files and is made. */
export function makeDisk(fault: Fault, directory: string): FailingDisk {
  mkdirSync(directory, { recursive: true });
  return fault === "readOnly" ? new ErrorDisk(directory) : new SmallDisk(fault, directory);
}

class Mounted {
  readonly mountPoint: string;
  readonly #places: string[] = [];

  constructor(directory: string) {
    this.mountPoint = join(directory, "disk");
    mkdirSync(this.mountPoint);
  }

  appearAt(path: string): void {
    mkdirSync(path, { recursive: true });
    this.#places.push(path);
    const name = join(this.mountPoint, String(this.#places.length));
    mkdirSync(name, { mode: 0o700 });
    run("mount", "--bind", name, path);
  }

  protected mountAgain(mount: () => void): void {
    this[Symbol.dispose]();
    mount();
    for (const [index, path] of this.#places.entries()) {
      run("mount", "--bind", join(this.mountPoint, String(index + 1)), path);
    }
  }

  /** Lazily: what a process has open stays until it is closed. */
  [Symbol.dispose](): void {
    for (const path of [...this.#places, this.mountPoint]) run("umount", "-l", path);
  }
}

class SmallDisk extends Mounted implements FailingDisk {
  readonly #fault: "full" | "noInodes";

  constructor(fault: "full" | "noInodes", directory: string) {
    super(directory);
    this.#fault = fault;
    const options = fault === "full" ? "size=1m" : "size=16m,nr_inodes=64";
    run("mount", "-t", "tmpfs", "-o", `mode=0755,${options}`, "xenlogd-test", this.mountPoint);
  }

  fail(): void {
    if (this.#fault === "full") fillUp(join(this.mountPoint, ".filler"));
    else takeAllInodes(this.mountPoint);
  }

  heal(): void {
    for (const name of readdirSync(this.mountPoint)) {
      if (name.startsWith(".filler")) rmSync(join(this.mountPoint, name));
    }
  }
}

/** An ext4 that finds an error: then it is read-only for files that are open as well. */
class ErrorDisk extends Mounted implements FailingDisk {
  readonly #image: string;

  constructor(directory: string) {
    super(directory);
    this.#image = join(directory, "image");
    writeFileSync(this.#image, "");
    run("truncate", "--size", "16M", this.#image);
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", this.#image);
    this.#mount();
  }

  fail(): void {
    run("sync", "--file-system", this.mountPoint);
    // Only where no file is open for writing; an error works in any case.
    if (spawnSync("mount", ["-o", "remount,ro", this.mountPoint]).status === 0) return;
    const device = run("findmnt", "--noheadings", "--output", "SOURCE", this.mountPoint).trim();
    writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, "1");
  }

  /** As an operator does it: repaired, and mounted again in the same place. */
  heal(): void {
    this.mountAgain(() => {
      // Its exit code is 1 when it has mended something.
      spawnSync("e2fsck", ["-fy", this.#image]);
      this.#mount();
    });
  }

  #mount(): void {
    // Not mount's own loop device: it would take the one that is read-only.
    const device = run("losetup", "--find", "--show", this.#image).trim();
    run("mount", "-o", "errors=remount-ro", device, this.mountPoint);
    // Detached when it is not mounted any more.
    run("losetup", "--detach", device);
  }
}

function takeAllInodes(path: string): void {
  try {
    for (let index = 0; ; index += 1) closeSync(openSync(join(path, `.filler${index}`), "wx"));
  } catch (error) {
    if (errnoNameOf(error) !== "ENOSPC") throw error;
  }
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8" });
}
