// SPDX-License-Identifier: Apache-2.0
// Rows of text as aligned columns, two spaces apart.

import { safeText } from "../../program/index.ts";

export interface Column<Row> {
  readonly heading: string;
  readonly align: "left" | "right";
  readonly text: (row: Row) => string;
}

/** The lines, heading first. Cells are as they will be printed, so that columns stay aligned. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly string[] {
  const cells = [
    columns.map((column) => column.heading),
    ...rows.map((row) => columns.map((column) => safeText(column.text(row)))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...cells.map((line) => line[index]?.length ?? 0)),
  );
  return cells.map((line) =>
    line
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
