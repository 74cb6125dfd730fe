// SPDX-License-Identifier: Apache-2.0
// Bytes that were thrown away, counted in a small file on tmpfs, so that a killed process does not lose
// their number. Where it is killed within a move, the whole move counts: the number is never too small.

import { closeSync, rmSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { errnoNameOf } from "../kernel/index.ts";
import { openStateFile, readStateFile } from "../program/index.ts";

/** Decimal digits of 2 ** 53: the numbers are written over in place. */
const digits = 16;

export class DropCounter {
  readonly #path: string;
  /** `undefined` where the file cannot be made: then the number is in memory only. */
  readonly #fd: number | undefined;
  #bytes: number;

  /** Goes on with the number in the file. `label` is one line for the reader of the file. */
  constructor(path: string, label: string) {
    this.#path = path;
    this.#bytes = readDropCounter(path)?.bytes ?? 0;
    this.#fd = openIfPossible(path);
    this.#write(`${numbers(this.#bytes, 0)} ${label}\n`);
  }

  /** Of the file, without its directory. */
  get name(): string {
    return basename(this.#path);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Before so many bytes, or fewer, are taken. */
  taking(bytes: number): void {
    this.#write(numbers(this.#bytes, bytes));
  }

  took(bytes: number): void {
    this.#bytes += bytes;
    this.#write(numbers(this.#bytes, 0));
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }

  /** The number was reported, or belongs to a stream now. */
  remove(): void {
    this.close();
    rmSync(this.#path, { force: true });
  }

  #write(text: string): void {
    try {
      if (this.#fd !== undefined) writeSync(this.#fd, text, 0);
    } catch (error) {
      if (errnoNameOf(error) === undefined) throw error;
    }
  }
}

export interface DropCount {
  readonly bytes: number;
  readonly label: string;
}

/** What a counter's file has; `undefined` if there is none, or a damaged one. */
export function readDropCounter(path: string): DropCount | undefined {
  let text: string | undefined;
  try {
    text = readStateFile(path);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return undefined;
  }
  const found = /^(\d{16}) (\d{16}) (.*)\n/.exec(text ?? "");
  if (found === null) return undefined;
  const [, counted, taking, label = ""] = found;
  return { bytes: Number(counted) + Number(taking), label };
}

function numbers(counted: number, taking: number): string {
  return [counted, taking].map((bytes) => String(bytes).padStart(digits, "0")).join(" ");
}

function openIfPossible(path: string): number | undefined {
  try {
    return openStateFile(path, "existingOrNew");
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return undefined;
  }
}
