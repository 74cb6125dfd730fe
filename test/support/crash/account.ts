// SPDX-License-Identifier: Apache-2.0
// Tells the witness what has become of what was under way when a pump was killed, or somebody meddled:
// which lines of ours have come, what they say, and which offsets others' hands have cost.

import assert from "node:assert/strict";
import type { LogIndex } from "../../../src/logfile/index/log-index.ts";
import type { FoundLog } from "./found-log.ts";
import type { Meddler } from "./meddler.ts";
import type { Due, Witness } from "./witness.ts";

export class Account {
  readonly #found: FoundLog;
  readonly #witness: Witness;
  readonly #meddler: Meddler;
  /** Offset behind the newest range of the side file that the witness knows of. */
  #rangesEnd = 0;
  /** What the log says that crashes have cost in this epoch, to the byte. */
  #crashBytes = 0;

  constructor(found: FoundLog, witness: Witness, meddler: Meddler) {
    this.#found = found;
    this.#witness = witness;
    this.#meddler = meddler;
  }

  get crashBytes(): number {
    return this.#crashBytes;
  }

  beginEpoch(): void {
    this.#rangesEnd = 0;
    this.#crashBytes = 0;
  }

  /** A pump has finished. `unnoticed`: it has not seen what others did to its file. */
  settle(): "settled" | "unnoticed" {
    const index = this.#found.index();
    const { epoch, inserted } = this.#witness.epoch;
    const known = index?.epochs.find((one) => one.epoch === epoch);
    const ranges = (index?.ranges ?? [])
      .map(({ start, ...range }) => ({ ...range, offset: start - (known?.start ?? 0) }))
      .filter(({ offset }) => known !== undefined && offset >= this.#rangesEnd);
    const rangeBytes = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
    const isTold = ranges.some(({ kind }) => kind === "foreign");
    const end = this.#found.endOf(epoch);
    if (end === undefined) return "unnoticed";
    this.#settleFormerEpoch(index);
    const counted = this.#found.record(epoch)?.inserted.foreign ?? 0;
    if (!isTold && counted === inserted.foreign && this.#meddler.notCounted() === "unnoticed") {
      return "unnoticed";
    }
    const more = end - rangeBytes - (this.#witness.end - this.#witness.epoch.start);
    this.#meddler.settle(more, isTold ? "told" : "untold");
    for (const { offset, bytes, kind } of ranges) {
      this.#rangesEnd = offset + bytes;
      const at = this.#witness.epoch.start + offset;
      if (kind === "foreign") this.#witness.insert(at, this.#meddler.foreign(bytes), "foreign");
      else this.#insertLine(at, offset, bytes);
    }
    for (const due of [...this.#witness.due]) {
      const isNothing = typeof due.line !== "string" && due.line.lostBytes === 0;
      assert.ok(isNothing || this.#witness.hasHoles, `a line that is not there: ${due.line}`);
      this.#witness.settle(due);
    }
    return "settled";
  }

  /** Bytes in a stage are the former epoch's, and so are the offsets that others' hands have cost. */
  #settleFormerEpoch(index: LogIndex | undefined): void {
    const startOf = (epoch: string | undefined): number | undefined =>
      index?.epochs.find((known) => known.epoch === epoch)?.start;
    const present = this.#witness.epochs.at(-1);
    // One that no pump has served is in no index.
    const former = this.#witness.epochs
      .slice(0, -1)
      .findLast(({ epoch }) => startOf(epoch) !== undefined);
    const [from, to] = [startOf(former?.epoch), startOf(present?.epoch)];
    if (former === undefined || present === undefined) return;
    if (from === undefined || to === undefined) return;
    const more = to - from - (present.start - former.start);
    if (more !== 0 && this.#meddler.settleRest(more)) return;
    if (more > 0) this.#meddler.settle(more, "untold", "former epoch");
  }

  /** A line of ours has come: one that is due, and there. */
  #insertLine(at: number, offset: number, bytes: number): void {
    const due = this.#witness.due.find(
      (one) => one.at === at && (typeof one.line === "string" || one.line.lostBytes >= 0),
    );
    assert.ok(due !== undefined, `no line of ours is due at ${at}`);
    const read = this.#found.read(this.#witness.epoch.epoch, offset, bytes);
    const text = read.kind === "bytes" && read.bytes.length === bytes ? read.bytes : undefined;
    this.#witness.settle(due);
    this.#witness.insert(at, this.#checkLine(due, text, bytes), "marker");
  }

  #checkLine({ line }: Due, found: Buffer | undefined, bytes: number): Buffer {
    if (typeof line === "string") {
      const text = Buffer.from(bytes === line.length + 1 ? `${line}\n` : `\n${line}\n`);
      assert.ok(found?.equals(text) !== false, `${found} is not ${line}`);
      assert.equal(text.length, bytes, line);
      return text;
    }
    if (found === undefined) {
      // Rotated away before anybody could read what it said.
      const counted = this.#found.record(this.#witness.epoch.epoch)?.dropped["crash"] ?? 0;
      const more = counted - this.#crashBytes;
      assert.ok(more === 0 || more === line.lostBytes, `${more} bytes are counted as lost`);
      this.#crashBytes = counted;
      return Buffer.alloc(bytes, 0xff);
    }
    const said = /^\n?\[xenlogd: (up to )?(\d+) bytes lost, [^\n]*\]\n$/.exec(found.toString());
    assert.ok(said !== null, `${found} says what was lost`);
    const [, upTo, amount] = said;
    if (upTo === undefined) {
      assert.equal(Number(amount), line.lostBytes, "what was lost");
      this.#crashBytes += line.lostBytes;
    } else {
      assert.ok(line.lostBytes <= Number(amount), `${line.lostBytes} lost, ${found}`);
    }
    return found;
  }
}
