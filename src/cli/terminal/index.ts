// SPDX-License-Identifier: Apache-2.0
// Text for people: messages, colours, tables and numbers.

export { hasColor } from "./color.ts";
export { note, say } from "./messages.ts";
export { type Column, formatTable } from "./table.ts";
export { formatBytes, formatCount, sumOf } from "./units.ts";
