// SPDX-License-Identifier: Apache-2.0
// How to start one of our own programs as a process; chosen where the daemon is composed.

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}
