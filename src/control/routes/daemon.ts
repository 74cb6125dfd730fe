// SPDX-License-Identifier: Apache-2.0
// The routes about the daemon itself: status, stop, reload.

import type { Hono } from "hono";
import { type DaemonSource, reloadPath, statusPath, stopPath } from "../api/index.ts";
import { failed } from "./refused.ts";

export function addDaemon(routes: Hono, source: DaemonSource): void {
  routes.get(statusPath, () => Response.json(source.status()));
  routes.post(stopPath, () => {
    // After the answer has left: a stopping server cuts its connections.
    setImmediate(() => source.stop());
    return Response.json({}, { status: 202 });
  });
  routes.post(reloadPath, () => {
    const outcome = source.reload();
    if (outcome.kind === "reloaded") return Response.json({});
    return failed(422, "configuration", outcome.reason);
  });
}
