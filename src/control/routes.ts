// SPDX-License-Identifier: Apache-2.0
// The control API's paths and answers. No sockets here: a Request in, a Response out.

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ControlSource, StreamStatus } from "./api.ts";

/** A long poll is answered at least this often, so that a dead client does not hold it for ever. */
const longPollMsMax = 60_000;

/** No request has a body worth reading; this keeps a careless client from filling our memory. */
const requestBodyBytesMax = 4096;

/** Builds the API; `closing` ends every long poll that waits. */
export function controlRoutes(source: ControlSource, closing: AbortSignal): Hono {
  const routes = new Hono();
  routes.use(bodyLimit({ maxSize: requestBodyBytesMax, onError: () => refused(413, "tooLarge") }));
  routes.get("/v1/status", () => Response.json(source.status()));
  routes.get("/v1/streams", async (context) =>
    Response.json(await source.streams({ all: context.req.query("all") === "1" })),
  );
  routes.get("/v1/streams/:epoch/closed", (context) => {
    const timeoutMs = parseTimeoutMs(context.req.query("timeoutMs"));
    if (timeoutMs === undefined) return refused(400, "badTimeout");
    const ends = [closing, context.req.raw.signal];
    return closedOf(source, context.req.param("epoch"), timeoutMs, ends);
  });
  routes.post("/v1/stop", () => {
    // After the answer has left: a stopping server cuts its connections.
    setImmediate(() => source.stop());
    return Response.json({}, { status: 202 });
  });
  routes.post("/v1/reload", () => {
    const outcome = source.reload();
    if (outcome.kind === "reloaded") return Response.json({});
    const error = { code: "configuration", message: outcome.reason };
    return Response.json({ error }, { status: 422 });
  });
  routes.notFound(() => refused(404, "noSuchPath"));
  routes.onError((error) =>
    Response.json({ error: { code: "internal", message: error.message } }, { status: 500 }),
  );
  return routes;
}

async function closedOf(
  source: ControlSource,
  epoch: string,
  timeoutMs: number,
  ends: readonly AbortSignal[],
): Promise<Response> {
  const waiting = new AbortController();
  const stop = (): void => waiting.abort();
  // Not AbortSignal.any with AbortSignal.timeout: Node 20 may collect those before they fire.
  const timer = setTimeout(stop, timeoutMs);
  for (const end of ends) end.addEventListener("abort", stop, { once: true });
  if (ends.some((end) => end.aborted)) stop();
  try {
    return answerOf(
      await Promise.race([statusOf(source, epoch, waiting.signal), aborted(waiting.signal)]),
    );
  } finally {
    clearTimeout(timer);
    for (const end of ends) end.removeEventListener("abort", stop);
    stop();
  }
}

function answerOf(outcome: StreamStatus | "open" | "unknown"): Response {
  switch (outcome) {
    case "open":
      return new Response(null, { status: 204 });
    case "unknown":
      return refused(404, "noSuchStream");
    default:
      return Response.json(outcome);
  }
}

async function statusOf(
  source: ControlSource,
  epoch: string,
  signal: AbortSignal,
): Promise<StreamStatus | "open" | "unknown"> {
  try {
    return (await source.waitClosed(epoch, signal)) ?? "unknown";
  } catch (error) {
    // A source may answer the end of the wait by rejecting.
    if (signal.aborted) return "open";
    throw error;
  }
}

function aborted(signal: AbortSignal): Promise<"open"> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve("open");
    signal.addEventListener("abort", () => resolve("open"), { once: true });
  });
}

function parseTimeoutMs(text: string | undefined): number | undefined {
  if (text === undefined) return longPollMsMax;
  if (!/^\d{1,9}$/.test(text)) return undefined;
  return Math.min(Number(text), longPollMsMax);
}

const sentences = {
  tooLarge: `the request has more than ${requestBodyBytesMax} bytes`,
  badTimeout: "timeoutMs is not a decimal number of milliseconds",
  noSuchStream: "there is no stream of that epoch",
  noSuchPath: "the control API has no such path",
} as const;

function refused(status: number, code: keyof typeof sentences): Response {
  return Response.json({ error: { code, message: sentences[code] } }, { status });
}
