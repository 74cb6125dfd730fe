// SPDX-License-Identifier: Apache-2.0
// What a command prints through: all of it is made safe for a terminal here, and nothing goes another way.

import { safeJson, safeLines, safeText } from "./safe-text.ts";

export type Style = "plain" | "bold" | "dim";

/** Where text goes. Writing never fails: a reader that closed the other end wants no more text. */
export interface Output {
  /** One line. */
  line(text: string, style?: Style): void;
  /** Lines that this program has composed itself, such as its help: line feeds are left alone. */
  lines(text: string): void;
  /** One line of JSON. */
  json(value: unknown): void;
  /** Writes over the current line of a terminal, and stays on it. */
  overwrite(text: string, style?: Style): void;
  readonly isTerminal: boolean;
  /** Width in characters; 80 if it is unknown. */
  readonly columns: number;
}

export interface Terminal {
  readonly isTerminal: boolean;
  readonly columns: number;
}

const clearLine = "\r\x1b[K";
/** How a style begins, and 22 ends both (ECMA-48, SGR). */
const beginOf = { plain: "", bold: "\x1b[1m", dim: "\x1b[2m" } as const;
const styleEnd = "\x1b[22m";

/** The output on top of what writes text as it is. */
export function outputTo(write: (text: string) => void, terminal: Terminal): Output {
  return {
    line: (text, style) => write(`${styled(text, style)}\n`),
    lines: (text) => write(safeLines(text)),
    json: (value) => write(`${safeJson(value)}\n`),
    overwrite: (text, style) => write(`${clearLine}${styled(text, style)}`),
    get isTerminal() {
      return terminal.isTerminal;
    },
    get columns() {
      return terminal.columns;
    },
  };
}

function styled(text: string, style: Style = "plain"): string {
  const safe = safeText(text);
  return style === "plain" ? safe : `${beginOf[style]}${safe}${styleEnd}`;
}
