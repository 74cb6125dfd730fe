// SPDX-License-Identifier: Apache-2.0
// Everything of ours killed at once where no service manager stores descriptors: what is lost then is
// what was in a stage, it is said, and all goes on.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chainSizes } from "../../support/chain.ts";
import { fifoKeeperOf } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood } from "./fixture.ts";

describe("main, pump, holder and keeper killed at once", () => {
  it("lose what a stage held and nothing else", { skip: noFlood }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("all-killed");
    const keeper = await waitFor("a keeper", () => fifoKeeperOf(bench.tableDirectory));
    const pump = await bench.freezePumpWithBytes();
    const staged = bench.stagedBytes();
    const bytes = await flood.stop();
    const holders = bench.holders().map(({ process: { pid } }) => pid);
    await daemon.kill(daemon.mainPid, pump, keeper, ...holders);
    await daemon.start();
    const size = (): number => chainSizes(flood.file).reduce((sum, each) => sum + each, 0);
    await waitFor("what the FIFO held", () => size() === bytes - staged);
    const lost = daemon.events.filter(({ msg }) => msg === "HolderLost");
    assert.deepEqual(
      lost.map(({ stages, level }) => [stages, level]),
      [["lost", "error"]],
    );
  });
});
