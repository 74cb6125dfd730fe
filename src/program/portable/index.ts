// SPDX-License-Identifier: Apache-2.0
// Mechanisms that need nothing but Node.js: the xenstore client and server load no FFI for them.

export { LineOutput, type LineOutputOptions } from "./line-output.ts";
export { giveNotice, type Notice, readNotice } from "./notice.ts";
export { guardOutputs, printWords } from "./own-outputs.ts";
export { type ReplaceOptions, removeIfPossible, replaceFile } from "./replace-file.ts";
export { ReservedFile } from "./reserved-file.ts";
export {
  type Backoff,
  pause,
  pauseMs,
  type RetryOptions,
  RetryTimer,
  type RetryTimerOptions,
  reasonOf,
  retry,
  spreadPauseMs,
  type WaitOptions,
  waitUntil,
} from "./retry.ts";
export { type Shape, type Shaped, shapeSchema } from "./shape.ts";
export { probeSocket, type SocketState } from "./socket-probe.ts";
