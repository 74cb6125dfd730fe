// SPDX-License-Identifier: Apache-2.0
// What a program that was started says on its --notify-fd: one line of JSON, then end of file.

import { closeSync, writeSync } from "node:fs";

export type Notice =
  | { readonly kind: "ready" }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      readonly exitCode: number;
    };

/** Says it on the descriptor and closes that; nothing where nobody has asked. */
export function giveNotice(descriptor: number | undefined, notice: Notice): void {
  if (descriptor === undefined) return;
  try {
    writeSync(descriptor, formatNotice(notice));
    closeSync(descriptor);
  } catch {
    // Whoever asked is gone, and we are wanted all the same.
  }
}

export function formatNotice(notice: Notice): string {
  switch (notice.kind) {
    case "ready":
      return `${JSON.stringify({ ready: true })}\n`;
    case "failed": {
      const { code, message, exitCode } = notice;
      return `${JSON.stringify({ error: { code, message }, exitCode })}\n`;
    }
  }
}
