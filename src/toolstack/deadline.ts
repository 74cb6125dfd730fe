// SPDX-License-Identifier: Apache-2.0
// One signal for two reasons to stop waiting: the caller's own, and the time.

import { ToolstackError } from "./errors.ts";

export interface Deadline {
  readonly signal: AbortSignal;
  /** The error for the caller, made of `error`: its abort and our time-out come first. */
  explain(error: unknown, subject: string): ToolstackError;
  /** To be called in the end, or the timer keeps the process alive. */
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

/** Everything else that can go wrong here is a request to xenstore. */
export function asXenstoreFailure(error: unknown, subject: string): ToolstackError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ToolstackError("xenstore", `${subject} failed: ${reason}`, { cause: error });
}
