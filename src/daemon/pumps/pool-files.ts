// SPDX-License-Identifier: Apache-2.0
// The files of a pool of stages, beside the stream table.

/** The lock of a pool of stages: the pump that has it owns them. */
export function pumpLockFile(volatileDirectory: string, pool: string): string {
  return `${volatileDirectory}/pump-${pool}.lock`;
}

/** What the stages hold. */
export function notesFile(volatileDirectory: string, pool: string): string {
  return `${volatileDirectory}/notes-${pool}`;
}

/** The pool that a file of this name belongs to; a file that was set aside belongs to none. */
export function poolOfFile(name: string): string | undefined {
  return /^(?:pump|notes)-(\d+-\d+(?:\.\d+)?)(?:\.lock)?$/.exec(name)?.[1];
}
