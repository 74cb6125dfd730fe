// SPDX-License-Identifier: Apache-2.0
// Nodes of dead domains are collected on an observed introduced → gone, in one and the same store.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Domid, nodePath, parseDomid } from "../../../src/contract/index.ts";
import { createLogfile, type LogfileHandle } from "../../../src/toolstack/index.ts";
import type { XenstoreClient } from "../../../src/xenstore/index.ts";
import { startXenstoreServer, type XenstoreServer } from "../../../src/xenstore/server/index.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

/** A daemon and a store without a memory, as C xenstored is one. */
class HostBench implements AsyncDisposable {
  readonly #directory: string = mkdtempSync(join(tmpdir(), "xenlogd-emptied-"));
  readonly daemon: TestDaemon = TestDaemon.onHost(this.#socketPath);
  #server: XenstoreServer | undefined;

  get #socketPath(): string {
    return join(this.#directory, "xenstored.sock");
  }

  async startStore(): Promise<XenstoreClient> {
    this.#server = await startXenstoreServer({ socketPath: this.#socketPath });
    await this.daemon.forgetXenstore();
    return await this.daemon.xenstore();
  }

  async stopStore(): Promise<void> {
    await this.daemon.forgetXenstore();
    await this.#server?.[Symbol.asyncDispose]();
  }

  async log(domid: Domid, name: string): Promise<LogfileHandle> {
    return await createLogfile({
      xenstore: await this.daemon.xenstore(),
      domid,
      name,
      file: this.daemon.logPath(`${name}.log`),
      fifoDirectory: this.daemon.fifoDirectory,
      limitBytes: 65_536,
      copies: 1,
    });
  }

  async collected(domid: Domid): Promise<void> {
    await waitFor(`the nodes of ${domid} are collected`, () =>
      this.daemon.events.some(
        (event) => event.msg === "NodesCollected" && event["domid"] === domid,
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.stop();
    await this.stopStore();
    await this.daemon[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true });
  }
}

describe("a domain that was introduced in a store that has lost everything", () => {
  it("is not taken for dead in the next one", async () => {
    await using bench = new HostBench();
    const { daemon } = bench;
    const [early, living, dead] = ["5", "6", "7"].map((text) => parseDomid(text, "domid"));
    assert.ok(early !== undefined && living !== undefined && dead !== undefined);
    const first = await bench.startStore();
    await daemon.start();
    await first.introduce(early, early + 1, early + 1);
    await bench.log(early, "early");
    await bench.stopStore();
    const next = await bench.startStore();
    // A toolstack writes them before it introduces the domain.
    const { key } = await bench.log(early, "early-again");
    await next.introduce(living, living + 1, living + 1);
    await bench.log(living, "living");
    await next.introduce(dead, dead + 1, dead + 1);
    await bench.log(dead, "dead");
    await next.release(dead);
    // The daemon looks at the domains in the order in which it has seen them.
    await bench.collected(dead);
    assert.equal(await next.read(nodePath(key, "state")), "ready");
    assert.equal(daemon.events.filter(({ msg }) => msg === "NodesCollected").length, 1);
  });
});
