// SPDX-License-Identifier: Apache-2.0
// `xenlog reload`: what SIGHUP to the daemon does, with an answer.

import { Command } from "commander";
import { CliError, exitCode, exitCodesHelp, helpAfter, type Invoke } from "../invocation/index.ts";
import { findDaemon } from "../target/index.ts";
import { note } from "../terminal/index.ts";

export function reloadCommand(invoke: Invoke): Command {
  const command = new Command("reload")
    .description(
      "let the daemon read its configuration again, and look for log files that were moved",
    )
    .addHelpText("after", helpAfter(["reload", "reload --dir /tmp/demo"], exitCodesHelp));
  return command.action(() =>
    invoke(command, async (invocation) => {
      if (invocation.globals.configurationFile !== undefined) {
        const sentence =
          "reload takes no --config: the daemon reads the file again that it was started with";
        throw new CliError("usage", sentence);
      }
      const { daemon } = await findDaemon(invocation);
      await daemon.reload();
      note(invocation, "the daemon uses its configuration as it is now");
      return exitCode.ok;
    }),
  );
}
