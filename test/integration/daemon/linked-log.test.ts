// SPDX-License-Identifier: Apache-2.0
// Another name for a log that is served, as `cp -al` and rsnapshot make one: no reason to stop logging.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { StreamStatus } from "../../../src/control/index.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

const limitBytes = 4096;

function block(letter: string): string {
  return `${letter.repeat(99)}\n`.repeat(30);
}

async function statusOf(bench: Bench): Promise<StreamStatus> {
  const [status] = await bench.daemon.control.streams({ all: false });
  assert.ok(status !== undefined);
  return status;
}

describe("a hard link to a log that is served", { concurrency: 2 }, () => {
  it("changes nothing, over rotations and restarts of pump and daemon", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("linked", { limitBytes, copies: 3 });
    const writer = bench.writer(handle);
    let sentBytes = 0;
    const say = async (letter: string): Promise<void> => {
      sentBytes += writeSync(writer, block(letter));
      await waitFor(`the block ${letter}`, async () => {
        return (await statusOf(bench)).writtenBytes === sentBytes;
      });
      assert.ok(readFileSync(handle.file, "utf8").endsWith(block(letter).slice(-100)));
    };
    await say("a");
    const backup = join(daemon.directory, "backup");
    execFileSync("cp", ["-al", join(handle.file, ".."), backup]);
    const linked = statSync(handle.file).ino;
    // Found at once, as at the look that comes every 500 ms of writing.
    process.kill(daemon.mainPid, "SIGHUP");
    await waitFor("the reload", () => bench.count("ConfigurationReloaded") > 0);
    assert.equal(statSync(handle.file).nlink, 2);
    await bench.untilNextPump(() => daemon.kill(daemon.pumpPid));
    await say("b");
    assert.equal(statSync(`${handle.file}.1`).ino, linked, "rotated as ever");
    linkSync(handle.file, `${handle.file}.saved`);
    await bench.untilNextPump(async () => {
      await daemon.kill(daemon.mainPid, daemon.pumpPid);
      await daemon.start();
    });
    await say("c");
    const { rotations, insertedBytes, droppedBytes } = await statusOf(bench);
    assert.equal(rotations, 2);
    assert.deepEqual(
      { insertedBytes, droppedBytes },
      { insertedBytes: { marker: 0, foreign: 0 }, droppedBytes: {} },
    );
    for (const event of ["LogInterfered", "StreamStalled", "StreamRefused"]) {
      assert.equal(bench.count(event), 0, event);
    }
  });

  it("takes nothing from its last words: who asks for the link is refused", async () => {
    await using bench = await Bench.start();
    const handle = await bench.stream("owner");
    const writer = bench.writer(handle);
    const link = bench.daemon.logPath("link.log");
    linkSync(handle.file, link);
    await handle.close();
    const refused = { code: "refused", message: /the log link\.log has more than one hard link$/ };
    await assert.rejects(bench.stream("link", { file: link, copies: 0 }), refused);
    writeSync(writer, "last words\n");
    await waitFor("them", () => readFileSync(handle.file, "utf8") === "last words\n");
    bench.closeWriter(writer);
    await waitFor("the end", () => bench.count("StreamClosed") === 1);
    assert.deepEqual((await bench.daemon.control.streams({ all: true }))[0]?.droppedBytes, {});
  });
});
