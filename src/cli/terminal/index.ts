// SPDX-License-Identifier: Apache-2.0
// Values as people read them on a terminal.

export { type Column, formatTable } from "./table.ts";
export { formatBytes, formatCount, sumOf } from "./units.ts";
