// SPDX-License-Identifier: Apache-2.0
// The one list of what the bench takes from inside the product's rooms: when a file moves or an export
// is renamed, this is the place. Loaded with a `?variant=` it is the product with a flaw (hooks.ts), so
// it is imported when the hooks are there, never by a static import.

export { readIndex } from "../../../src/logfile/index/side-file.ts";
export { PumpedStream } from "../../../src/pump/pumped-stream.ts";
export { Recovery } from "../../../src/pump/recovery.ts";
export { RetryRound } from "../../../src/pump/retry-round.ts";
export { StageOwner } from "../../../src/pump/stage-owner.ts";
export { StagePool } from "../../../src/pump/stage-pool.ts";
