// SPDX-License-Identifier: Apache-2.0
// The pump: moves bytes from FIFOs to logs. `runPump` is its process; the rest is for the main
// process that starts it.

export {
  type FromPump,
  type OverflowPolicy,
  type PumpPolicies,
  parseFromPump,
  type StreamReport,
  type ToPump,
} from "./messages.ts";
export { areSettled } from "./note.ts";
export { type PumpChannel, runPump } from "./pump.ts";
export { parseStreamRecord, type StreamRecord } from "./record.ts";
