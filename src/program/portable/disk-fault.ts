// SPDX-License-Identifier: Apache-2.0
// A disk that takes nothing more: what fails for it now may succeed later, without a change of ours.

/** The exit code of a process that ended for it: EX_IOERR of sysexits.h. */
export const diskFaultExitCode = 74;

const faults: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EIO"]);

/** Whether the error, of Node.js or of our own with an errno's name as `code`, is one of a disk. */
export function isDiskFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && faults.has(error.code)) return true;
  return error.cause !== undefined && isDiskFault(error.cause);
}
