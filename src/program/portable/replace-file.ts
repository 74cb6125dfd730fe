// SPDX-License-Identifier: Apache-2.0
// The only way to replace a file: write beside it, sync if asked, rename. A reader sees the old
// content or the new one, and a killed process leaves one of them.

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";

/** `durable` also survives a power failure; on tmpfs it has no use. */
export interface ReplaceOptions {
  readonly durable?: true;
}

const ownerOnly = 0o600;
/** Of the file beside it; the next replacement takes its place. */
const temporarySuffix = ".new";

/** Throws what the file system refuses; the old file stays then and nothing else does. */
export function replaceFile(path: string, text: string, { durable }: ReplaceOptions = {}): void {
  const temporary = `${path}${temporarySuffix}`;
  try {
    const fd = openSync(temporary, "w", ownerOnly);
    try {
      writeFileSync(fd, text);
      if (durable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The same beside the event loop, for a large file; not durable. */
export async function replaceFileLater(path: string, text: string): Promise<void> {
  const temporary = `${path}${temporarySuffix}`;
  try {
    await writeFile(temporary, text, { mode: ownerOnly });
    await rename(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
