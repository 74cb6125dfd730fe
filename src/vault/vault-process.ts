// SPDX-License-Identifier: Apache-2.0
// The detached process: a shell that does nothing but keep descriptors open. Its command line ends
// with `xenlogd-vault DIRECTORY TOKEN`. It ends by itself when its daemon has ended and the state file
// does not name its token, or is gone with its directory.

import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, statSync } from "node:fs";
import { makeSocketPair, type SocketPair } from "../kernel/index.ts";
import {
  argumentsOf,
  identifyProcess,
  isAlive,
  isOwn,
  ownProcesses,
  startProgram,
} from "../program/index.ts";
import { type HeldStage, stateFileName, type VaultProcess } from "./state-file.ts";

const processName = "xenlogd-vault";
const tokenBytes = 8;
/** How often a process without a daemon reads the state file. */
const pollSecondsDefault = 20;

/** Descriptors of the process: the lifeline, the receiving end, and stages from the third on. */
const firstStageFd = 5;

/**
 * The read returns when the daemon is gone, since nothing is written into the lifeline: no process
 * wakes up, and there is no child, while the daemon lives. `read` and `case` are builtins: only the
 * sleep is a child, and only then; it inherits the descriptors and is in the same process group.
 */
const script = `read -r line <&3
while read -r line <"$1/${stateFileName}"; do
  case $line in *"$2"*) sleep "$3" ;; *) exit ;; esac
done`;

/** A stage as this process has it. */
export interface SharedStage {
  readonly pool: string;
  readonly fd: number;
}

export interface StartedVaultProcess {
  readonly process: VaultProcess;
  /** Descriptors that are sent into it stay open for as long as the process lives. */
  readonly sendFd: number;
  /** Open while the daemon lives; without it the process looks for its token. */
  readonly lifelineFd: number;
}

/** Starts a process that holds copies of the stages. Throws if the kernel refuses. */
export function startVaultProcess(
  directory: string,
  stages: readonly SharedStage[],
  pollSeconds: number = pollSecondsDefault,
): StartedVaultProcess {
  const token = randomBytes(tokenBytes).toString("hex");
  const pairs: SocketPair[] = [];
  const pair = (): SocketPair => {
    const made = makeSocketPair();
    pairs.push(made);
    return made;
  };
  try {
    // makePipe() makes it non-blocking, and the shell's read would return at once.
    const [lifeline, kept] = [pair(), pair()];
    const args = ["-c", script, processName, directory, token, String(pollSeconds)];
    const inherited = [lifeline.receiveFd, kept.receiveFd, ...stages.map(({ fd }) => fd)];
    const process = { token, process: startShell(args, inherited), stages: stages.map(heldAs) };
    return { process, sendFd: kept.sendFd, lifelineFd: lifeline.sendFd };
  } catch (error) {
    for (const { sendFd } of pairs) closeSync(sendFd);
    throw error;
  } finally {
    for (const { receiveFd } of pairs) closeSync(receiveFd);
  }
}

function startShell(args: readonly string[], descriptors: readonly number[]) {
  const environment = { PATH: "/usr/bin:/bin" };
  const child = startProgram({ command: "sh", args }, { detached: true, environment, descriptors });
  // Some errors of spawn(2) come as an event later; without a pid there is no process.
  child.on("error", () => {});
  child.unref();
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error("a process to keep descriptors cannot be started");
  return identity;
}

function heldAs({ pool, fd }: SharedStage, index: number): HeldStage {
  return { pool, fd: firstStageFd + index, inode: fstatSync(fd).ino };
}

/** True while it is that very process, of this directory, and its stages are in place. */
export function isHolding(vault: VaultProcess, directory: string): boolean {
  return isOurs(vault, directory) && vault.stages.every((stage) => isStage(vault, stage));
}

/** SIGKILL for the process and its sleep; for no other process that has its pid now. */
export function endVaultProcess(vault: VaultProcess, directory: string): void {
  if (isOurs(vault, directory)) endGroup(vault.process.pid);
}

/** Ends the processes of the directory that are not in the state file: their daemon was killed
 * between a start and the rename, or between a rename and the end of the one before. */
export function endUnknownProcesses(directory: string, known: readonly VaultProcess[]): void {
  for (const { pid, args } of ownProcesses()) {
    const token = tokenIn(args, directory);
    if (token !== undefined && !known.some((vault) => vault.token === token)) endGroup(pid);
  }
}

/** A process of another user may have any command line. */
function isOurs({ process: identity, token }: VaultProcess, directory: string): boolean {
  const { pid } = identity;
  return isAlive(identity) && isOwn(pid) && tokenIn(argumentsOf(pid), directory) === token;
}

/** Follows the link to the inode only: an open would take the lock of the pipe. */
function isStage({ process: { pid } }: VaultProcess, { fd, inode }: HeldStage): boolean {
  try {
    return statSync(`/proc/${pid}/fd/${fd}`).ino === inode;
  } catch {
    return false;
  }
}

/** The token on a command line, if it is that of a vault process of this directory. */
function tokenIn(args: readonly string[], directory: string): string | undefined {
  const [, flag, , name, ofDirectory, token = ""] = args;
  // `tail -q -F xenlogd-vault DIRECTORY` is another program. The script may be an older one.
  const isVault = flag === "-c" && /^[0-9a-f]{16}$/.test(token);
  return isVault && name === processName && ofDirectory === directory ? token : undefined;
}

/** The process leads a group of its own. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}
