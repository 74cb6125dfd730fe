// SPDX-License-Identifier: Apache-2.0
// A command's world without a process: what it writes is kept, and there is no daemon to be found.

import { type CliContext, type DataOutput, main } from "../../../src/cli/index.ts";
import { outputTo } from "../../../src/program/index.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process. */
export async function runMain(
  argv: readonly string[],
  parts: Partial<CliContext> = {},
): Promise<Outcome> {
  const [stdout, stderr] = [capture(), capture()];
  const code = await main(argv, contextOf({ stdout, stderr, ...parts }));
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function contextOf(parts: Partial<CliContext> = {}): CliContext {
  return {
    environment: {
      PATH: "/usr/bin:/bin",
      XENSTORED_PATH: "/nonexistent/xenstored/socket",
      XEN_RUN_DIR: "/nonexistent/run",
    },
    directory: "/nonexistent",
    homeDirectory: "/nonexistent/home",
    stdout: capture(),
    stderr: capture(),
    version: "1.2.3",
    xenlogd: { command: "/nonexistent/xenlogd", args: [] },
    loseUnreadMessages: () => undefined,
    onSignal: () => () => undefined,
    ...parts,
  };
}

function capture(): DataOutput & { text(): string } {
  const written: string[] = [];
  const output = outputTo((text) => written.push(text), { isTerminal: false, columns: 80 });
  return Object.assign(output, {
    text: () => written.join(""),
    failure: async () => undefined,
  });
}
