// SPDX-License-Identifier: Apache-2.0
// A terminal that nobody reads, for what our programs print.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isWritable } from "../../src/kernel/index.ts";
import { compileC, type Program } from "./programs.ts";
import { waitFor } from "./wait.ts";

export interface UnreadTerminal extends AsyncDisposable {
  /** Blocking, as a shell gives it to its commands. */
  readonly fd: number;
  /** Fills it but for about 500 bytes: poll(2) calls it writable then. */
  fillAlmost(): Promise<void>;
  /** From now on it is read. */
  read(): void;
  /** What came since. */
  text(): string;
  /** Whether writes through `fd`, and so those of everybody who shares it, still wait. */
  isBlocking(): boolean;
}

/** Not found without a C compiler. */
export const terminalProgram: Program = await compileC("test/support/programs/unread-terminal.c");

export async function unreadTerminal(): Promise<UnreadTerminal> {
  assert.ok(terminalProgram.found);
  const child = spawn(terminalProgram.path, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  await waitFor("a terminal", () => text.endsWith("\n"));
  const path = text.trim();
  text = "";
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  return {
    fd,
    fillAlmost: async () => {
      await waitFor("a full terminal", async () => {
        fill(path);
        // The kernel still moves up to 4096 bytes on to the reading side.
        await delay(20);
        return !isWritable(fd);
      });
      await waitFor("a little room", () => {
        child.stdin.write("r");
        return isWritable(fd);
      });
    },
    read: () => void child.stdin.write("c"),
    text: () => text,
    isBlocking: () => {
      const [, flags = ""] =
        /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
      return (Number.parseInt(flags, 8) & constants.O_NONBLOCK) === 0;
    },
    [Symbol.asyncDispose]: async () => {
      closeSync(fd);
      child.stdin.end();
      await exited;
    },
  };
}

function fill(path: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(fd, Buffer.alloc(64, "."));
  } catch {
    // It is full.
  } finally {
    closeSync(fd);
  }
}
