// SPDX-License-Identifier: Apache-2.0
// Questions to a pump about its streams that wait for an answer, each for a bounded time.

import type { StreamReport } from "../../pump/index.ts";

/** A pump that hangs in its disk does not delay the answer of the daemon. */
const answerMsMax = 300;

export class PumpReports {
  readonly #waiting: Map<number, (streams: readonly StreamReport[]) => void> = new Map();
  #requests = 0;

  /** Asks with a number of its own; resolves with the answer, or with none in time. */
  ask(send: (request: number) => void): Promise<readonly StreamReport[]> {
    this.#requests += 1;
    const request = this.#requests;
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer([]), answerMsMax);
      const answer = (streams: readonly StreamReport[]): void => {
        clearTimeout(timer);
        this.#waiting.delete(request);
        resolve(streams);
      };
      this.#waiting.set(request, answer);
      send(request);
    });
  }

  answered(request: number, streams: readonly StreamReport[]): void {
    this.#waiting.get(request)?.(streams);
  }
}
