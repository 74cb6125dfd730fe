// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import { countersOf, streamStatusSchema } from "../../../src/control/api/index.ts";

const counters = {
  offset: 5,
  oldestOffset: 1,
  sizeBytes: 4,
  rotations: 0,
  writtenBytes: 5,
  droppedBytes: { "disk full": 2 },
  lastWriteAt: null,
  insertedBytes: { marker: 3 },
};
const request = {
  domid: null,
  name: "host",
  log: "xenstored",
  id: 1,
  state: "ready",
  pipe: "/run/xen/a",
  file: "/var/log/xen/x.log",
  limit: 4096,
  copies: 0,
  overflow: "auto",
  epoch: "00ff",
  error: null,
};

describe("the counters of a stream", () => {
  it("are those of the report, and nothing else of it", () => {
    const { boundBytes, ...rest } = { boundBytes: 0, ...countersOf(counters) };
    assert.equal(boundBytes, 0);
    assert.deepEqual(rest, counters);
    const report = { ...counters, epoch: "00ff", state: "logging" };
    assert.deepEqual(countersOf(report), countersOf(counters));
  });

  it("are zero before there is a report", () => {
    const { sizeBytes, droppedBytes, lastWriteAt, insertedBytes } = countersOf(undefined);
    assert.deepEqual([sizeBytes, droppedBytes, lastWriteAt, insertedBytes], [0, {}, null, {}]);
  });
});

describe("the status of a stream", () => {
  const status = { ...counters, boundBytes: 4096, ...request };

  it("has its fields in the frozen order, whatever their order on the socket", () => {
    assert.deepEqual(
      Object.keys(v.parse(streamStatusSchema, { ...status, later: 1 })).join(" "),
      "domid name log id state pipe file limit copies overflow epoch error offset oldestOffset " +
        "sizeBytes boundBytes rotations writtenBytes droppedBytes lastWriteAt insertedBytes stalled dropping",
    );
  });

  it("is refused if a field is missing or of another kind", () => {
    const wrong = { state: "open", domid: "5", limit: -1, offset: 0.5, droppedBytes: { x: "1" } };
    for (const [name, value] of Object.entries(wrong)) {
      assert.equal(v.is(streamStatusSchema, { ...status, [name]: value }), false, name);
      assert.equal(v.is(streamStatusSchema, { ...status, [name]: undefined }), false, name);
    }
  });
});
