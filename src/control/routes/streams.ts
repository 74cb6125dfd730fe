// SPDX-License-Identifier: Apache-2.0
// The routes of `streams`: the list, and the long poll for the end of one.

import type { Hono } from "hono";
import { closedPath, type StreamsSource, streamsPath } from "../api/index.ts";
import { type LongPoll, longPoll, parseTimeoutMs } from "./long-poll.ts";
import { refused } from "./refused.ts";

/** `closing` ends every long poll that waits. */
export function addStreams(routes: Hono, source: StreamsSource, closing: AbortSignal): void {
  routes.get(streamsPath, async ({ req }) =>
    Response.json(await source.streams({ all: req.query("all") === "1" })),
  );
  routes.get(closedPath(":epoch"), ({ req }) => {
    const timeoutMs = parseTimeoutMs(req.query("timeoutMs"));
    if (timeoutMs === undefined) return refused(400, "badTimeout");
    const epoch = req.param("epoch") ?? "";
    const stalledSince = req.query("stalledSince");
    const poll = { timeoutMs, ends: [closing, req.raw.signal] };
    return closed((signal) => source.waitClosed(epoch, signal, stalledSince), poll);
  });
}

async function closed(
  wait: (signal: AbortSignal) => ReturnType<StreamsSource["waitClosed"]>,
  poll: LongPoll,
): Promise<Response> {
  const outcome = await longPoll(wait, poll);
  if (outcome === "open") return new Response(null, { status: 204 });
  return outcome === undefined ? refused(404, "noSuchStream") : Response.json(outcome);
}
