// SPDX-License-Identifier: Apache-2.0
// What the owner of a log is called, and the log itself where the request does not say.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLogfile, introduceDomain } from "../../../src/toolstack/index.ts";
import { TestDaemon } from "../../support/daemon.ts";

describe("the owner of a log", () => {
  // contract: C106
  it("has the domain's name of the moment of its request, else its domid; the host is host", async () => {
    await using daemon = await TestDaemon.start();
    const xenstore = await daemon.xenstore();
    const fifoDirectory = daemon.fifoDirectory;
    const options = { xenstore, fifoDirectory, limitBytes: 65536, copies: 1 };
    const named = await introduceDomain(xenstore, "web");
    const nameless = named + 1;
    await xenstore.introduce(nameless, 1, 1);
    const file = (name: string): string => daemon.logPath(name);
    await createLogfile({ ...options, domid: named, file: file("web-qemu.log") });
    await createLogfile({ ...options, domid: nameless, file: file(`${nameless}-qemu.log`) });
    await createLogfile({ ...options, global: true, file: file("host-qemu.log") });
    await xenstore.write(`/local/domain/${named}/name`, "renamed");
    await createLogfile({ ...options, domid: named, file: file("renamed-serial.log") });
    const streams = await daemon.control.streams({ all: false });
    const titles = streams.map(({ name, log }) => `${name}/${log}`);
    const expected = ["host/qemu", "renamed/serial", "web/qemu", `${nameless}/qemu`];
    assert.deepEqual(titles.sort(), expected.sort());
  });
});
