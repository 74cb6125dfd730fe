// SPDX-License-Identifier: Apache-2.0
// Everything that our programs print goes through this file, the only one that touches process.stdout
// and process.stderr: all of it is made safe for a terminal here.

import type { WriteStream } from "node:tty";
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

/** An output for any destination of text: tests have their own. */
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

export function standardOutput(): Output {
  return outputOf(process.stdout);
}

export function standardError(): Output {
  return outputOf(process.stderr);
}

function outputOf(stream: WriteStream): Output {
  // `xenlog list | head -1` closes the pipe while we write: the reader wants no more.
  if (stream.listenerCount("error") === 0) stream.on("error", () => undefined);
  return outputTo((text) => void stream.write(text), {
    isTerminal: stream.isTTY === true,
    get columns() {
      // Some terminals report a width of 0.
      return stream.columns || 80;
    },
  });
}

function styled(text: string, style: Style = "plain"): string {
  const safe = safeText(text);
  return style === "plain" ? safe : `${beginOf[style]}${safe}${styleEnd}`;
}
