// SPDX-License-Identifier: Apache-2.0
// Keeps the event loop awake in the middle of a conversation. Falling asleep and being woken costs
// more than a request does, most of all in a virtual machine, where it takes the hypervisor. A
// client that asks again as soon as it has its answer is therefore waited for by looking, at most
// `spinMsMax` after each reply; the loop goes round all the while, so timers and other sockets
// are served as ever.
//
// What it costs is one core's time while clients ask without a pause: on an idle machine no more
// than the sleeping and waking did (measured), on one whose cores are all busy up to twice the time a
// request, for there a sleeper is woken cheaply. It costs nothing for a client whose requests are
// further apart than that, nor where there is but one core, which the client needs. It ends by
// itself `spinMsMax` after the last reply, and keeps a process no longer than that.

import { availableParallelism } from "node:os";

/** Several times what a client of a UNIX socket needs from a reply to its next request. */
const spinMsMax = 0.2;

const isWorthIt = availableParallelism() > 1;

/** Until when the loop is to stay awake, for all clients of the process. */
let awakeUntilMs = 0;
let isSpinning = false;

export interface Conversation {
  /** Call when requests have come. */
  asked(): void;
  /** Call when they were answered: the loop stays awake if they came soon after the last answer. */
  answered(): void;
}

export function openConversation(): Conversation {
  let answeredMs = Number.NEGATIVE_INFINITY;
  let isQuick = false;
  return {
    asked: () => {
      isQuick = performance.now() - answeredMs < spinMsMax;
    },
    answered: () => {
      answeredMs = performance.now();
      if (isQuick && isWorthIt) stayAwake(answeredMs + spinMsMax);
    },
  };
}

function stayAwake(untilMs: number): void {
  awakeUntilMs = untilMs;
  if (isSpinning) return;
  isSpinning = true;
  setImmediate(turn);
}

/** With an immediate to run, the loop looks for what has come, and does not wait for it. */
function turn(): void {
  isSpinning = performance.now() < awakeUntilMs;
  if (isSpinning) setImmediate(turn);
}
