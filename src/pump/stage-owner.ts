// SPDX-License-Identifier: Apache-2.0
// Whether logs are on the file system that the bytes in the stages belong to. The pump looks at its
// start; where the directory is missing then, it looks before it opens the first log.

import { dirname } from "node:path";
import { errnoNameOf, identifyFileSystem } from "../kernel/index.ts";
import { LogfileError } from "../logfile/index.ts";
import type { LogTarget } from "./record.ts";

export interface StageOwnerOptions {
  /** What the pump has found at its start; null if it could not look. */
  readonly found: string | null;
  /** What the stages belong to, as an earlier pump has reported it; null if none has. */
  readonly recorded: string | null;
  /** Called once, if it could not look at its start; `other`: the stages must not be touched. */
  readonly onFound: (contents: string, whose: "own" | "other") => void;
}

export class StageOwner {
  readonly #onFound: StageOwnerOptions["onFound"];
  #contents: string | null;
  #isFound: boolean;

  constructor({ found, recorded, onFound }: StageOwnerOptions) {
    this.#contents = found ?? recorded;
    this.#isFound = found !== null;
    this.#onFound = onFound;
  }

  /** Whether the pump has seen the file system. */
  get isFound(): boolean {
    return this.#isFound;
  }

  /** Throws LogfileError if the log's directory is on another file system, or may be on one. */
  require({ logRoot, relativeFile }: LogTarget): void {
    const directory = dirname(`${logRoot}/${relativeFile}`);
    const found = this.#identify(directory);
    if (found === undefined) return;
    this.#contents ??= found;
    const whose = found === this.#contents ? "own" : "other";
    if (!this.#isFound) {
      this.#isFound = true;
      this.#onFound(found, whose);
    }
    if (whose === "other") throw new LogfileError("otherFileSystem", directory);
  }

  #identify(directory: string): string | undefined {
    try {
      return identifyFileSystem(directory);
    } catch (error) {
      if (errnoNameOf(error) === undefined) throw error;
      // It may be made a moment later, on another disk.
      if (this.#contents !== null) throw new LogfileError("directory", directory, error);
      return undefined;
    }
  }
}
