// SPDX-License-Identifier: Apache-2.0
// A power failure under each fsync policy, on a real ext4: what the policy says is there afterwards,
// and no position ever means another byte than before.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { LogReader } from "../../../src/logfile/index.ts";
import {
  createLogfile,
  introduceDomain,
  type LogfileHandle,
} from "../../../src/toolstack/index.ts";
import { chainOf } from "../../support/chain.ts";
import { processesIn, testDirectory } from "../../support/cli.ts";
import { isRunning, TestDaemon } from "../../support/daemon.ts";
import { numberedBytes } from "../../support/numbered.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";

const powerCut = await compileC("test/support/programs/power-cut.c");
const noPower: string | false = !powerCut.found
  ? powerCut.reason
  : process.getuid?.() !== 0 && "mounting a file system needs root";

const limitBytes = 65_536;
const copies = 8;
const writtenBytes = 450_000;
const diskBytes = 64 << 20;

/** A daemon whose logs are on an ext4 that loses its power. */
class PowerBench implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly #image: string;
  readonly #disk: string;

  private constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.#image = join(daemon.directory, "image");
    this.#disk = join(daemon.directory, "log");
    writeFileSync(this.#image, "");
    truncateSync(this.#image, diskBytes);
    execFileSync("mkfs.ext4", ["-q", "-F", this.#image]);
    mkdirSync(this.#disk);
    this.#mount();
  }

  static async start(directory: string, configuration: string): Promise<PowerBench> {
    const file = join(directory, "xenlogd.toml");
    writeFileSync(file, configuration);
    const bench = new PowerBench(TestDaemon.embedded("--config", file));
    await bench.daemon.start();
    return bench;
  }

  async stream(): Promise<LogfileHandle> {
    const xenstore = await this.daemon.xenstore();
    return await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, "guest"),
      file: this.daemon.logPath("guest.log"),
      limitBytes,
      copies,
      fifoDirectory: this.daemon.fifoDirectory,
    });
  }

  /** Writes the next bytes of the numbered stream, and waits until they are in the log. */
  async write(handle: LogfileHandle, from: number, bytes: number): Promise<string> {
    const fd = handle.open();
    for (let done = 0; done < bytes; ) {
      done += writeSync(fd, numberedBytes(from + done, Math.min(16_384, bytes - done)));
      await delay(1);
    }
    return await waitFor("the bytes in the log", async () => {
      const [stream] = await this.daemon.control.streams({ all: false });
      return stream?.writtenBytes === bytes && stream.epoch;
    });
  }

  /** Names of the log's files that the pump has open: those that it has not synced yet, or writes. */
  openFiles(): readonly string[] {
    const directory = `/proc/${this.daemon.pumpPid}/fd`;
    return readdirSync(directory)
      .map((fd) => {
        try {
          return readlinkSync(join(directory, fd));
        } catch {
          return "";
        }
      })
      .filter((path) => path.startsWith(join(this.#disk, "guest.log")))
      .map((path) => basename(path));
  }

  /** Power goes, and comes back: nothing that ran runs, and what was on a tmpfs is gone. */
  async loseAndGetPower(): Promise<void> {
    assert.ok(powerCut.found);
    execFileSync(powerCut.path, [this.#disk]);
    const { daemon } = this;
    const pids = processesIn(daemon.directory);
    await daemon.kill(...new Set([daemon.mainPid, daemon.pumpPid, ...pids].filter(isRunning)));
    // A killed process is dead before the last of its threads has let go.
    await waitFor("a free disk", () => spawnSync("umount", [this.#disk]).status === 0);
    for (const name of ["run", "state"]) {
      rmSync(join(daemon.directory, name), { recursive: true });
    }
    await daemon.forgetXenstore();
    this.#mount();
    await daemon.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.stop();
    execFileSync("umount", ["-l", this.#disk]);
    await this.daemon[Symbol.asyncDispose]();
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop", this.#image, this.#disk]);
  }
}

/** Every position of the epoch: its byte, or nothing. Returns how many bytes are there. */
function checkPositions(file: string, epoch: string, bytes: number, from: number): number {
  const reader = new LogReader(dirname(file), basename(file));
  let present = 0;
  for (let offset = 0; offset < bytes; ) {
    const read = reader.read({ epoch, offset }, 8192);
    if (read.kind !== "bytes") {
      offset += 97;
      continue;
    }
    const expected = numberedBytes(from + offset, read.bytes.length);
    assert.ok(read.bytes.equals(expected), `at ${offset}`);
    present += read.bytes.length;
    offset += read.bytes.length;
  }
  reader.close();
  return present;
}

interface Policy {
  readonly fsync: string;
  readonly configuration: string;
  /** Resolves when what the policy promises is due. */
  readonly due: (bench: PowerBench) => Promise<unknown>;
  /** What has to be there, given the sizes before. */
  readonly promised: (sizes: ReadonlyMap<string, number>) => readonly string[];
}

const policies: readonly Policy[] = [
  { fsync: "none", configuration: "", due: async () => {}, promised: () => [] },
  {
    fsync: "rotate",
    configuration: '[power-loss]\nfsync = "rotate"\n',
    // It keeps a copy open until it is on the disk.
    due: (bench) =>
      waitFor("synced copies", () => bench.openFiles().every((name) => name === "guest.log")),
    promised: (sizes) => [...sizes.keys()].filter((name) => name !== "guest.log"),
  },
  {
    fsync: "interval",
    configuration: '[power-loss]\nfsync = "interval"\ninterval = "100ms"\n',
    // The promise is about time.
    due: () => delay(1500),
    promised: (sizes) => [...sizes.keys()],
  },
];

describe("a power failure", { skip: noPower }, () => {
  for (const { fsync, configuration, due, promised } of policies) {
    it(`with fsync = "${fsync}" costs no more than was said`, async (t) => {
      await using directory = testDirectory();
      await using bench = await PowerBench.start(directory.path, configuration);
      const before = await bench.stream();
      const { file } = before;
      const epoch = await bench.write(before, 0, writtenBytes);
      const contents = new Map(
        chainOf(file).map((path) => [basename(path), readFileSync(path)] as const),
      );
      const sizes = new Map([...contents].map(([name, bytes]) => [name, bytes.length]));
      assert.equal(checkPositions(file, epoch, writtenBytes, 0), writtenBytes);
      await due(bench);
      await bench.loseAndGetPower();
      for (const name of promised(sizes)) {
        const now = readFileSync(join(dirname(file), name));
        assert.ok(now.equals(contents.get(name) ?? Buffer.alloc(0)), `${name} is whole`);
      }
      // What is promised can also be found.
      const promisedBytes = promised(sizes).reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
      const kept = checkPositions(file, epoch, writtenBytes, 0);
      assert.ok(kept >= promisedBytes, `${kept} of ${promisedBytes} bytes by their positions`);
      const after = await bench.stream();
      const next = await bench.write(after, writtenBytes, 100_000);
      assert.equal(checkPositions(file, next, 100_000, writtenBytes), 100_000);
      const still = checkPositions(file, epoch, writtenBytes, 0);
      const total = chainOf(file).reduce((sum, path) => sum + readFileSync(path).length, 0);
      assert.ok(total <= limitBytes * (copies + 1));
      t.diagnostic(`${kept} of ${writtenBytes} bytes by their positions, ${still} of them later`);
      // include/uapi/linux/magic.h
      assert.equal(statfsSync(dirname(file)).type, 0xef53, "it is an ext4");
    });
  }
});
