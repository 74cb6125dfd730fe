// SPDX-License-Identifier: Apache-2.0
// The control API's paths and answers, one file a resource. No sockets here: a Request in, a
// Response out.

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ControlSource } from "../api/index.ts";
import { addDaemon } from "./daemon.ts";
import { failed, refused, requestBodyBytesMax } from "./refused.ts";
import { addStreams } from "./streams.ts";

/** Builds the API; `closing` ends every long poll that waits. */
export function controlRoutes(source: ControlSource, closing: AbortSignal): Hono {
  const routes = new Hono();
  routes.use(bodyLimit({ maxSize: requestBodyBytesMax, onError: () => refused(413, "tooLarge") }));
  addDaemon(routes, source);
  addStreams(routes, source, closing);
  routes.notFound(() => refused(404, "noSuchPath"));
  routes.onError(({ message }) => failed(500, "internal", message));
  return routes;
}
