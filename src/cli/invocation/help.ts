// SPDX-License-Identifier: Apache-2.0
// What the help of a command has below its options: examples, words, exit codes.

/** For Command.addHelpText("after", …): command lines without `xenlog`, then paragraphs as they are. */
export function helpAfter(examples: readonly string[], ...paragraphs: readonly string[]): string {
  const lines = ["Examples:", ...examples.map((example) => `  xenlog ${example}`)];
  return ["", lines.join("\n"), ...paragraphs].join("\n\n").slice(1);
}

export const overflowHelp = `--overflow is what happens to bytes that the disk does not accept:
  auto   wait 5 s (configurable), then drop and count them until the disk accepts some
  drop   drop and count them at once
  block  wait until the disk accepts them, without a time limit
The log gets a line about dropped bytes in their place.`;

export const domainHelp = "DOMAIN is a domain's name, its number, or host for the host's own logs.";

export const statesHelp = `STATE is what becomes of what is written into the FIFO:
  pending  the daemon has not answered the request yet: it waits
  ready    it is logged
  stalled  the disk does not accept it: it waits (with --json "ready", and why in "stalled")
  dropping the same, and it is dropped and counted (with --json since when in "dropping")
  failed   the request was refused: it is dropped and counted
  closing  the request is gone: it is logged until the last writer has closed the FIFO
  closed   the log has ended (only with --all)`;

export const exitCodesHelp = `Exit codes:
  0  done                                  4  the daemon refused
  1  failure                               5  no answer in time
  2  wrong command line or value           6  no such domain or log
  3  xenlogd or xenstored is unreachable   7  it runs already`;

export const runExitCodesHelp = `Exit codes:
  that of COMMAND, or 128 + the number of the signal that ended it
  125  run itself failed    126  COMMAND cannot be executed    127  COMMAND was not found`;
