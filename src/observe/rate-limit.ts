// SPDX-License-Identifier: Apache-2.0
// Bounds how often one subject is reported, and so what a guest can make the daemon write into its own
// log. Pure: the caller gives the time.

export interface RateLimitOptions {
  /** A subject is reported at most once in this time. */
  readonly intervalMs: number;
  /** Subjects remembered; bounds the memory, and the reports of all subjects in one interval. */
  readonly subjectsMax: number;
}

export class RateLimit {
  readonly #options: RateLimitOptions;
  /** When each subject was reported last; the oldest report comes first. */
  readonly #reportedAtMs: Map<string, number> = new Map();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Whether the subject may be reported now; the caller reports it then. `nowMs` never decreases. */
  admits(subject: string, nowMs: number): boolean {
    this.#forgetBefore(nowMs - this.#options.intervalMs);
    if (this.#reportedAtMs.has(subject)) return false;
    if (this.#reportedAtMs.size >= this.#options.subjectsMax) return false;
    this.#reportedAtMs.set(subject, nowMs);
    return true;
  }

  #forgetBefore(timeMs: number): void {
    for (const [subject, reportedAtMs] of this.#reportedAtMs) {
      if (reportedAtMs > timeMs) break;
      this.#reportedAtMs.delete(subject);
    }
  }
}
