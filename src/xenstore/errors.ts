// SPDX-License-Identifier: Apache-2.0
// The closed set of ways in which a xenstore request can fail: the sixteen names a server
// may send (xs_wire.h, xsd_errors) and five that only the client can know.

/** The error names of the wire, as in xsd_errors of Xen's public header xs_wire.h. */
export const wireErrorCodes = [
  "EINVAL",
  "EACCES",
  "EEXIST",
  "EISDIR",
  "ENOENT",
  "ENOMEM",
  "ENOSPC",
  "EIO",
  "ENOTEMPTY",
  "ENOSYS",
  "EROFS",
  "EBUSY",
  "EAGAIN",
  "EISCONN",
  "E2BIG",
  "EPERM",
] as const;

export type WireErrorCode = (typeof wireErrorCodes)[number];

/**
 * A name of the wire, or
 * - `UNREACHABLE`: no server, connect failed or timed out; nothing was sent;
 * - `LOST`: the connection was lost with the request under way; it may have been carried out;
 * - `CLOSED`: this client was closed;
 * - `PROTOCOL`: the server sent what the protocol does not allow;
 * - `TIMEOUT`: no reply in time; the request may still be carried out.
 */
export type XenstoreErrorCode =
  | WireErrorCode
  | "UNREACHABLE"
  | "LOST"
  | "CLOSED"
  | "PROTOCOL"
  | "TIMEOUT";

export class XenstoreError extends Error {
  override readonly name = "XenstoreError";
  readonly code: XenstoreErrorCode;
  /** The path of the request, where it has one. */
  declare readonly path?: string;

  constructor(
    code: XenstoreErrorCode,
    message: string,
    details: { readonly path?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.path !== undefined) this.path = details.path;
  }
}

/**
 * isXenstoreError(error, code) is true if `error` is a XenstoreError, and of that code if one is
 * given.
 */
export function isXenstoreError(error: unknown, code?: XenstoreErrorCode): error is XenstoreError {
  return error instanceof XenstoreError && (code === undefined || error.code === code);
}

/** parseWireError(name) reads an ERROR payload without its NUL; unknown names count as EINVAL,
 * as libxenstore counts them. */
export function parseWireError(name: string): WireErrorCode {
  return wireErrorCodes.find((code) => code === name) ?? "EINVAL";
}

/** wireErrorReason(code) is the meaning of `code` in words. */
export function wireErrorReason(code: WireErrorCode): string {
  return reasons[code] ?? "refused by the server";
}

const reasons: Partial<Record<WireErrorCode, string>> = {
  EINVAL: "malformed request or path",
  EACCES: "permission denied",
  EEXIST: "exists already",
  ENOENT: "no such node, domain, watch or transaction",
  ENOMEM: "the server is out of memory",
  ENOSPC: "quota exceeded, or the server has no room to keep the change",
  EIO: "the server cannot read or write its data",
  ENOSYS: "not supported by this server",
  EROFS: "the file system of the server is read-only",
  EBUSY: "a transaction is open already",
  EAGAIN: "conflicting change",
  E2BIG: "too long",
  EPERM: "not permitted",
};
