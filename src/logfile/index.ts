// SPDX-License-Identifier: Apache-2.0
// Logs on disk: bounded, rotated, never followed out of their directory.

export { LogfileError, type LogfileErrorCode } from "./errors.ts";
export {
  type Appended,
  type LiveFile,
  type LogLocation,
  RotatingFile,
  type RotatingFileOptions,
} from "./rotating-file.ts";
