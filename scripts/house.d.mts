// SPDX-License-Identifier: Apache-2.0

export const rooms: readonly {
  readonly name: string;
  readonly rooms?: readonly string[];
  readonly files?: string;
}[];
export const fences: Readonly<Record<string, readonly string[]>>;
export const sentences: {
  readonly door: string;
  readonly up: (room: string, above: readonly string[]) => string;
  readonly fence: (library: string, allowed: readonly string[]) => string;
};
export function overrides(): readonly object[];
