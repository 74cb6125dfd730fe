// SPDX-License-Identifier: Apache-2.0
// The daemon's own log has ERROR only where bytes are lost or an operator must act.

import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { nodePath } from "../../../src/contract/index.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood } from "./fixture.ts";

it("what is refused, killed and recovered is no ERROR", { skip: noFlood }, async () => {
  await using bench = await Bench.start();
  const { daemon } = bench;
  const said = async (msg: string, count: number = 1): Promise<void> => {
    await waitFor(`${count} ${msg}`, () => bench.count(msg) >= count);
  };
  const handle = await bench.stream("served");
  const writer = bench.writer(handle);
  await assert.rejects(bench.stream("refused", { file: "/etc/passwd" }), { code: "refused" });
  const xenstore = await daemon.xenstore();
  await xenstore.write(nodePath(handle.key, "limit"), "1");
  await said("StreamChangeRefused");
  await xenstore.write(nodePath(handle.key, "limit"), "65536");
  await said("StreamReconfigured");
  writeSync(writer, "a line\n");
  await waitFor("the line", () => readFileSync(handle.file, "utf8") === "a line\n");
  truncateSync(handle.file);
  writeSync(writer, "another\n");
  await said("LogInterfered");

  for (const { process: vault } of bench.vaultProcesses()) await daemon.kill(vault.pid);
  await said("VaultProcessReplaced");
  const flood = await bench.flood("flood");
  const pump = await bench.freezePumpWithBytes();
  await daemon.kill(pump);
  await said("StageRecovered");
  const bytes = await flood.stop();
  await daemon.kill(daemon.mainPid, daemon.pumpPid);
  await daemon.start();
  await bench.assertWhole(flood, bytes);

  const state = readFileSync(join(daemon.directory, "state/xenstored.process"), "utf8");
  const losses = bench.count("XenstoreLost");
  await daemon.kill((JSON.parse(state) as { readonly pid: number }).pid);
  await said("XenstoreLost", losses + 1);
  await daemon.forgetXenstore();
  assert.equal(await daemon.stop(), 0);
  await said("DaemonStopped");
  assert.deepEqual(
    daemon.events.filter(({ level }) => level === "error"),
    [],
  );
});
