// SPDX-License-Identifier: Apache-2.0
// The files of a log that is written: rotated, brought under a new bound, and mended when others have
// moved, cut or extended them. A change that is refused half-way is gone on with at the next use.

import {
  type FileOnDisk,
  isAboutRoom,
  type LogDirectory,
  type Refusal,
  refusalOf,
} from "../files/index.ts";
import { boundBytes, type LogBound, trim } from "./bound.ts";
import type { Durability } from "./durability.ts";
import { type Interference, sizeChange } from "./interference.ts";
import type { Journal } from "./journal.ts";
import { LiveFile } from "./live-file.ts";
import { hasName, whatTookName } from "./name-taken.ts";
import { type AreNext, openAgain, type Unreachable } from "./open-again.ts";
import { rotateNames } from "./rotate-names.ts";

export interface LogFilesOptions {
  readonly directory: LogDirectory;
  readonly journal: Journal;
  /** What finished and shortened files are given to. */
  readonly durability: Pick<Durability, "finish" | "complete">;
  readonly bound: LogBound;
}

/** A log as it is found. */
export interface FoundLog {
  /** What has its name now, and may be taken. */
  readonly live: FileOnDisk | undefined;
  /** `cut`: others made it shorter. The rest keeps its offsets: the bytes that follow need another file. */
  readonly what: "whole" | "cut";
  /** The higher one of the bound that held until now and the one that holds from now on. */
  readonly allowedBytes: number;
}

/** A change of the files that was refused half-way. */
type Unfinished =
  /** `copy` is finished, and now or soon the newest copy. */
  | { readonly kind: "rotating"; readonly copy: FileOnDisk }
  /** The files are to be brought under a lower bound, with at most `allowedBytes` on the way. */
  | { readonly kind: "trimming"; readonly allowedBytes: number; readonly live: FileOnDisk }
  /** Others took the name from the file `copy`; the log ended at the end of `live`. */
  | { readonly kind: "replaced"; readonly live: FileOnDisk; readonly copy: FileOnDisk };

type State =
  | { readonly kind: "open"; readonly live: LiveFile }
  | Unfinished
  | Unreachable
  | { readonly kind: "closed" };

export class LogFiles {
  readonly #options: LogFilesOptions;
  #bound: LogBound;
  #state: State;

  private constructor(options: LogFilesOptions, live: LiveFile) {
    this.#options = options;
    this.#bound = options.bound;
    this.#state = { kind: "open", live };
  }

  /**
   * Opens or makes the log and brings it under its bound. The journal learns of the beginning only:
   * the end is what this returns. Throws LogfileError or KernelError.
   */
  static open(options: LogFilesOptions, found: FoundLog): LogFiles {
    const { what, allowedBytes } = found;
    const { directory, journal, bound } = options;
    const { limitBytes } = bound;
    let { live } = found;
    if (what === "cut" && live !== undefined && live.sizeBytes > 0) {
      // First: the index knows it as it is, and not as the new file that shortening makes of it.
      rotateNames(directory, bound.copies);
      live = undefined;
    }
    journal.begin({ kind: "shorten", live, limitBytes });
    if (live !== undefined && live.sizeBytes > limitBytes) {
      journal.begin({ kind: "replace", live, foreignBytes: 0 });
    }
    trim(options, bound, allowedBytes);
    return new LogFiles(options, LiveFile.open(directory, live));
  }

  /** The live file, without a look at it; `undefined` between two steps of a change. */
  get current(): LiveFile | undefined {
    return this.#state.kind === "open" ? this.#state.live : undefined;
  }

  get bound(): LogBound {
    return this.#bound;
  }

