// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseConfiguration } from "../../../src/daemon/configuration/configuration.ts";
import {
  ConfigurationError,
  findConfigurationFile,
  LiveConfiguration,
  rateFor,
  readConfiguration,
} from "../../../src/daemon/configuration/index.ts";

const directory = mkdtempSync(join(tmpdir(), "configuration-"));
after(() => rmSync(directory, { recursive: true }));

const defaults = { fsync: { kind: "none" }, overflow: { graceMs: 5000 }, rate: "byMode" } as const;

describe("a configuration", () => {
  const cases: [string, object][] = [
    ["", { kind: "none" }],
    ["# nothing yet", { kind: "none" }],
    ["[power-loss]", { kind: "none" }],
    ['[power-loss]\nfsync = "none"', { kind: "none" }],
    ['[power-loss]\nfsync = "rotate"', { kind: "rotate" }],
    ['power-loss.fsync = "rotate"', { kind: "rotate" }],
    ['[power-loss]\nfsync = "interval"', { kind: "interval", intervalMs: 1000 }],
    ['[power-loss]\r\nfsync="interval"\r\ninterval="100ms"', { kind: "interval", intervalMs: 100 }],
    [
      '[power-loss]\nfsync = "interval"\ninterval = "1h"',
      { kind: "interval", intervalMs: 3600000 },
    ],
  ];
  for (const [text, fsync] of cases) {
    it(`is understood: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseConfiguration(text, "/f"), { ...defaults, fsync });
    });
  }
  const others: [string, object][] = [
    ['[overflow]\ngrace = "100ms"', { overflow: { graceMs: 100 } }],
    ["[overflow]\n[rate]", {}],
    ['[rate]\nrate = "none"', { rate: null }],
    ['[rate]\nrate = "1KiB"', { rate: { bytesPerSecond: 1024, burstBytes: 65_536 } }],
    ['[rate]\nrate = "1MiB"', { rate: { bytesPerSecond: 1 << 20, burstBytes: 1 << 20 } }],
    ['[rate]\nrate = "1000"\nburst = "5000"', { rate: { bytesPerSecond: 1000, burstBytes: 5000 } }],
  ];
  for (const [text, change] of others) {
    it(`is understood: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseConfiguration(text, "/f"), { ...defaults, ...change });
    });
  }

  it("has a rate for domains on a Xen host only, unless it says another", () => {
    const host = { bytesPerSecond: 4 << 20, burstBytes: 64 << 20 };
    assert.deepEqual(rateFor("host", "byMode"), host);
    assert.equal(rateFor("embedded", "byMode"), null);
    assert.equal(rateFor("host", null), null);
    assert.deepEqual(rateFor("embedded", host), host);
  });
});

