// SPDX-License-Identifier: Apache-2.0
// Reading a log by position.

export { LogReader, type Position, type PositionRead } from "./reader.ts";
