// SPDX-License-Identifier: Apache-2.0
// Keeps the event loop awake in the middle of a conversation. Falling asleep and being woken costs
// more than a request does, most of all in a virtual machine, where it takes the hypervisor. A
// client that asks again as soon as it has its answer is therefore waited for by looking, at most
// `spinMsMax` after each reply; the loop goes round all the while, so timers and other sockets
// are served as ever.
//
// What it costs is one core's time while clients ask without a pause: on an idle machine about what
// the sleeping and waking did (measured). Where all cores are busy a sleeper is woken cheaply, and
// looking would take a core from others: there is none of it then, nor where there is but one core.
// It costs nothing for a client whose requests are further apart than that. It ends by itself
// `spinMsMax` after the last reply, and keeps a process no longer than that.

import { availableParallelism, loadavg } from "node:os";

/** Several times what a client of a UNIX socket needs from a reply to its next request. */
const spinMsMax = 0.2;

const cores = availableParallelism();
/** A conversation by itself keeps two cores busy, its client's and ours. */
const loadMax = cores + 1;
const loadIntervalMs = 1000;

let loadReadMs = Number.NEGATIVE_INFINITY;
let isWorthIt = false;

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
      if (!isQuick) return;
      readLoad(answeredMs);
      if (isWorthIt) stayAwake(answeredMs + spinMsMax);
    },
  };
}

function readLoad(nowMs: number): void {
  if (nowMs - loadReadMs < loadIntervalMs) return;
  loadReadMs = nowMs;
  const [load = 0] = loadavg();
  isWorthIt = cores > 1 && load < loadMax;
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
