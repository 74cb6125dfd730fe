// SPDX-License-Identifier: Apache-2.0
// A daemon, embedded or on a host with a real xenstored, of whose places some are on a disk that fails.

import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogfile, type LogfileHandle } from "../../../src/toolstack/index.ts";
import { connectXenstore, type XenstoreClient } from "../../../src/xenstore/index.ts";
import { processesIn, readOrEmpty } from "../../support/cli.ts";
import { TestDaemon, vaultPidIn } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { startXenstored, type Xenstored, type XenstoredParts } from "../../support/xenstored.ts";
import { type FailingDisk, type Fault, makeDisk } from "./failing-disk.ts";

export type Mode = "embedded" | "host";
/** What is on the disk. */
export type Place = "logs" | "state" | "both" | "stderr";

export interface SiteOptions {
  readonly mode: Mode;
  readonly fault: Fault;
  readonly place: Place;
  readonly parts: Extract<XenstoredParts, { found: true }>;
}

export class Site implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly disk: FailingDisk;
  /** A log directory that is on the disk where logs are, and on a healthy one otherwise. */
  readonly #logs: string;
  readonly #xenstored: Xenstored | undefined;
  readonly #directory: string;
  readonly #writers: number[] = [];
  /** Whether the disk of the state is repaired and mounted anew when it is healed. */
  readonly isStateReplaced: boolean;
  #stderr: number | undefined;

  private constructor(
    daemon: TestDaemon,
    disk: FailingDisk,
    directory: string,
    xenstored: Xenstored | undefined,
    isStateReplaced: boolean,
  ) {
    this.isStateReplaced = isStateReplaced;
    this.daemon = daemon;
    this.disk = disk;
    this.#logs = daemon.logPath("there");
    this.#directory = directory;
    this.#xenstored = xenstored;
  }

  static async make({ mode, fault, place, parts }: SiteOptions): Promise<Site> {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-disks-"));
    const xenstored =
      mode === "host"
        ? await startXenstored({ kind: "c", dir: join(directory, "store"), parts })
        : undefined;
    const daemon =
      xenstored === undefined ? TestDaemon.embedded() : TestDaemon.onHost(xenstored.socketPath);
    const disk = makeDisk(fault, join(directory, "medium"));
    const site = new Site(
      daemon,
      disk,
      directory,
      xenstored,
      fault === "readOnly" && (place === "state" || place === "both"),
    );
    const table = daemon.tableDirectory;
    if (place === "logs" || place === "both") disk.appearAt(site.#logs);
    else mkdirSync(site.#logs, { recursive: true });
    // An embedded daemon's state is one directory, its store's file included.
    if (place === "state" || place === "both") {
      disk.appearAt(mode === "embedded" ? join(table, "..") : table);
    }
    if (place === "stderr") {
      disk.appearAt(join(directory, "words"));
      site.#stderr = openSync(join(directory, "words/stderr"), "a");
      daemon.stderr = site.#stderr;
    }
    return site;
  }

  /** A new log of the host: on the disk that fails, where logs are, or beside it. */
  async log(name: string, where: "there" | "beside"): Promise<Log> {
    const { daemon } = this;
    await using xenstore = await this.#connect();
    const handle = await createLogfile({
      xenstore,
      global: true,
      file: where === "there" ? join(this.#logs, name) : daemon.logPath(name),
      fifoDirectory: daemon.fifoDirectory,
      limitBytes: 1 << 20,
      copies: 1,
      overflow: "block",
    });
    const writer = handle.open();
    this.#writers.push(writer);
    return { handle, writer };
  }

  async remove({ handle, writer }: Log): Promise<void> {
    this.#writers.splice(this.#writers.indexOf(writer), 1);
    closeSync(writer);
    await using xenstore = await this.#connect();
    const { owner, id } = handle.key;
    assert.equal(owner.kind, "host");
    await xenstore.rm(`/libxl/logging/${id}`);
  }

  /** SIGKILL of the main process and its pumps, wherever their words are. */
  async kill(): Promise<void> {
    const { daemon } = this;
    const main = daemon.mainPid;
    const pumps = readOrEmpty(`/proc/${main}/task/${main}/children`)
      .split(" ")
      .map(Number)
      .filter((pid) => /\/pump\.[jt]s/.test(readOrEmpty(`/proc/${pid}/cmdline`)));
    await daemon.kill(main, ...pumps);
  }

  async #connect(): Promise<XenstoreClient> {
    const socketPath = this.#xenstored?.socketPath ?? this.daemon.xenstoreSocket;
    return await connectXenstore({ socketPath });
  }

  /** Processes and files that are left after an orderly stop. */
  left(): readonly string[] {
    const { daemon } = this;
    const pids = processesIn(daemon.directory);
    return pids.map((pid) => readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const fd of this.#writers.splice(0)) closeSync(fd);
    const { daemon } = this;
    try {
      await daemon.stop();
      const vault = vaultPidIn(daemon.tableDirectory);
      if (vault !== undefined) await daemon.kill(vault);
    } finally {
      for (const pid of processesIn(daemon.directory)) process.kill(pid, "SIGKILL");
      await waitFor("no process", () => processesIn(daemon.directory).length === 0);
      if (this.#stderr !== undefined) closeSync(this.#stderr);
      this.disk[Symbol.dispose]();
      await this.#xenstored?.stop();
      rmSync(daemon.directory, { recursive: true, force: true });
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }
}

export interface Log {
  readonly handle: LogfileHandle;
  readonly writer: number;
}

/** What is in the log, rotated copies aside. */
export function contentOf({ handle }: Log): string | undefined {
  try {
    return readFileSync(handle.file, "utf8");
  } catch {
    return undefined;
  }
}
