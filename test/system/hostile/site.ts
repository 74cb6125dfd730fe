// SPDX-License-Identifier: Apache-2.0
// The place of one row: a domid, directories below the daemon's and a FIFO with a writer, all its own.

import { closeSync, constants, existsSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { makeFifo } from "../../../src/kernel/index.ts";
import { wholeLog } from "../../support/chain.ts";
import type { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { expectOneReader } from "./one-reader.ts";
import type { Nodes } from "./table.ts";

let count = 0;

/** 16 hexadecimal digits, another one each time. */
function hexName(name: string): string {
  count += 1;
  return `${name}-${(0xabcdef0000000000n + BigInt(count)).toString(16)}.fifo`;
}

export class Site {
  readonly daemon: TestDaemon;
  readonly domid: number;
  /** XEN_RUN_DIR and XEN_LOG_DIR of the daemon. */
  readonly runRoot: string;
  readonly logRoot: string;
  /** This row's directories below them. */
  readonly run: string;
  readonly log: string;
  readonly pipe: string;
  readonly file: string;
  neighbour: Neighbour | undefined;
  /** Requests that the row has made besides; they are removed with it. */
  readonly otherBases: string[] = [];
  #base: string;
  #writer: number | undefined;

  constructor(daemon: TestDaemon, number: number) {
    this.daemon = daemon;
    this.domid = 1000 + 4 * number;
    this.#base = `/libxl/${this.domid}/logging/1`;
    this.runRoot = `${daemon.directory}/run`;
    this.logRoot = `${daemon.directory}/log`;
    this.run = `${this.runRoot}/r${number}`;
    this.log = `${this.logRoot}/r${number}`;
    this.pipe = `${this.run}/${hexName("q")}`;
    this.file = `${this.log}/x.log`;
    mkdirSync(this.run);
    mkdirSync(this.log);
  }

  /** Where the row's request is in xenstore. */
  get base(): string {
    return this.#base;
  }

  place(base: string | undefined): void {
    this.#base = base ?? this.#base;
  }

  /** As events and lists have it. */
  get key(): string {
    const parts = this.#base.split("/");
    return `${parts[2] === "logging" ? "host" : parts[2]}/${parts.at(-1)}`;
  }

  /** Whether a file is in the row's directories. */
  has(path: string): boolean {
    const spelled = path.replace(/^\/var(?=\/run\/)/, "");
    return [this.run, this.log].some((directory) => spelled.startsWith(`${directory}/`));
  }

  /** A request that is served, made before the row's own: nothing may happen to it. */
  async addNeighbour(nodes: Nodes = {}): Promise<Neighbour> {
    const neighbour = await Neighbour.start(this, nodes);
    this.neighbour = neighbour;
    return neighbour;
  }

  makePipe(): void {
    makeFifo(this.pipe, 0o600);
    this.openWriter();
  }

  openWriter(path: string = this.pipe): number {
    this.#writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    return this.#writer;
  }

  get writer(): number | undefined {
    return this.#writer;
  }

  closeWriter(): void {
    if (this.#writer !== undefined) closeSync(this.#writer);
    this.#writer = undefined;
  }

  remove(): void {
    rmSync(this.run, { recursive: true, force: true });
    rmSync(this.log, { recursive: true, force: true });
  }
}

/** Lines of one step; each is a write of its own, so that another reader would get some of them. */
const linesAtOnce = 40;

export class Neighbour {
  readonly site: Site;
  readonly pipe: string;
  readonly file: string;
  readonly key: string;
  readonly base: string;
  isClosed = false;
  readonly #writer: number;
  #expected = "";
  #lines = 0;

  private constructor(site: Site) {
    this.site = site;
    this.pipe = `${site.run}/${hexName("n")}`;
    this.file = `${site.log}/neighbour.log`;
    this.key = `${site.domid + 1}/1`;
    this.base = `/libxl/${site.domid + 1}/logging/1`;
    makeFifo(this.pipe, 0o600);
    this.#writer = openSync(this.pipe, constants.O_RDWR | constants.O_NONBLOCK);
  }

  static async start(site: Site, nodes: Nodes): Promise<Neighbour> {
    const neighbour = new Neighbour(site);
    const { pipe, file, base } = neighbour;
    const all = { pipe, file, limit: "1048576", copies: "2", ...nodes };
    const client = await site.daemon.xenstore();
    await client.transaction(async (transaction) => {
      for (const [name, value] of Object.entries(all)) {
        if (value !== undefined) await transaction.write(`${base}/${name}`, value);
      }
    });
    await waitFor(
      "the neighbour",
      async () => (await client.readIfExists(`${base}/state`)) === "ready",
    );
    await neighbour.logsOn();
    return neighbour;
  }

  /** Writes lines, and fails unless they are in the log, after all that came before. */
  async logsOn(): Promise<void> {
    await expectOneReader(this.site.daemon, this.#writer, this.#next());
    for (let line = 0; line < linesAtOnce; line += 1) {
      writeSync(this.#writer, this.#next());
      await new Promise((resolve) => setImmediate(resolve));
    }
    const has = (): boolean =>
      existsSync(this.file) && wholeLog(this.file).length >= this.#expected.length;
    await waitFor("the neighbour's lines", has, 1500).catch(() => {});
    const found = existsSync(this.file) ? wholeLog(this.file).toString() : "";
    if (found === this.#expected) return;
    const lines = found.split("\n").length - 1;
    throw new Error(`the neighbour's log has ${lines} lines of the ${this.#lines} that it wrote`);
  }

  /** Its nodes are gone; its writer is not. */
  async removeNodes(): Promise<void> {
    await (await this.site.daemon.xenstore()).rm(`/libxl/${this.site.domid + 1}`);
  }

  close(): void {
    closeSync(this.#writer);
    this.isClosed = true;
  }

  #next(): string {
    this.#lines += 1;
    const text = `line ${this.#lines} of the neighbour\n`;
    this.#expected += text;
    return text;
  }
}
