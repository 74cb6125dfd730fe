// SPDX-License-Identifier: Apache-2.0
// The client's public types. Promises reject with XenstoreError, with two exceptions: `transaction`
// passes on what its body throws, and an abort passes on the signal's reason.

import type { XenstorePermission } from "./permission.ts";
import type { XenstoreWatch } from "./watch.ts";

/**
 * Requests on nodes. Paths are absolute, or relative to the path of the client's domain
 * (`/local/domain/0/` on a socket). Every server accepts values of up to 2048 bytes; C xenstored
 * accepts up to 4096 bytes of path and value together.
 */
export interface XenstoreOperations {
  /** The value as UTF-8. ENOENT when the node is missing. */
  read(path: string): Promise<string>;
  readBytes(path: string): Promise<Uint8Array>;
  readIfExists(path: string): Promise<string | undefined>;
  /** Makes the node and its missing parents. E2BIG when path and value exceed one message. */
  write(path: string, value: string | Uint8Array): Promise<void>;
  /** Makes an empty node; does not change an existing one. */
  mkdir(path: string): Promise<void>;
  /** Removes the node and all below it. A missing node, or parent, is not an error. */
  rm(path: string): Promise<void>;
  /** Names of the children, of any number, in the server's order. */
  directory(path: string): Promise<string[]>;
  directoryIfExists(path: string): Promise<string[] | undefined>;
  exists(path: string): Promise<boolean>;
  /** The first entry is the owner. */
  getPermissions(path: string): Promise<XenstorePermission[]>;
  setPermissions(path: string, permissions: readonly XenstorePermission[]): Promise<void>;
}

/** Operations within one transaction; after its end they fail with EINVAL. */
export interface XenstoreTransaction extends XenstoreOperations {}

export interface XenstoreTransactionOptions {
  /** How often the body may run, default 1000. */
  readonly attemptsMax?: number;
  /** Stops further attempts; the one under way is finished first. */
  readonly signal?: AbortSignal;
}

export interface XenstoreClient extends XenstoreOperations, AsyncDisposable {
  /** The socket or device that was connected to. */
  readonly socketPath: string;
  /**
   * transaction(body) runs `body` and commits what it did, all or nothing. On a conflict the body
   * runs again after a short random delay, up to `attemptsMax` times, then EAGAIN. When the body
   * throws, the transaction is dropped and the error passed on. A lost connection is never retried,
   * since the store may be empty afterwards: LOST from an operation means that nothing was
   * committed, LOST or TIMEOUT from the commit that it may have been.
   */
  transaction<T>(
    body: (transaction: XenstoreTransaction) => Promise<T>,
    options?: XenstoreTransactionOptions,
  ): Promise<T>;
  /** watch(path) also takes special paths such as `@releaseDomain`. */
  watch(path: string): Promise<XenstoreWatch>;
  /** Introduces a domain to the server: its xenstore page `gfn` and event channel. */
  introduce(domid: number, gfn: bigint | number, eventChannel: number): Promise<void>;
  release(domid: number): Promise<void>;
  isDomainIntroduced(domid: number): Promise<boolean>;
  getDomainPath(domid: number): Promise<string>;
  /** Sends a command of xenstore-control; removes the final NUL of the reply. */
  control(command: string, ...args: string[]): Promise<string>;
  /** close() waits for the replies under way, then ends; watches end, requests get CLOSED. */
  close(): Promise<void>;
}

export type XenstoreConnectionState =
  /** The first connection takes long; reported once, with the reason of the last try. */
  | { kind: "awaited"; cause: Error }
  | { kind: "connected"; socketPath: string }
  | { kind: "lost"; cause: Error };

export interface XenstoreConnectOptions {
  /**
   * A socket, or the kernel's device; several are tried in their order, and the first that takes a
   * connection is the only one from then on. Default: `xenstorePlaces(process.env)`.
   */
  readonly socketPath?: string | readonly string[];
  /**
   * How long the first connection may be tried, default 5000; 0 = one try. A server that is not
   * there yet, or has no room in its listen backlog (which is 1 in Xen's servers), is tried
   * again; any other error is final.
   */
  readonly timeoutMs?: number;
  /** Default true: the client reconnects without a time limit; requests meanwhile fail with
   * UNREACHABLE at once. When false they fail with LOST, and watches end with that error. */
  readonly reconnect?: boolean;
  /** How long one reply may take, default 30 000; 0, or more than 2^31 - 1, = no limit. */
  readonly requestTimeoutMs?: number;
  /** Called before each try to connect; when it rejects, that try has failed. It must not wait
   * for close(), which waits for it. */
  readonly beforeConnect?: () => Promise<void>;
  /** Called on each change, the first connection included, and once while that is awaited. */
  readonly onState?: (state: XenstoreConnectionState) => void;
  /** Aborts the first connection, once a try under way has ended; afterwards close() is the way to
   * end. */
  readonly signal?: AbortSignal;
}
