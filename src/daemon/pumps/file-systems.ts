// SPDX-License-Identifier: Apache-2.0
// Which file system a path is on, found without touching it: a look at a hung disk would hang too.

import { readFileSync } from "node:fs";

interface Mount {
  readonly point: string;
  /** `major:minor`, the same for all mounts of one file system. */
  readonly device: string;
}

/** The mounts of this process, in the order in which they were made. */
export function readMounts(): readonly Mount[] {
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** Parses proc_pid_mountinfo(5). */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, , point] = line.split(" ");
    if (device === undefined || point === undefined) return [];
    // Space, tab, newline and backslash are written so.
    const unescaped = point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    return [{ device, point: unescaped }];
  });
}

/** A name for the file system of an absolute path, such as `8-1`; fit for a file name. */
export function fileSystemOf(path: string, mounts: readonly Mount[]): string {
  return (mountOf(path, mounts)?.device ?? "0:0").replace(":", "-");
}

/** Where the file system of an absolute path is mounted. */
export function mountPointOf(path: string, mounts: readonly Mount[]): string {
  return mountOf(path, mounts)?.point ?? "/";
}

function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const below = mount.point === "/" ? "/" : `${mount.point}/`;
    const covers = path === mount.point || path.startsWith(below);
    // A later mount on the same point hides the earlier one.
    if (covers && mount.point.length >= (best?.point.length ?? 0)) best = mount;
  }
  return best;
}
