// SPDX-License-Identifier: Apache-2.0
// The outputs of `xenlog`. With src/program/portable/own-outputs.ts the only file that touches them.

import { isatty } from "node:tty";
import type { DataOutput } from "../cli/index.ts";
import { describeErrno, isWritable } from "../kernel/index.ts";
import { LineOutput, type Output, outputTo } from "../program/index.ts";

/** Some terminals report a width of 0. */
const columnsDefault = 80;

/**
 * Standard error. Not a stream of Node.js: that makes a pipe non-blocking for all who share it. Waits
 * for its reader until `stopWaiting` is called.
 */
export function messages(): Output & { stopWaiting(): void } {
  const fd = 2;
  const isTerminal = isatty(fd);
  const output = new LineOutput({
    fd,
    isReady: isWritable,
    waits: true,
    lossLine: (lines, reason) =>
      `xenlog: ${lines} earlier messages could not be written: ${describeErrno(reason)}\n`,
  });
  const written = outputTo((text) => output.write(text), {
    isTerminal,
    get columns() {
      return (isTerminal && process.stderr.columns) || columnsDefault;
    },
  });
  return Object.assign(written, { stopWaiting: () => output.stopWaiting() });
}

/** Standard output, whose reader may take its time. */
export function data(): DataOutput {
  const { stdout: stream } = process;
  let failed: string | undefined;
  let isUsed = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    failed ??= error.code ?? "EIO";
  });
  const write = (text: string): void => {
    isUsed = true;
    stream.write(text);
  };
  const output = outputTo(write, {
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || columnsDefault;
    },
  });
  const failure = async (): Promise<string | undefined> => {
    // The kernel refuses an empty write as well, where nothing is to be said.
    if (!isUsed) return undefined;
    await new Promise((resolve) => stream.write("", () => setImmediate(resolve)));
    return failed;
  };
  return Object.assign(output, { failure });
}
