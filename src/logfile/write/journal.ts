// SPDX-License-Identifier: Apache-2.0
// What a log's files report to the owner of its positions. Each change begins with a note and ends with
// one; in between the noted end stays, so that after a crash it is known from the live file's size.

import type { FileOnDisk } from "../files/index.ts";
import type { Interference } from "./interference.ts";

export type Change =
  /** Files above the limit are shortened to their last lines; `live` is the live file as it is. */
  | {
      readonly kind: "shorten";
      readonly live: FileOnDisk | undefined;
      readonly limitBytes: number;
    }
  /** The live file is full and becomes a copy. */
  | { readonly kind: "rotate"; readonly live: FileOnDisk }
  /** The live file is renamed, cut or replaced. Others wrote `foreignBytes` behind its end. */
  | { readonly kind: "replace"; readonly live: FileOnDisk; readonly foreignBytes: number };

export type Changed =
  /** `live` has the log's name now; `copy` is what became of the one before if it was finished. */
  | {
      readonly kind: "replaced";
      readonly live: FileOnDisk;
      readonly copy: FileOnDisk | undefined;
      /** Copies that are kept. */
      readonly copies: number;
    }
  /** Others have appended to the live file: a change that is seen only when it is over. */
  | { readonly kind: "extended"; readonly live: FileOnDisk; readonly foreignBytes: number };

export interface Journal {
  /** Before the first step of a change. */
  begin(change: Change): void;
  /** After its last step. */
  end(changed: Changed): void;
  /** The directory was opened anew, after an error. */
  renewed(): void;
  /** Others have changed the files; what that means for the log comes as a change. */
  interfered(interference: Interference): void;
}
