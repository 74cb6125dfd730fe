// SPDX-License-Identifier: Apache-2.0
// The handle of a requested log. close() removes its nodes; the daemon then drains the FIFO until
// its last writer is gone. If the daemon has not answered yet, close() first waits for the answer:
// without it the daemon would never read the bytes.

import { closeSync, constants } from "node:fs";
import { type LogfileKey, logfilePath } from "../contract/index.ts";
import { bytesReadable, openPath } from "../kernel/index.ts";
import type { XenstoreClient } from "../xenstore/index.ts";
import { asXenstoreFailure, startDeadline } from "./deadline.ts";
import { ToolstackError } from "./errors.ts";
import type { FifoAccess, LogFifo } from "./fifo.ts";
import { removeRequest } from "./nodes.ts";
import { timeoutMsDefault } from "./options.ts";
import { waitUntilReady } from "./waiting.ts";

export interface CloseHandleOptions {
  /** How long to wait for the answer to a request, default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** Ends that wait; the nodes are removed in any case. */
  readonly signal?: AbortSignal | undefined;
}

export interface LogfileHandle extends AsyncDisposable {
  readonly key: LogfileKey;
  /** Path of the FIFO. */
  readonly pipe: string;
  /** Path of the log. */
  readonly file: string;
  /** As it was when the handle was made. */
  readonly state: "ready" | "pending";
  /**
   * A new descriptor on the FIFO, of its own open file description, close-on-exec; the caller
   * closes it. Throws ToolstackError `fifo` or `closed`.
   */
  open(): number;
  /**
   * Two descriptors of `open()`, for the stdout and stderr of a child process; the same at each call.
   * The handle closes them in `close()`: until then the daemon takes this process for a writer.
   * Throws ToolstackError `fifo` or `closed`.
   */
  stdio(): readonly [stdout: number, stderr: number];
  /**
   * Removes the nodes and closes the descriptors of `stdio()`; a second call, or missing nodes, are no error. Throws ToolstackError; if
   * that is `refused` or `timeout`, the nodes were removed and bytes in the FIFO were lost.
   */
  close(options?: CloseHandleOptions): Promise<void>;
}

export interface HandleParts {
  readonly xenstore: XenstoreClient;
  readonly key: LogfileKey;
  readonly fifo: LogFifo;
  readonly file: string;
  readonly state: "ready" | "pending";
  readonly access: FifoAccess;
}

export function createHandle(parts: HandleParts): LogfileHandle {
  const { key, fifo, file, state } = parts;
  let closed = false;
  let stdio: readonly [number, number] | undefined;
  const open = (): number => {
    if (closed) throw new ToolstackError("closed", `${logfilePath(key)} was closed`);
    return fifo.open(parts.access);
  };
  const close = async (options: CloseHandleOptions = {}): Promise<void> => {
    closed = true;
    const descriptors = stdio ?? [];
    stdio = undefined;
    try {
      await closeParts(parts, options);
    } finally {
      // Last: while the daemon has not opened the FIFO, they keep the bytes in it.
      for (const descriptor of descriptors) closeSync(descriptor);
    }
  };
  return {
    key,
    pipe: fifo.path,
    file,
    state,
    open,
    stdio: () => {
      stdio ??= openPair(open);
      return stdio;
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

function openPair(open: () => number): readonly [number, number] {
  const first = open();
  try {
    return [first, open()];
  } catch (error) {
    closeSync(first);
    throw error;
  }
}

async function closeParts(parts: HandleParts, options: CloseHandleOptions): Promise<void> {
  const { xenstore, key, fifo, state } = parts;
  const subject = `closing ${logfilePath(key)}`;
  const unmet = state === "pending" ? await meetDaemon(parts, options, subject) : undefined;
  const answer = await removeRequest(xenstore, key, fifo.path).catch((error: unknown) => {
    throw asXenstoreFailure(error, subject);
  });
  // Another program may have removed nodes that were `ready`: then the daemon deletes the FIFO.
  if (answer === "gone" || (answer !== "none" && answer.state === "ready")) return;
  const bytesLost = bytesWaiting(fifo);
  fifo.discard();
  if (unmet !== undefined && bytesLost > 0) throw withLoss(unmet, bytesLost);
}

/** Why the daemon does not read the FIFO, or `undefined` if it does. */
async function meetDaemon(
  parts: HandleParts,
  options: CloseHandleOptions,
  subject: string,
): Promise<ToolstackError | undefined> {
  const deadline = startDeadline(options.timeoutMs ?? timeoutMsDefault, options.signal);
  try {
    await waitUntilReady(parts.xenstore, parts.key, parts.fifo.path, deadline.signal);
    return undefined;
  } catch (error) {
    return deadline.explain(error, subject);
  } finally {
    deadline.stop();
  }
}

function withLoss(reason: ToolstackError, bytesLost: number): ToolstackError {
  const message = `${reason.message}; ${bytesLost} bytes in its FIFO were lost`;
  return new ToolstackError(reason.code, message, { cause: reason });
}

function bytesWaiting(fifo: LogFifo): number {
  try {
    const fd = openPath(fifo.path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return bytesReadable(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Missing or not readable: nothing can be counted.
    return 0;
  }
}
