// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseInherited, ServiceManager } from "../../../src/vault/service-manager.ts";

const pid = 4711;

describe("inherited descriptors", () => {
  const cases: Record<string, [Record<string, string>, [number, string][]]> = {
    "none without variables": [{}, []],
    "none of another process": [{ LISTEN_FDS: "1", LISTEN_PID: "4712" }, []],
    "none where the count is no number": [{ LISTEN_FDS: "-1", LISTEN_PID: "4711" }, []],
    "from 3 on, by name": [
      { LISTEN_FDS: "2", LISTEN_PID: "4711", LISTEN_FDNAMES: "stage-8-1-0:fifo-00ff" },
      [
        [3, "stage-8-1-0"],
        [4, "fifo-00ff"],
      ],
    ],
    "unknown where names are missing": [
      { LISTEN_FDS: "2", LISTEN_PID: "4711", LISTEN_FDNAMES: "a" },
      [
        [3, "a"],
        [4, "unknown"],
      ],
    ],
  };
  for (const [name, [environment, expected]] of Object.entries(cases)) {
    it(name, () => {
      const found = parseInherited(environment, pid).map((each) => [each.fd, each.name]);
      assert.deepEqual(found, expected);
    });
  }
});

describe("a service manager", () => {
  it("takes its variables out of the environment of our children", () => {
    const environment = {
      PATH: "/bin",
      NOTIFY_SOCKET: "@xenlogd-test-nobody",
      LISTEN_PID: "1",
      LISTEN_FDS: "2",
      LISTEN_FDNAMES: "a:b",
      FDSTORE: "8",
    };
    ServiceManager.fromEnvironment(environment, () => {});
    assert.deepEqual(environment, { PATH: "/bin" });
  });

  it("that is not there is said, and keeps nobody from work", () => {
    const events: string[] = [];
    const environment = { NOTIFY_SOCKET: "/nonexistent/notify" };
    const manager = ServiceManager.fromEnvironment(environment, ({ kind }) => events.push(kind));
    manager.store("fifo-0", 0);
    manager.remove("fifo-0");
    assert.deepEqual(events, ["ServiceManagerLost", "ServiceManagerLost"]);
  });

  it("that nobody spoke of is asked for nothing", () => {
    const manager = ServiceManager.fromEnvironment({}, () => assert.fail("an event"));
    manager.store("fifo-0", 0);
    manager.ready("well");
    assert.deepEqual([manager.take(""), manager.namesOf("")], [[], []]);
  });
});
