// SPDX-License-Identifier: Apache-2.0
//
// The types of install-due.mjs, for its test.

export interface LockFile {
  readonly packages?: Readonly<Record<string, object>>;
}

export function installIsDue(wanted: LockFile, installed: LockFile | undefined): boolean;
