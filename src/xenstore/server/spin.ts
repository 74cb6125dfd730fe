// SPDX-License-Identifier: Apache-2.0
// Keeps the event loop awake while a client sends each request at once after the last reply.
// Sleeping and waking costs more than a request, most of all in a virtual machine, where the
// hypervisor does it. So the loop polls for at most `spinMsMax` after each reply; it serves timers
// and other sockets as usual.
//
// It uses one core while clients send without a pause: on an idle machine about as much as sleeping
// and waking (measured). It does not poll if all cores are busy, where waking is cheap and polling
// would take a core from other processes, nor on a machine with one core, nor while several clients
// ask in turn: those work for each other, and a core is what they need (1000 logs were created in
// 3.4 s instead of 4.1). A client whose requests are further apart costs nothing. Polling ends
// `spinMsMax` after the last reply and keeps the process alive no longer.

import { availableParallelism, loadavg } from "node:os";

/** Several times the time between a reply and the next request on a UNIX socket. */
const spinMsMax = 0.2;

/** Longer than clients that work together leave each other alone. */
const aloneMsMin = 10;

const cores = availableParallelism();
/** One client that sends without a pause keeps two cores busy: its own and the server's. */
const loadMax = cores + 1;
const loadIntervalMs = 1000;

let loadReadMs = Number.NEGATIVE_INFINITY;
let isWorthIt = false;

/** The client that asked last, and since when no other one did. */
let lastClient: Conversation | undefined;
let aloneSinceMs = 0;

/** The loop stays awake until then, for all clients of the process. */
let awakeUntilMs = 0;
let isSpinning = false;

export interface Conversation {
  /** Call when requests have come. */
  asked(): void;
  /**
   * Call after the replies: the loop stays awake if the requests came soon after the last reply.
   */
  answered(): void;
}

export function openConversation(): Conversation {
  let answeredMs = Number.NEGATIVE_INFINITY;
  let isQuick = false;
  const conversation: Conversation = {
    asked: () => {
      const nowMs = performance.now();
      if (lastClient !== conversation) {
        lastClient = conversation;
        aloneSinceMs = nowMs;
      }
      isQuick = nowMs - answeredMs < spinMsMax && nowMs - aloneSinceMs >= aloneMsMin;
    },
    answered: () => {
      answeredMs = performance.now();
      if (!isQuick) return;
      readLoad(answeredMs);
      if (isWorthIt) stayAwake(answeredMs + spinMsMax);
    },
  };
  return conversation;
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

/** While an immediate is due, the loop polls for events and does not wait. */
function turn(): void {
  isSpinning = performance.now() < awakeUntilMs;
  if (isSpinning) setImmediate(turn);
}
