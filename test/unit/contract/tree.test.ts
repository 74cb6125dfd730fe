// SPDX-License-Identifier: Apache-2.0
// Paths in xenstore, there and back.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  distrustOf,
  domainNamePath,
  domainPath,
  type EventScope,
  keyText,
  type LogfileKey,
  type LogOwner,
  libxlPath,
  logfilePath,
  loggingPath,
  nodePath,
  parseDomid,
  parseKeyText,
  parseLogfileId,
  scopeOfEvent,
} from "../../../src/contract/index.ts";
import type { XenstorePermission } from "../../../src/xenstore/index.ts";

const host: LogOwner = { kind: "host" };
const owner5: LogOwner = { kind: "domain", domid: parseDomid("5", "domid") };
const keyOf = (owner: LogOwner, id: string): LogfileKey => ({
  owner,
  id: parseLogfileId(id, "id"),
});

describe("paths in xenstore", () => {
  it("are spelled so", () => {
    assert.equal(domainPath(parseDomid("5", "domid")), "/local/domain/5");
    assert.equal(domainNamePath(parseDomid("5", "domid")), "/local/domain/5/name");
    assert.equal(libxlPath(parseDomid("5", "domid")), "/libxl/5");
    assert.equal(loggingPath(owner5), "/libxl/5/logging");
    assert.equal(loggingPath(host), "/libxl/logging");
    assert.equal(logfilePath(keyOf(owner5, "1")), "/libxl/5/logging/1");
    assert.equal(logfilePath(keyOf(host, "12")), "/libxl/logging/12");
    assert.equal(nodePath(keyOf(host, "12"), "state"), "/libxl/logging/12/state");
    assert.equal(keyText(keyOf(owner5, "1")), "5/1");
    assert.equal(keyText(keyOf(host, "1")), "host/1");
  });

  it("of log files are read back from their short form", () => {
    assert.deepEqual(parseKeyText("5/1"), keyOf(owner5, "1"));
    assert.deepEqual(parseKeyText("host/12"), keyOf(host, "12"));
    for (const text of ["", "5", "5/", "/1", "05/1", "5/01", "5/1/2", "guest/1"]) {
      assert.equal(parseKeyText(text), undefined, text);
    }
  });
});

describe("scopeOfEvent", () => {
  const everything: EventScope = { kind: "everything" };
  const unrelated: EventScope = { kind: "unrelated" };
  const ofOwner = (owner: LogOwner): EventScope => ({ kind: "owner", owner });
  const ofLogfile = (owner: LogOwner, id: string): EventScope => ({
    kind: "logfile",
    key: keyOf(owner, id),
  });
  const table: readonly (readonly [string, EventScope])[] = [
    ["/", everything],
    ["/libxl", everything],
    ["/libxl/5", ofOwner(owner5)],
    ["/libxl/5/logging", ofOwner(owner5)],
    ["/libxl/5/logging/1", ofLogfile(owner5, "1")],
    ["/libxl/5/logging/1/pipe", ofLogfile(owner5, "1")],
    ["/libxl/5/logging/1/state", ofLogfile(owner5, "1")],
    ["/libxl/5/logging/1/error", ofLogfile(owner5, "1")],
    ["/libxl/5/logging/1/a/b", ofLogfile(owner5, "1")],
    ["/libxl/5/logging/one", unrelated],
    ["/libxl/5/logging/01", unrelated],
    ["/libxl/5/logging/1x/pipe", unrelated],
    ["/libxl/5/device", unrelated],
    ["/libxl/5/device/vbd/51712", unrelated],
    ["/libxl/5/loggings/1", unrelated],
    ["/libxl/logging", ofOwner(host)],
    ["/libxl/logging/3", ofLogfile(host, "3")],
    ["/libxl/logging/3/state", ofLogfile(host, "3")],
    ["/libxl/logging/x", unrelated],
    ["/libxl/pci", unrelated],
    ["/libxl/pci/0000-00-1f-0", unrelated],
    ["/libxl/05/logging/1", unrelated],
    ["/libxl/32752", unrelated],
    ["/libxlx/5", unrelated],
    ["/local/domain/5", unrelated],
    ["@releaseDomain", unrelated],
    ["", unrelated],
  ];
  for (const [path, scope] of table) {
    it(`${path || '""'} is ${scope.kind}`, () => assert.deepEqual(scopeOfEvent(path), scope));
  }
});

describe("distrustOf", () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ["n0", undefined],
    ["r0", undefined],
    ["n0 r5", undefined],
    ["n0 r5 r0", undefined],
    ["n0 b0", undefined],
    ["w0", "every domain may write it"],
    ["b0", "every domain may write it"],
    ["n5", "domain 5 owns it"],
    ["n5 b0", "domain 5 owns it"],
    ["n0 w5", "domain 5 may write it"],
    ["n0 r4 b5", "domain 5 may write it"],
    ["", "it has no owner"],
  ];
  for (const [text, reason] of table) {
    it(`${text || "no permission at all"}: ${reason ?? "trusted"}`, () => {
      assert.equal(distrustOf(text === "" ? [] : text.split(" ").map(permission)), reason);
    });
  }
});

function permission(text: string): XenstorePermission {
  return {
    access: text.charAt(0) as XenstorePermission["access"],
    domid: Number(text.slice(1)),
  };
}
