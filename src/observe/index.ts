// SPDX-License-Identifier: Apache-2.0
// What happens in the daemon, by name, and how it is reported.

export { type EventLog, openEventLog } from "./event-log.ts";
export type { DaemonEvent, EmitEvent, EventStream, Stall } from "./events.ts";
export { LastingEvents } from "./lasting-events.ts";
export { RateLimit, type RateLimitOptions } from "./rate-limit.ts";
