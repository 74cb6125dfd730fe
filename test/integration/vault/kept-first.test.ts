// SPDX-License-Identifier: Apache-2.0
// A FIFO is kept before the table has its stream: a daemon that finds a record and a FIFO which no
// process has open reports that bytes were lost.

import assert from "node:assert/strict";
import { it } from "node:test";
import { observeSystemCalls } from "../../support/observed-calls.ts";
import { ourProgram } from "../../support/target.ts";
import { waitFor } from "../../support/wait.ts";

const observer = observeSystemCalls();
const { startDaemon } = await import("../../../src/daemon/index.ts");
const { Fifo } = await import("../../../src/fifo/index.ts");
const { makeFifo } = await import("../../../src/kernel/index.ts");
const { embeddedPlaces } = await import("../../../src/places/index.ts");
const { ServiceManager } = await import("../../../src/vault/index.ts");
const { connectXenstore } = await import("../../../src/xenstore/index.ts");
const { testDirectory } = await import("../../support/cli.ts");

it("a FIFO has a reader when its record is made", async () => {
  await using directory = testDirectory();
  const places = embeddedPlaces(directory.path);
  const [command, pump] = ourProgram("pump");
  const [, xenlog] = ourProgram("xenlog");
  const daemon = await startDaemon({
    places,
    version: "1.2.3",
    lifetime: "permanent",
    pumpProgram: { command, args: [pump] },
    storeProgram: { command, args: [xenlog, "xenstored"] },
    serviceManager: ServiceManager.fromEnvironment({}, () => {}),
    lostLines: () => 0,
    emit: () => undefined,
    configurationFile: undefined,
  });
  try {
    const name = "0123456789abcdef";
    makeFifo(`${places.fifoDirectory}/${name}`, 0o600);
    const fifo = Fifo.find(places.fifoDirectory, name);
    const found: boolean[] = [];
    observer.after = ({ name: call, args }) => {
      if (call === "rename" && /\/streams\/[0-9a-f]+\.json$/.test(String(args[1]))) {
        found.push(fifo.hasReader());
      }
    };
    await using xenstore = await connectXenstore({ socketPath: places.xenstoreSocket });
    const nodes = {
      pipe: `${places.fifoDirectory}/${name}`,
      file: `${places.logDirectory}/x.log`,
      limit: "4096",
      copies: "0",
    };
    for (const [node, value] of Object.entries(nodes)) {
      await xenstore.write(`/libxl/logging/1/${node}`, value);
    }
    await waitFor("an answer", async () => {
      return (await xenstore.readIfExists("/libxl/logging/1/state")) === "ready";
    });
    assert.deepEqual(found, [true]);
    fifo.close();
    await xenstore.rm("/libxl/logging");
  } finally {
    await daemon.stop();
  }
});
