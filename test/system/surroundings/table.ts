// SPDX-License-Identifier: Apache-2.0
// What goes on while a disk takes nothing more: the expected conduct of each cell, and the rows of the
// table in docs/operations.md that are made from it.

import type { Fault } from "./failing-disk.ts";
import type { Conduct, Moment } from "./play.ts";
import type { Mode, Place } from "./site.ts";

export interface Cell {
  readonly mode: Mode;
  readonly place: Place;
  readonly fault: Fault;
  readonly moment: Moment;
}

/** What is observed of a log, as a text or a pattern of it. */
type Fate = string | RegExp;
export type Expected = { readonly [Part in keyof Conduct]: Fate };

const modes = ["embedded", "host"] as const;
const places = ["logs", "state", "both", "stderr"] as const;
const faults = ["full", "noInodes", "readOnly"] as const;
const moments = ["running", "start", "restart"] as const;

export const cells: readonly Cell[] = modes.flatMap((mode) =>
  places.flatMap((place) =>
    faults.flatMap((fault) => moments.map((moment) => ({ mode, place, fault, moment }))),
  ),
);

/** Played in each test run: every mode, place, disk and moment, and what has been wrong before. */
const selected: ReadonlySet<string> = new Set([
  "embedded logs full restart",
  "host logs noInodes start",
  "embedded logs readOnly running",
  "embedded state full start",
  "host state noInodes restart",
  "embedded state readOnly restart",
  "embedded state readOnly start",
  "host both readOnly running",
  "embedded both full running",
  "host stderr full start",
  "embedded stderr readOnly running",
]);

export function nameOf({ mode, place, fault, moment }: Cell): string {
  return `${mode} ${place} ${fault} ${moment}`;
}

export function isSelected(cell: Cell): boolean {
  return selected.has(nameOf(cell));
}

const noSpace = "no space left on the file system";
const readOnly = "the file system is read-only";
const none = "-";

export function expectedOf(cell: Cell): Expected {
  const start = cell.moment === "running" ? "goes on" : "starts";
  const request = requestFate(cell);
  if (cell.moment === "start") {
    // There are no logs yet; the one on the disk is a new one.
    return { start, there: request === "logs" ? newThere(cell) : request, beside: none, request };
  }
  return { start, there: there(cell), beside: beside(cell), request };
}

/** A new log on a healthy disk. */
function requestFate({ place, fault, mode, moment }: Cell): Fate {
  if (place === "logs" || place === "stderr") return "logs";
  const isStore = mode === "embedded" && (fault === "readOnly" || moment === "start");
  if (isStore) {
    const reason =
      fault === "readOnly"
        ? "the file system of the server is read-only \\(EROFS\\)"
        : "quota exceeded, or the server has no room to keep the change \\(ENOSPC\\)";
    return new RegExp(`^refused: /libxl/logging/\\d+ failed: xenstore TRANSACTION_END: ${reason}$`);
  }
  const reason = fault === "readOnly" ? readOnly : noSpace;
  return `refused: the daemon cannot keep its own record of the stream: ${reason}`;
}

/** A new log on the disk that takes nothing. */
function newThere({ place, fault }: Cell): Fate {
  if (place !== "logs") return "logs";
  if (fault === "full") return waitsForRoom;
  const reason = fault === "readOnly" ? readOnly : noSpace;
  return `refused: the log new-there cannot be opened: ${reason}`;
}

const waitsForRoom = `waits: splice failed: ${noSpace} (ENOSPC)`;
const waitsForState =
  /^waits: the pump for .* cannot start: open .*\/notes-.* failed: the file system is read-only \(EROFS\)$/;

/** A log on the disk, if logs are there, that was served before. */
function there(cell: Cell): Fate {
  const { place, fault, moment } = cell;
  const isThere = place === "logs" || place === "both";
  if (!isThere || hasNoPump(cell)) return beside(cell);
  // A file that is open needs no inode.
  if (fault === "noInodes") return "logs";
  if (fault === "full") return waitsForRoom;
  return moment === "running" ? waitsForWritable : cannotBeOpened;
}

const cannotBeOpened = `waits: the log there cannot be opened: ${readOnly}`;
/** After the first refusal the file is opened anew. */
const waitsForWritable: RegExp = new RegExp(
  `^(waits: splice failed: ${readOnly} \\(EROFS\\)|${cannotBeOpened})$`,
);

/** A log on a healthy disk that was served before. */
function beside(cell: Cell): Fate {
  return hasNoPump(cell) ? waitsForState : "logs";
}

/** What a pump has to note, it has room for; where it can write nothing it moves nothing. */
function hasNoPump({ place, fault }: Cell): boolean {
  return fault === "readOnly" && (place === "state" || place === "both");
}

const placeTexts: Readonly<Record<Place, string>> = {
  logs: "a log",
  state: "the daemon's state",
  both: "logs and state",
  stderr: "the daemon's stderr",
};
const faultTexts: Readonly<Record<Fault, string>> = {
  full: "full",
  noInodes: "without inodes",
  readOnly: "read-only",
};

/** Rows of the table in docs/operations.md; both modes and both moments behave alike. */
export function documentedRows(): readonly string[] {
  return places.flatMap((place) =>
    faults.map((fault) => {
      const cell = { mode: "host", place, fault } as const;
      const running = expectedOf({ ...cell, moment: "running" });
      const started = expectedOf({ ...cell, moment: "start" });
      const columns = [running.there, running.beside, running.request, started.there];
      return `| ${placeTexts[place]} | ${faultTexts[fault]} | ${columns.map(wordOf).join(" | ")} |`;
    }),
  );
}

/** `logs`, `waits` or `refused`. */
export function wordOf(fate: Fate): string {
  const text = typeof fate === "string" ? fate : fate.source;
  return /\w+/.exec(text)?.[0] ?? text;
}
