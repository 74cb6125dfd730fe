// SPDX-License-Identifier: Apache-2.0
// Which streams DOMAIN and LOG mean, and which request the options make.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  isOfDomain,
  isOfLog,
  type LogChoice,
  logRequest,
  type Owner,
  parseDomainArgument,
} from "../../../src/cli/logs/index.ts";
import {
  defaultCopies,
  defaultLimitBytes,
  defaultOverflow,
  parseDomid,
} from "../../../src/contract/index.ts";
import type { StreamStatus } from "../../../src/control/index.ts";
import { embeddedPlaces } from "../../../src/places/index.ts";
import type { XenstoreClient } from "../../../src/xenstore/index.ts";

const seven = parseDomid("7", "it");

describe("DOMAIN", () => {
  const streams = [
    { domid: null, name: "host", log: "xenstored", id: 1 },
    { domid: 7, name: "demo", log: "console", id: 2 },
    { domid: 8, name: "other", log: "console", id: 3 },
  ] as unknown as readonly StreamStatus[];
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ["host", [1]],
    ["7", [2]],
    ["demo", [2]],
    ["9", []],
    ["Demo", []],
  ];
  for (const [text, ids] of cases) {
    it(`${text} means the streams ${ids.join(", ") || "of no domain"}`, () => {
      const domain = parseDomainArgument(text);
      const found = streams.filter((stream) => isOfDomain(stream, domain));
      assert.deepEqual(
        found.map(({ id }) => id),
        ids,
      );
    });
  }

  it("never means a domain that calls itself host", () => {
    const stream = { domid: 7, name: "host" } as unknown as StreamStatus;
    assert.ok(!isOfDomain(stream, parseDomainArgument("host")));
  });

  it("is refused when no domid can be so large", () => {
    assert.throws(() => parseDomainArgument("40000"), /DOMAIN is "40000"/);
  });

  it("has one spelling of a domid", () => {
    assert.throws(() => parseDomainArgument("007"), /DOMAIN is "007".*without leading zeros/);
  });

  it("is followed by a log's name or number", () => {
    const [, stream] = streams;
    assert.ok(stream !== undefined);
    const meant = ["console", "2", "02", "cons", "1", ""].filter((log) => isOfLog(stream, log));
    assert.deepEqual(meant, ["console", "2"]);
  });
});

describe("the request for a log", () => {
  const xenstore = {} as XenstoreClient;
  const places = embeddedPlaces("/nonexistent");
  const choice: LogChoice = {
    owner: { kind: "none" },
    log: "console",
    limitBytes: defaultLimitBytes,
    copies: defaultCopies,
    overflow: defaultOverflow,
    file: undefined,
  };
  const demo: Owner = { kind: "domain", domid: seven, name: "demo", introduced: false };

  it("has the daemon's directories and the usual file name", () => {
    assert.deepEqual(logRequest(xenstore, places, choice, demo), {
      xenstore,
      domid: 7,
      name: "demo",
      fifoDirectory: "/nonexistent/run/fifo",
      log: "console",
      file: "/nonexistent/log/demo-console.log",
      limitBytes: defaultLimitBytes,
      copies: defaultCopies,
      overflow: defaultOverflow,
    });
  });

  it("is one of the host without a domain", () => {
    const request = logRequest(xenstore, places, choice, { kind: "host" });
    assert.deepEqual([request.global, request.domid, request.name], [true, undefined, undefined]);
    assert.equal(request.file, "/nonexistent/log/host-console.log");
  });

  it("has the file that --file names", () => {
    const request = logRequest(xenstore, places, { ...choice, file: "/elsewhere" }, demo);
    assert.equal(request.file, "/elsewhere");
  });
});
