// SPDX-License-Identifier: Apache-2.0
// Mechanisms that need nothing but Node.js: the xenstore client and server load no FFI for them.

export { linesOfBug } from "./bugs.ts";
export { diskFaultExitCode, isDiskFault } from "./disk-fault.ts";
export { type OptionNames, unknownOption } from "./known-options.ts";
export { LineOutput, type LineOutputOptions } from "./line-output.ts";
export { makeDirectory, NotDirectoryError, removeDirectories } from "./make-directory.ts";
export { giveNotice, type Notice, readNotice } from "./notice.ts";
export { type Output, outputTo, type Style } from "./output.ts";
export { guardOutputs, printLine, printLines } from "./own-outputs.ts";
export {
  type ReplaceOptions,
  removeIfPossible,
  replaceFile,
  temporarySuffix,
} from "./replace-file.ts";
export { ReservedFile } from "./reserved-file.ts";
export {
  type Backoff,
  pause,
  type RetryOptions,
  RetryTimer,
  type RetryTimerOptions,
  reasonOf,
  retry,
  spreadPauseMs,
  type WaitOptions,
  waitUntil,
} from "./retry.ts";
export { escapeCharacter, safeJson, safeJsonText, safeText } from "./safe-text.ts";
export { type Shape, type Shaped, shapeSchema } from "./shape.ts";
export { probeSocket, type SocketState } from "./socket-probe.ts";
export {
  flawOf,
  loadState,
  readStateFile,
  requireOurs,
  type SetAside,
  StateFileError,
  setAside,
} from "./state-file.ts";
