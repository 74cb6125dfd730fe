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

/** The pool that a file of this name belongs to. */
export function poolOfFile(name: string): string | undefined {
  const [, ofLock, ofNotes] = /^(?:pump-(.+)\.lock|notes-(.+))$/.exec(name) ?? [];
  return ofLock ?? ofNotes;
}
