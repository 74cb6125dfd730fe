// SPDX-License-Identifier: Apache-2.0
// The nodes of one log file as a request, as something unfinished, or as one sentence.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type LogNodes,
  nodeNames,
  type ParsedRequest,
  parseRequest,
} from "../../../src/contract/index.ts";

const good = {
  pipe: "/run/xen/xenlogd/fifo/demo-0123456789abcdef.fifo",
  file: "/var/log/xen/xenlogd/demo-console.log",
  limit: "65536",
  copies: "3",
} satisfies LogNodes;

describe("parseRequest", () => {
  // contract: C9
  it("takes the four parameters, and defaults for the rest", () => {
    assert.deepEqual(parseRequest(good), {
      kind: "request",
      request: {
        pipe: good.pipe,
        file: good.file,
        limitBytes: 65536,
        copies: 3,
        overflow: "auto",
        rateBytesPerSecond: undefined,
        burstBytes: undefined,
        log: undefined,
      },
    });
  });

  // contract: C9, C10, C11
  it("takes the optional ones, and does not mind the daemon's own", () => {
    const nodes = { ...good, log: "qemu-dm", overflow: "drop", rate: "1000", burst: "65536" };
    const parsed: ParsedRequest = parseRequest({ ...nodes, state: "failed", error: "what it was" });
    assert.equal(parsed.kind, "request");
    assert.deepEqual(parsed.kind === "request" && parsed.request, {
      pipe: good.pipe,
      file: good.file,
      limitBytes: 65536,
      copies: 3,
      overflow: "drop",
      rateBytesPerSecond: 1000,
      burstBytes: 65536,
      log: "qemu-dm",
    });
  });

  // contract: C29
  it("takes a rate without a burst, and a burst without a rate", () => {
    const numbers = (nodes: LogNodes) => {
      const parsed = parseRequest({ ...good, ...nodes });
      assert.ok(parsed.kind === "request");
      return [parsed.request.rateBytesPerSecond, parsed.request.burstBytes];
    };
    assert.deepEqual(numbers({ rate: "1" }), [1, undefined]);
    assert.deepEqual(numbers({ burst: "9007199254740991" }), [undefined, 9007199254740991]);
  });

  it("waits for what is missing, written in any order, whatever the rest says", () => {
    assert.deepEqual(parseRequest({}), {
      kind: "incomplete",
      missing: ["pipe", "file", "limit", "copies"],
    });
    for (const name of ["pipe", "file", "limit", "copies"] as const) {
      const { [name]: _gone, ...rest } = { ...good, overflow: "nonsense" };
      assert.deepEqual(parseRequest(rest), { kind: "incomplete", missing: [name] });
    }
  });

  const bytes = "it must be a whole number of bytes from 4096 to 9007199254740991";
  const refused: readonly (readonly [LogNodes, string])[] = [
    [{ limit: "-1" }, `limit is "-1"; ${bytes}`],
    [{ limit: "" }, `limit is ""; ${bytes}`],
    [{ limit: "1000" }, `limit is "1000"; ${bytes}`],
    [{ limit: "9007199254740993" }, `limit is "9007199254740993"; ${bytes}`],
    [{ copies: "many" }, 'copies is "many"; it must be a whole number from 0 to 1000'],
    [
      { limit: "9007199254740991", copies: "1" },
      "limit 9007199254740991 and copies 1 allow more than 9007199254740991 bytes on disk; make one of them smaller",
    ],
    [{ file: "demo.log" }, 'file is "demo.log"; it must be an absolute path'],
    [
      { file: "/var/log/xen/../../etc/passwd" },
      'file is "/var/log/xen/../../etc/passwd"; it must not contain . or .. as a component',
    ],
    [
      { file: "/var/log/xen/.demo" },
      'file is "/var/log/xen/.demo"; its name must not begin with a dot',
    ],
    [
      { file: "/var/log/xen/demo.log.1" },
      'file is "/var/log/xen/demo.log.1"; its name must not end in a number, as rotated files do',
    ],
    [{ overflow: "no" }, 'overflow is "no"; it must be auto, block or drop'],
    [{ rate: "0" }, 'rate is "0"; it must be a whole number of bytes from 1 to 9007199254740991'],
    [
      { burst: "1MiB" },
      'burst is "1MiB"; it must be a whole number of bytes from 1 to 9007199254740991',
    ],
    [{ log: "a/b" }, 'log is "a/b"; it must not contain a slash'],
  ];
  for (const [change, reason] of refused) {
    // contract: C9, C10, C11
    it(`refuses ${JSON.stringify(change)}, and keeps the FIFO's path`, () => {
      assert.deepEqual(parseRequest({ ...good, ...change }), {
        kind: "refused",
        reason,
        pipe: good.pipe,
      });
    });
  }

  it("does not hand on a FIFO's path that is not sane", () => {
    assert.deepEqual(parseRequest({ ...good, pipe: "../x", limit: "-1" }), {
      kind: "refused",
      reason: 'pipe is "../x"; it must be an absolute path',
      pipe: undefined,
    });
  });

  it("the largest log that can be counted passes", () => {
    assert.equal(parseRequest({ ...good, limit: "9007199254740991", copies: "0" }).kind, "request");
    assert.equal(parseRequest({ ...good, limit: "8998201053687", copies: "1000" }).kind, "request");
    assert.equal(parseRequest({ ...good, limit: "8998201053688", copies: "1000" }).kind, "refused");
  });

  it("knows the nodes of the contract and no others", () => {
    assert.deepEqual([...nodeNames].sort(), [
      "burst",
      "copies",
      "error",
      "file",
      "limit",
      "log",
      "overflow",
      "pipe",
      "rate",
      "state",
    ]);
  });
});
