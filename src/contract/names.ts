// SPDX-License-Identifier: Apache-2.0
// Names of domains and of their logs as they become parts of file names: NAME-LOG.log, and
// host-LOG.log for the host's own.

import { ContractError, quote } from "./errors.ts";

/** With a log's name, "-", ".log" and a rotation's ".1000" it still is a file name (255 bytes). */
export const nameBytesMax = 128;
export const logNameBytesMax = 64;

/** The log's name in `run` and `create` without `--log`. */
export const defaultLogName = "console";
/** The name of the host in place of a domain's name. */
export const hostName = "host";

/** What happens to bytes when the disk does not take them. */
export type Overflow = "auto" | "block" | "drop";
export const defaultOverflow: Overflow = "auto";

/**
 * A domain's name that cannot be confused with a domid or `host`; throws ContractError. A real host
 * may have domains with other names: use their domids.
 */
export function parseName(text: string, what: string): string {
  checkFileNamePart(text, what, nameBytesMax);
  if (text === hostName) throw badName(text, what, "that word means the host itself");
  if (/^[0-9]+$/.test(text)) throw badName(text, what, "a number means a domid");
  return text;
}

/** A log's name, such as `console`; throws ContractError. */
export function parseLogName(text: string, what: string): string {
  checkFileNamePart(text, what, logNameBytesMax);
  if (/^[0-9]+$/.test(text)) throw badName(text, what, "a number means a log's id");
  return text;
}

export function parseOverflow(text: string, what: string): Overflow {
  if (text === "auto" || text === "block" || text === "drop") return text;
  throw new ContractError("syntax", `${what} is ${quote(text)}; it must be auto, block or drop`);
}

/** The last component of a log's path. */
export function logFileName(ownerName: string, logName: string): string {
  return `${ownerName}-${logName}.log`;
}

/** The log's name that a path made by `logFileName` has; for other paths, the file's own name. */
export function logNameOf(file: string, ownerName: string | undefined): string {
  const base = file.slice(file.lastIndexOf("/") + 1).replace(/\.log$/, "");
  const prefix = `${ownerName ?? hostName}-`;
  return base.startsWith(prefix) && base.length > prefix.length ? base.slice(prefix.length) : base;
}

function checkFileNamePart(text: string, what: string, bytesMax: number): void {
  if (text === "") throw badName(text, what, "it must not be empty");
  // "." and ".." are directories, and files that begin with a dot are the daemon's own.
  if (text.startsWith(".")) throw badName(text, what, "it must not begin with a dot");
  if (text.includes("/")) throw badName(text, what, "it must not contain a slash");
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(text)) {
    throw badName(text, what, "it must not contain control characters");
  }
  if (Buffer.byteLength(text) > bytesMax) {
    throw badName(text, what, `it must be at most ${bytesMax} bytes long`);
  }
}

function badName(text: string, what: string, reason: string): ContractError {
  return new ContractError("syntax", `${what} is ${quote(text)}; ${reason}`);
}