  /** The live file, with its known size, after an interrupted change is finished. */
  live(): LiveFile {
    for (;;) {
      const state = this.#state;
      if (state.kind === "closed") throw new Error("append to a closed log");
      if (state.kind === "open") {
        if (this.#compareSize(state.live) === "asKnown") return state.live;
      } else if (state.kind === "unreachable") {
        this.#openAgain(state);
      } else {
        this.#goOn(state);
      }
    }
  }

  /** The files gave an error: unless there is only no room, the live file is opened anew at its next use. */
  failed(refusal: Refusal, areNext: AreNext): void {
    if (this.#state.kind !== "open" || isAboutRoom(refusal)) return;
    const { live } = this.#state;
    const known = live.known();
    this.#state = { kind: "unreachable", live: known, areNext };
    live.close();
    this.#options.journal.begin({ kind: "replace", live: known, foreignBytes: 0 });
  }

  /** Finishes the live file and begins another one, unless it is empty. */
  rotate(): void {
    const live = this.#named();
    if (live.sizeBytes === 0) return;
    this.#options.journal.begin({ kind: "rotate", live: live.known() });
    this.#state = { kind: "rotating", copy: live.known() };
    this.#options.durability.finish(live.fd);
  }

  /** Applies another bound; if that is refused half-way, the next use goes on with it. */
  reconfigure(bound: LogBound): void {
    const live = this.#named();
    const before = this.#bound;
    const isLower = bound.limitBytes < before.limitBytes || bound.copies < before.copies;
    this.#bound = bound;
    if (!isLower) return;
    this.#beginTrim(live, 0, boundBytes(before));
    this.live();
  }

  /**
   * Notices what others have done to names: a log that logrotate moved away, a file that was removed
   * or replaced, another directory under the same path. Bytes in the pipe go into the new file.
   */
  look(): void {
    const { directory } = this.#options;
    const live = this.live();
    if (directory.reopen() === "moved") this.#takeName(live, { what: "directory" });
    else if (!hasName(directory, live))
      this.#takeName(live, whatTookName(directory, live, live.fd));
  }

  close(): void {
    if (this.#state.kind === "open") this.#options.durability.finish(this.#state.live.fd);
    this.#state = { kind: "closed" };
  }

  /** Notices what others have done to the live file's bytes. */
  #compareSize(live: LiveFile): "asKnown" | "changed" {
    const { journal, durability } = this.#options;
    const sizeBytes = live.seekToEnd();
    if (sizeBytes === live.sizeBytes) return "asKnown";
    const known = live.known();
    const foreignBytes = sizeBytes - known.sizeBytes;
    switch (sizeChange(known.sizeBytes, sizeBytes, this.#bound.limitBytes)) {
      case "aboveLimit":
        journal.interfered({ what: "extended" });
        this.#beginTrim(live, foreignBytes, boundBytes(this.#bound));
        break;
      case "extended":
        journal.interfered({ what: "extended" });
        live.resized(sizeBytes);
        journal.end({ kind: "extended", live: live.known(), foreignBytes });
        break;
      case "emptied":
        journal.interfered({ what: "truncated" });
        journal.begin({ kind: "replace", live: known, foreignBytes: 0 });
        live.resized(0);
        this.#replaced(live, undefined);
        break;
      case "cut":
        journal.interfered({ what: "truncated" });
        journal.begin({ kind: "replace", live: known, foreignBytes: 0 });
        // The rest keeps its offsets, so the bytes that follow need another file.
        this.#state = { kind: "rotating", copy: { ...known, sizeBytes } };
        durability.finish(live.fd);
        break;
    }
    return "changed";
  }

  #beginTrim(live: LiveFile, foreignBytes: number, allowedBytes: number): void {
    const { journal } = this.#options;
    const known = live.known();
    journal.begin({ kind: "shorten", live: known, limitBytes: this.#bound.limitBytes });
    journal.begin({ kind: "replace", live: known, foreignBytes });
    this.#state = { kind: "trimming", allowedBytes, live: known };
    live.close();
  }

  /** The live file under its name: a file that others have put there is not renamed or shortened. */
  #named(): LiveFile {
    const live = this.live();
    const { directory } = this.#options;
    if (!hasName(directory, live)) this.#takeName(live, whatTookName(directory, live, live.fd));
    return this.live();
  }

  /** Gives up the live file, whose name others have taken, and goes on under that name. */
  #takeName(live: LiveFile, interference: Interference): void {
    const { durability, journal } = this.#options;
    journal.interfered(interference);
    this.#state = { kind: "replaced", live: live.known(), copy: live.known() };
    durability.finish(live.fd);
    this.live();
  }

  #openAgain(state: Unreachable): void {
    const { directory, journal } = this.#options;
    const { live: before } = state;
    const live = openAgain(directory, state);
    journal.renewed();
    if (live === undefined) {
      journal.interfered({ what: "replaced" });
      this.#state = { kind: "replaced", live: before, copy: before };
    } else {
      // Another size is seen at the next look, as what others have done.
      live.resized(before.sizeBytes);
      this.#replaced(live, undefined);
    }
  }

  /** A step may be refused because another directory has the path now. */
  #goOn(state: Unfinished): void {
    try {
      this.#finish(state);
    } catch (error) {
      const refusal = refusalOf(error);
      if (this.#options.directory.reopen() === "same") {
        if (!isAboutRoom(refusal)) this.#options.directory.renew();
        throw refusal;
      }
      this.#options.journal.interfered({ what: "directory" });
      // Its files are gone with it, and the log goes on behind their end.
      if (state.kind === "replaced") return;
      const before = state.kind === "rotating" ? state.copy : state.live;
      this.#state = { kind: "replaced", live: before, copy: before };
    }
  }

  #finish(state: Unfinished): void {
    switch (state.kind) {
      case "rotating":
        rotateNames(this.#options.directory, this.#bound.copies);
        this.#adopt(state.copy, state.copy);
        break;
      case "trimming":
        trim(this.#options, this.#bound, state.allowedBytes);
        this.#replaced(LiveFile.open(this.#options.directory, state.live), undefined);
        break;
      case "replaced":
        trim(this.#options, this.#bound, boundBytes(this.#bound));
        this.#adopt(state.live, state.copy);
        break;
    }
  }

  /** Takes the file that has the name now. Bytes that others have put into it come after our end. */
  #adopt(end: FileOnDisk, copy: FileOnDisk): void {
    const live = LiveFile.open(this.#options.directory, undefined);
    this.#options.journal.begin({ kind: "replace", live: end, foreignBytes: live.sizeBytes });
    this.#replaced(live, copy);
  }

  #replaced(live: LiveFile, copy: FileOnDisk | undefined): void {
    this.#state = { kind: "open", live };
    const { copies } = this.#bound;
    this.#options.journal.end({ kind: "replaced", live: live.known(), copy, copies });
  }
}
