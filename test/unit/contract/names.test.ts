// SPDX-License-Identifier: Apache-2.0
// Names and paths that become parts of file names.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  fileNameBytesMax,
  logFileName,
  logNameBytesMax,
  logNameOf,
  nameBytesMax,
  parseLogName,
  parseName,
  parseOverflow,
  parsePath,
  pathBytesMax,
  relativeBelow,
} from "../../../src/contract/index.ts";

describe("names", () => {
  for (const name of ["demo", "web-01.example.org", "a b", "Kühlschrank", "x".repeat(128), "-x"]) {
    it(`a domain may be called ${name.slice(0, 20)}`, () => {
      assert.equal(parseName(name, "--name"), name);
    });
  }

  const refused: readonly (readonly [typeof parseName, string, string, string])[] = [
    [parseName, "--name", "", '--name is ""; it must not be empty'],
    [parseName, "--name", ".", '--name is "."; it must not begin with a dot'],
    [parseName, "--name", "..", '--name is ".."; it must not begin with a dot'],
    [parseName, "--name", ".demo", '--name is ".demo"; it must not begin with a dot'],
    [parseName, "--name", "a/b", '--name is "a/b"; it must not contain a slash'],
    [parseName, "--name", "a\nb", '--name is "a\\u{a}b"; it must not contain control characters'],
    [parseName, "--name", "a\0", '--name is "a\\u{0}"; it must not contain control characters'],
    [
      parseName,
      "--name",
      "ü".repeat(65),
      `--name is "${"\\u{fc}".repeat(65)}"; it must be at most 128 bytes long`,
    ],
    [parseName, "--name", "host", '--name is "host"; that word means the host itself'],
    [parseName, "--name", "7", '--name is "7"; a number means a domid'],
    [parseLogName, "--log", "7", `--log is "7"; a number means a log's id`],
    [parseLogName, "--log", "../x", '--log is "../x"; it must not begin with a dot'],
    [
      parseLogName,
      "--log",
      "x".repeat(65),
      `--log is "${"x".repeat(65)}"; it must be at most 64 bytes long`,
    ],
    [parseOverflow, "--overflow", "Drop", '--overflow is "Drop"; it must be auto, block or drop'],
  ];
  for (const [parse, what, text, sentence] of refused) {
    it(`${parse.name} refuses ${JSON.stringify(text).slice(0, 20)}`, () => {
      assert.throws(() => parse(text, what), { name: "ContractError", message: sentence });
    });
  }

  // contract: C12
  it("a log's name is found again in its path", () => {
    const path = `/var/log/xen/${logFileName("web-01", "qemu-dm")}`;
    assert.equal(logNameOf(path, "web-01"), "qemu-dm");
    assert.equal(
      logNameOf(`/var/log/xen/${logFileName("host", "xenstored")}`, undefined),
      "xenstored",
    );
    assert.equal(logNameOf("/var/log/xen/other.log", "web-01"), "other");
    assert.equal(logNameOf("/var/log/xen/web-01-.log", "web-01"), "web-01-");
  });
});

describe("paths", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["", 'pipe is ""; it must be an absolute path'],
    ["run/xen/a", 'pipe is "run/xen/a"; it must be an absolute path'],
    ["/", 'pipe is "/"; it must not contain // or end with a slash'],
    ["/run//a", 'pipe is "/run//a"; it must not contain // or end with a slash'],
    ["/run/a/", 'pipe is "/run/a/"; it must not contain // or end with a slash'],
    ["/run/./a", 'pipe is "/run/./a"; it must not contain . or .. as a component'],
    ["/run/xen/../a", 'pipe is "/run/xen/../a"; it must not contain . or .. as a component'],
    ["/run/\0a", 'pipe is "/run/\\u{0}a"; it must not contain control characters'],
    ["/run/\u007f", 'pipe is "/run/\\u{7f}"; it must not contain control characters'],
  ];
  for (const [path, sentence] of refused) {
    it(`${JSON.stringify(path)} is refused`, () => {
      assert.throws(() => parsePath(path, "pipe"), { name: "ContractError", message: sentence });
      assert.equal(relativeBelow(path, "/run"), undefined);
    });
  }

  it("the longest names make a file name with room for a rotation", () => {
    const name = logFileName("n".repeat(nameBytesMax), "l".repeat(logNameBytesMax));
    assert.ok(Buffer.byteLength(name) <= fileNameBytesMax);
    assert.equal(parsePath(`/${name}`, "file"), `/${name}`);
    assert.equal(parsePath("/a".repeat(pathBytesMax / 2), "file").length, pathBytesMax);
  });

  it("a path that is too long is refused", () => {
    assert.throws(() => parsePath(`/${"a".repeat(221)}`, "file"), /longer than 220 bytes/);
    assert.throws(() => parsePath("/a".repeat(513), "file"), /at most 1024 bytes/);
  });

  const below: readonly (readonly [string, string, string | undefined])[] = [
    ["/run/xen/a.fifo", "/run/xen", "a.fifo"],
    ["/run/xen/a.fifo", "/run/xen/", "a.fifo"],
    ["/run/xen/xenlogd/fifo/a", "/run/xen", "xenlogd/fifo/a"],
    ["/var/run/xen/a", "/run/xen", "a"],
    ["/run/xen/a", "/var/run/xen", "a"],
    ["/var/run/xen/a", "/var/run/xen", "a"],
    ["/run/xen", "/run/xen", undefined],
    ["/run/xenlog/a", "/run/xen", undefined],
    ["/run/a", "/run/xen", undefined],
    ["/var/log/xen/a", "/run/xen", undefined],
    ["/run/xen/...", "/run/xen", "..."],
    ["/a", "/", "a"],
    ["/var/runner/a", "/runner", undefined],
  ];
  for (const [path, root, relative] of below) {
    it(`${path} below ${root} is ${relative}`, () => {
      assert.equal(relativeBelow(path, root), relative);
    });
  }
});
