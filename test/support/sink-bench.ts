// SPDX-License-Identifier: Apache-2.0
// A log with its sink in this process, and a witness of every byte of each epoch by its offset.

import assert from "node:assert/strict";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePipe, resizePipe } from "../../src/kernel/index.ts";
import type { LogIndex } from "../../src/logfile/index/log-index.ts";
import { readIndex } from "../../src/logfile/index/side-file.ts";
import { Durability, LogReader, OpenDirectories, type Syncable } from "../../src/logfile/index.ts";
import { LogSink } from "../../src/pump/log-sink.ts";

const pipe = makePipe();
resizePipe(pipe.readFd, 1 << 20);

/** How far the check goes where nothing is left. */
const stride = 40;

interface Options {
  readonly limitBytes?: number;
  readonly copies?: number;
  readonly epoch?: string;
}

/** Counts how often it is told that a log has grown. */
class CountingDurability extends Durability {
  growths = 0;

  override grown(owner: object, files: () => Syncable): void {
    this.growths += 1;
    super.grown(owner, files);
  }
}

/** In a directory of its own. */
export class SinkBench implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "xenlogd-sink-"));
  readonly root: string = join(this.directory, "log");
  readonly interferences: string[] = [];
  readonly durability: CountingDurability = new CountingDurability({ kind: "none" });
  readonly #witness: Map<string, Map<number, number>> = new Map();
  #options: Required<Options> = { limitBytes: 4096, copies: 3, epoch: "00000000000000aa" };
  #sink: LogSink;

  constructor(options: Options = {}) {
    mkdirSync(join(this.root, "own"), { recursive: true });
    mkdirSync(join(this.directory, "positions"));
    this.#options = { ...this.#options, ...options };
    this.#sink = this.#open();
  }

  get sink(): LogSink {
    return this.#sink;
  }

  get bytesOnDisk(): number {
    return this.names().reduce((sum, name) => sum + statSync(this.path(name)).size, 0);
  }

  path(name = "x.log"): string {
    return join(this.root, "own", name);
  }

  names(): readonly string[] {
    return readdirSync(join(this.root, "own")).filter((name) => name.startsWith("x.log"));
  }

  /** The files oldest first, as one. */
  contents(): string {
    const index = (name: string): number => Number(name.slice("x.log.".length));
    const names = [...this.names()].sort((a, b) => index(b) - index(a));
    return names.map((name) => readFileSync(this.path(name), "utf8")).join("");
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    const at = this.#sink.offset;
    writeSync(pipe.writeFd, bytes);
    const appended = this.#sink.accept({ fd: pipe.readFd }, bytes.length);
    assert.equal(appended.refusal, undefined);
    assert.equal(appended.movedBytes, bytes.length);
    // What others have put before it takes offsets of its own.
    const start = this.#sink.offset - bytes.length;
    assert.ok(start >= at);
    const witness = this.#witness.get(this.#options.epoch) ?? new Map<number, number>();
    this.#witness.set(this.#options.epoch, witness);
    for (const [position, byte] of bytes.entries()) witness.set(start + position, byte);
  }

  index(): LogIndex {
    const directoryFd = openSync(join(this.root, "own"), "r");
    const index = readIndex(directoryFd, "x.log");
    closeSync(directoryFd);
    assert.ok(index !== undefined);
    return index;
  }

  /** As after SIGKILL, or with another bound or epoch: nothing is closed in order. */
  again(options: Options = {}): void {
    this.#options = { ...this.#options, ...options };
    this.#sink = this.#open();
  }

  /** Every offset of every epoch is what was written there, or gone. Returns how many are there. */
  check(): number {
    const reader = new LogReader(this.root, "own/x.log");
    let present = 0;
    for (const [epoch, witness] of this.#witness) {
      const last = Math.max(...witness.keys());
      for (let offset = 0; offset <= last; ) {
        const read = reader.read({ epoch, offset }, 4096);
        if (read.kind === "bytes") {
          for (const [position, byte] of read.bytes.entries()) {
            // What is not the witness's was put there by somebody else.
            const written = witness.get(offset + position);
            if (written === undefined) continue;
            assert.equal(byte, written, `${epoch}:${offset + position}`);
            present += 1;
          }
          offset += read.bytes.length;
        } else {
          assert.equal(read.kind, "rotatedAway", `${epoch}:${offset}`);
          const isFar = reader.read({ epoch, offset: offset + stride }, 1).kind === "rotatedAway";
          offset += isFar ? stride : 1;
        }
      }
    }
    reader.close();
    const { offset } = this.#sink.report();
    assert.equal(offset, this.#sink.offset);
    return present;
  }

  [Symbol.dispose](): void {
    this.#sink.close();
    rmSync(this.directory, { recursive: true });
  }

  #open(): LogSink {
    const { epoch, limitBytes, copies } = this.#options;
    return LogSink.open({
      target: { epoch, logRoot: this.root, relativeFile: "own/x.log", limitBytes, copies },
      positionsDirectory: join(this.directory, "positions"),
      durability: this.durability,
      directories: new OpenDirectories(),
      onLive: () => {},
      onInterference: ({ what, to }) =>
        this.interferences.push(to === undefined ? what : `${what} to ${to}`),
    });
  }
}

export function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, line) => `line ${from + line}\n`).join("");
}