describe("the documented configuration", () => {
  it("is one", () => {
    const text = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
    const [, example = ""] = /```toml\n([^`]*)```/.exec(text) ?? [];
    const fsync = { kind: "interval", intervalMs: 1000 };
    const rate = { bytesPerSecond: 4 << 20, burstBytes: 64 << 20 };
    assert.deepEqual(parseConfiguration(example, "/f"), { ...defaults, fsync, rate });
  });
});

describe("a fault in a configuration", () => {
  const policies = 'it must be "none", "rotate" or "interval"';
  const durations = 'it must be a duration from "100ms" to "1h"';
  const section = "it must be a section, its name in brackets";
  const cases: [string, string[]][] = [
    [
      'fsync = "none"',
      ['there is no key outside the sections named "fsync", only power-loss, overflow and rate'],
    ],
    [
      "[power-lost]",
      ['there is no section named "power-lost", only power-loss, overflow and rate'],
    ],
    ["[power-loss]\nsync = 1", ['[power-loss] has no "sync", only fsync and interval']],
    ['[power-loss]\nfsync = "always"', [`[power-loss] fsync is "always"; ${policies}`]],
    ["[power-loss]\nfsync = false", [`[power-loss] fsync is false; ${policies}`]],
    [
      "[power-loss]\nfsync = 2026-01-02T03:04:05Z",
      [`[power-loss] fsync is 2026-01-02T03:04:05.000Z; ${policies}`],
    ],
    ["[power-loss.fsync]", [`[power-loss] fsync is a section; ${policies}`]],
    ["power-loss = 5", [`power-loss is 5; ${section}`]],
    ['[overflow]\ngrace = "0s"', [`[overflow] grace is "0s"; ${durations}`]],
    ['[rate]\nrate = "4MB"', ['[rate] rate is "4MB"; it must be a size such as "4MiB", or "none"']],
    ["[rate]\nrate = 4", ['[rate] rate is 4; it must be a size such as "4MiB", or "none"']],
    ...["", 'rate = "none"'].map((text): [string, string[]] => [
      `[rate]\n${text}\nburst = "1MiB"`,
      [
        '[rate] burst is "1MiB"; it is for a rate only, and there is none here: remove it or add rate',
      ],
    ]),
    ["[[power-loss]]", [`power-loss is an array; ${section}`]],
    ...["99ms", "2h", "1", "1 s", "soon", "-1s", ""].map((text): [string, string[]] => [
      `[power-loss]\nfsync = "interval"\ninterval = "${text}"`,
      [`[power-loss] interval is "${text}"; ${durations}`],
    ]),
    [
      '[power-loss]\nfsync = "interval"\ninterval = 5',
      [`[power-loss] interval is 5; ${durations}`],
    ],
    ...["", 'fsync = "none"', 'fsync = "rotate"'].map((text): [string, string[]] => [
      `[power-loss]\n${text}\ninterval = "1s"`,
      [
        `[power-loss] interval is "1s"; it is for fsync = "interval" only, and fsync is ${text.slice(8) || '"none"'}: remove it or change fsync`,
      ],
    ]),
    [
      "[power-loss]\nfsync = none",
      ['line 2 is "fsync = none": invalid value; text has to be in quotes, as in fsync = "none"'],
    ],
    [
      "[power-loss]\n[power-loss]",
      ['line 2 is "[power-loss]": trying to redefine an already defined table or value'],
    ],
  ];
  for (const [text, faults] of cases) {
    it(`is one sentence: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(
        faultsOf(() => parseConfiguration(text, "/f")),
        faults.map((fault) => `/f: ${fault}`),
      );
    });
  }

  it("does not hide another one", () => {
    const text = '[power-loss]\nfsync = "no"\ninterval = 5\nmore = 1\n[a]\n[b]';
    const faults = faultsOf(() => parseConfiguration(text, "/f"));
    const subjects = ['fsync is "no"', "interval is 5", 'no "more"', '"a"', '"b"'];
    assert.equal(faults.length, subjects.length);
    for (const [index, subject] of subjects.entries()) assert.ok(faults[index]?.includes(subject));
  });

  it("may be a key that JavaScript keeps for itself", () => {
    for (const key of ["__proto__", "constructor"]) {
      const [fault] = faultsOf(() => parseConfiguration(`${key} = 1`, "/f"));
      assert.match(fault ?? "", new RegExp(`^/f: line 1 is "${key} = 1": `));
    }
  });
});

describe("a configuration file", () => {
  it("is the one of the command line, of the environment, or the host's own", () => {
    const environment = { XENLOGD_CONFIG: "/e" };
    const own = { path: "/etc/xen/xenlogd.toml", named: false };
    assert.deepEqual(findConfigurationFile("/o", environment, "host"), { path: "/o", named: true });
    assert.deepEqual(findConfigurationFile(undefined, environment, "embedded"), {
      path: "/e",
      named: true,
    });
    assert.deepEqual(findConfigurationFile(undefined, { XENLOGD_CONFIG: "" }, "host"), own);
    assert.equal(findConfigurationFile(undefined, {}, "embedded"), undefined);
  });

  it("may be missing if nobody has named it", () => {
    const path = join(directory, "missing.toml");
    assert.deepEqual(readConfiguration({ path, named: false }), defaults);
    assert.deepEqual(readConfiguration(undefined), defaults);
    assert.deepEqual(
      faultsOf(() => readConfiguration({ path, named: true })),
      [`${path}: it cannot be read: it does not exist`],
    );
  });

  it("that is no text, or far too long, is refused", () => {
    const path = join(directory, "odd.toml");
    mkdirSync(path);
    assert.deepEqual(
      faultsOf(() => readConfiguration({ path, named: false })),
      [`${path}: it cannot be read: it is a directory`],
    );
    rmSync(path, { recursive: true });
    writeFileSync(path, Buffer.from([0x23, 0xff]));
    assert.deepEqual(
      faultsOf(() => readConfiguration({ path, named: true })),
      [`${path}: it is not text in UTF-8`],
    );
    truncateSync(path, 2 ** 20 + 1);
    assert.deepEqual(
      faultsOf(() => readConfiguration({ path, named: true })),
      [`${path}: it has 1048577 bytes; it must have at most 1048576`],
    );
  });
});

describe("the configuration in use", () => {
  it("names the file that it comes from, and none where there is none", () => {
    const path = join(directory, "live.toml");
    const live = new LiveConfiguration({ path, named: false });
    assert.equal(live.path, null);
    writeFileSync(path, '[power-loss]\nfsync = "rotate"');
    live.reload();
    assert.equal(live.path, path);
    writeFileSync(path, "wrong");
    assert.throws(() => live.reload(), ConfigurationError);
    assert.equal(live.path, path);
    rmSync(path);
    live.reload();
    assert.equal(live.path, null);
    assert.equal(new LiveConfiguration(undefined).path, null);
  });
});

function faultsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  throw new assert.AssertionError({ message: "nothing was refused" });
}
