// SPDX-License-Identifier: Apache-2.0
// The streams of the daemon: in memory, on tmpfs, and in the pump of their file system.

export type { ClosedStream } from "./closed-streams.ts";
export type { LiveStream } from "./live-streams.ts";
export { aboutRequest, type OpenRequest } from "./stream-request.ts";
export { StreamTable } from "./stream-table.ts";
export { type Opened, Streams } from "./streams.ts";
