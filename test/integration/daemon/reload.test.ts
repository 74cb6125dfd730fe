// SPDX-License-Identifier: Apache-2.0
// What a reload tells the pumps, as one hears it that moves no bytes.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { startDaemon } from "../../../src/daemon/index.ts";
import { embeddedPlaces } from "../../../src/places/index.ts";
import { ServiceManager } from "../../../src/vault/index.ts";
import { readOrEmpty, testDirectory } from "../../support/cli.ts";
import { ourProgram } from "../../support/target.ts";
import { waitFor } from "../../support/wait.ts";

describe("a reload", () => {
  it("tells every pump the policy if it is right, and to look at its files in any case", async () => {
    await using directory = testDirectory();
    const [heardFile, file] = ["heard", "xenlogd.toml"].map((name) => join(directory.path, name));
    assert.ok(heardFile !== undefined && file !== undefined);
    const configure = (policy: string): void => writeFileSync(file, `[power-loss]\n${policy}\n`);
    const heard = (): readonly Heard[] => {
      const lines = readOrEmpty(heardFile).split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line) as Heard);
    };
    /** What comes after the first `count` messages, up to the last of them. */
    const after = (count: number, expected: readonly Heard[]): Promise<void> =>
      waitFor(JSON.stringify(expected), () => heard().length >= count + expected.length).then(() =>
        assert.deepEqual(heard().slice(count), expected),
      );
    const pids: number[] = [];
    configure('fsync = "interval"\ninterval = "250ms"');
    const [command, xenlog] = ourProgram("xenlog");
    const daemon = await startDaemon({
      places: embeddedPlaces(join(directory.path, "d")),
      version: "1.2.3",
      lifetime: "permanent",
      pumpProgram: { command, args: ["--input-type=module", "--eval", listeningPump(heardFile)] },
      storeProgram: { command, args: [xenlog, "xenstored"] },
      serviceManager: ServiceManager.fromEnvironment({}, () => {}),
      lostLines: () => 0,
      emit: (event) => {
        if (event.kind === "PumpStarted") pids.push(event.pid);
      },
      configurationFile: { path: file, named: true },
    });
    try {
      const interval = { kind: "interval", intervalMs: 250 };
      await after(0, [
        { type: "start", fsync: interval },
        { type: "configure", fsync: interval },
      ]);
      const rotate = { kind: "rotate" };
      configure('fsync = "rotate"');
      assert.deepEqual(daemon.reload(), { kind: "reloaded" });
      await after(2, [{ type: "configure", fsync: rotate }, { type: "reopen" }]);
      configure('fsync = "always"');
      const reason = `${file}: [power-loss] fsync is "always"; it must be "none", "rotate" or "interval"`;
      assert.deepEqual(daemon.reload(), { kind: "refused", reason });
      await after(4, [{ type: "reopen" }]);
      process.kill(pids[0] ?? 0, "SIGKILL");
      await after(5, [
        { type: "start", fsync: rotate },
        { type: "configure", fsync: rotate },
      ]);
    } finally {
      await daemon.stop();
    }
  });
});

interface Heard {
  readonly type: string;
  readonly fsync?: object;
}

/** A pump's program that notes what it is told, one line of JSON a message. */
function listeningPump(path: string): string {
  return `
    import { appendFileSync } from "node:fs";
    process.on("message", ({ type, fsync }) => {
      appendFileSync(${JSON.stringify(path)}, JSON.stringify({ type, fsync }) + "\\n");
      if (type === "start") process.send({ type: "started", contents: null });
      if (type === "stop") process.send({ type: "stopped", strandedBytes: 0 }, () => process.exit());
    });
    process.on("disconnect", () => process.exit());
  `;
}
