// SPDX-License-Identifier: Apache-2.0
// Bytes as people read them: `512 B`, `196 KiB`, `12.3 MiB`. For programs there is --json.

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Whole KiB, from MiB on one decimal; at most five characters before the unit. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (value >= (unit < 2 ? 1023.5 : 1023.95) && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit < 2 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `1 rotation`, `3 rotations`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function sumOf(byReason: Readonly<Record<string, number>>): number {
  return Object.values(byReason).reduce((sum, bytes) => sum + bytes, 0);
}
