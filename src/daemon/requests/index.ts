// SPDX-License-Identifier: Apache-2.0
// Requests in xenstore: follow them, decide, answer.

export { XenstoreFollower } from "./follow.ts";
export { type Refusal, Refusals } from "./refusals.ts";
