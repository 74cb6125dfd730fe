// SPDX-License-Identifier: Apache-2.0
// createLogfile and closeLogfile: FIFO first, then all nodes in one transaction, then the daemon's
// answer; or neither FIFO nor nodes. After `ready` the daemon deletes the FIFO.

import { type LogfileKey, type LogOwner, logfilePath } from "../contract/index.ts";
import { isXenstoreError, type XenstoreClient } from "../xenstore/index.ts";
import { asXenstoreFailure, type Deadline, startDeadline } from "./deadline.ts";
import { ToolstackError } from "./errors.ts";
import { createFifo, type LogFifo } from "./fifo.ts";
import { createHandle, type LogfileHandle } from "./handle.ts";
import { removeRequest, writeRequest } from "./nodes.ts";
import {
  type CreateLogfileOptions,
  checkOptions,
  requestNodes,
  timeoutMsDefault,
} from "./options.ts";
import { waitUntilReady } from "./waiting.ts";

/**
 * Asks the daemon for a log. Throws ToolstackError; then nothing is left behind, except a FIFO that
 * the caller passed.
 */
export async function createLogfile(options: CreateLogfileOptions): Promise<LogfileHandle> {
  const owner = checkOptions(options);
  if (options.signal?.aborted) {
    throw new ToolstackError("aborted", `creating a log for ${options.file} was aborted`, {
      cause: options.signal.reason,
    });
  }
  const fifo = options.fifo ?? createFifo(fifoOptions(options, owner));
  const deadline = startDeadline(options.timeoutMs ?? timeoutMsDefault, options.signal);
  const attempt: Attempt = { key: undefined };
  try {
    return await request(options, owner, fifo, deadline, attempt);
  } catch (error) {
    const subject =
      attempt.key === undefined ? `a log for ${options.file}` : logfilePath(attempt.key);
    const explained = deadline.explain(error, subject);
    throw await takeBack(options, fifo, attempt, explained);
  } finally {
    deadline.stop();
  }
}

/** Removes the nodes of any log; missing nodes are no error. */
export async function closeLogfile(options: {
  readonly xenstore: XenstoreClient;
  readonly key: LogfileKey;
}): Promise<void> {
  try {
    await removeRequest(options.xenstore, options.key);
  } catch (error) {
    throw asXenstoreFailure(error, `removing ${logfilePath(options.key)}`);
  }
}

/** What may be in xenstore already. */
interface Attempt {
  key: LogfileKey | undefined;
}

async function request(
  options: CreateLogfileOptions,
  owner: LogOwner,
  fifo: LogFifo,
  deadline: Deadline,
  attempt: Attempt,
): Promise<LogfileHandle> {
  const { xenstore, wait = true } = options;
  const nodes = requestNodes(options, fifo.path);
  const onAttempt = (key: LogfileKey): void => {
    attempt.key = key;
  };
  const key = await writeRequest(xenstore, owner, nodes, onAttempt, deadline.signal);
  if (wait) await waitUntilReady(xenstore, key, fifo.path, deadline.signal);
  return createHandle({
    xenstore,
    key,
    fifo,
    file: options.file,
    state: wait ? "ready" : "pending",
    access: options.access ?? "rdwr",
  });
}

function fifoOptions(
  options: CreateLogfileOptions,
  owner: LogOwner,
): { directory: string; label: string } {
  const ownerLabel = owner.kind === "host" ? "host" : (options.name ?? `${owner.domid}`);
  return { directory: options.fifoDirectory ?? "", label: `${ownerLabel}-${options.log ?? "log"}` };
}

async function takeBack(
  options: CreateLogfileOptions,
  fifo: LogFifo,
  attempt: Attempt,
  failure: ToolstackError,
): Promise<ToolstackError> {
  try {
    if (attempt.key !== undefined) await removeRequest(options.xenstore, attempt.key, fifo.path);
    return failure;
  } catch (error) {
    // The store is lost or does not reply: report that nodes may be left, and go on.
    const lost = isXenstoreError(error) ? error.message : String(error);
    return new ToolstackError(
      failure.code,
      `${failure.message}; its nodes may still be there: ${lost}`,
      { cause: error },
    );
  } finally {
    if (options.fifo === undefined) fifo.discard();
  }
}
