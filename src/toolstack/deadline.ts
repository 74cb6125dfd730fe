// SPDX-License-Identifier: Apache-2.0
// One signal for two reasons to stop waiting: the caller's abort and the time-out.

import { reasonOf } from "../program/portable/index.ts";
import { ToolstackError } from "./errors.ts";

export interface Deadline {
  readonly signal: AbortSignal;
  /** The error for the caller: an abort or a time-out takes precedence over `error`. */
  explain(error: unknown, subject: string): ToolstackError;
  /** Must be called at the end: the timer keeps the process alive. */
  stop(): void;
}

export function startDeadline(timeoutMs: number, abort: AbortSignal | undefined): Deadline {
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), timeoutMs);
  return {
    signal: abort === undefined ? timer.signal : AbortSignal.any([timer.signal, abort]),
    explain: (error, subject) => {
      if (error instanceof ToolstackError) return error;
      if (abort?.aborted) {
        return new ToolstackError("aborted", `${subject} was aborted`, { cause: abort.reason });
      }
      if (timer.signal.aborted) {
        return new ToolstackError(
          "timeout",
          `${subject} got no answer within ${timeoutMs} ms; is xenlogd running?`,
        );
      }
      return asXenstoreFailure(error, subject);
    },
    stop: () => clearTimeout(timeout),
  };
}

/** All other errors here come from requests to xenstore. */
export function asXenstoreFailure(error: unknown, subject: string): ToolstackError {
  return new ToolstackError("xenstore", `${subject} failed: ${reasonOf(error)}`, { cause: error });
}
