// SPDX-License-Identifier: Apache-2.0
// The exit codes, which scripts rely on.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CliError,
  DaemonStartError,
  describeError,
  exitCodeOf,
  runExitCodeOf,
  signalExitCode,
} from "../../../src/cli/invocation/index.ts";
import { ContractError } from "../../../src/contract/index.ts";
import { ControlError } from "../../../src/control/index.ts";
import { PlacesError } from "../../../src/places/index.ts";
import { ToolstackError } from "../../../src/toolstack/index.ts";
import { XenstoreError } from "../../../src/xenstore/index.ts";

describe("an error's exit code", () => {
  const lost = new XenstoreError("LOST", "it is gone");
  const cases: readonly (readonly [unknown, number, number])[] = [
    [new Error("anything"), 1, 125],
    ["not an error", 1, 125],
    [new ContractError("range", "it is too large"), 2, 125],
    [new PlacesError("notADirectory", "it is a file"), 2, 125],
    [new ControlError("unreachable", "it does not answer"), 3, 125],
    [lost, 3, 125],
    [new ToolstackError("xenstore", "it failed", { cause: lost }), 3, 125],
    [new ToolstackError("refused", "it is refused"), 4, 125],
    [new ToolstackError("timeout", "it took too long"), 5, 125],
    [new CliError("notFound", "there is none"), 6, 125],
    [new DaemonStartError("alreadyRunning", "it runs", 7), 7, 125],
    [new CliError("commandNotExecutable", "it is a directory"), 126, 126],
    [new CliError("commandNotFound", "there is none"), 127, 127],
  ];
  for (const [error, code, runCode] of cases) {
    const { code: name, message } = describeError(error);
    it(`is ${code}, and ${runCode} of run: ${name}, ${message}`, () => {
      assert.deepEqual([exitCodeOf(error), runExitCodeOf(error)], [code, runCode]);
    });
  }

  it("is 128 and its number for a signal", () => {
    assert.deepEqual([signalExitCode("SIGINT"), signalExitCode("SIGTERM")], [130, 143]);
  });
});
