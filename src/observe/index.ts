// SPDX-License-Identifier: Apache-2.0
// What happens in the daemon, by name, and how it is reported.

export { logEvents } from "./event-log.ts";
export type { DaemonEvent, EmitEvent, EventStream, Stall, StreamEvent } from "./events.ts";
export { LastingEvents } from "./lasting-events.ts";
export { RateLimit, type RateLimitOptions } from "./rate-limit.ts";
