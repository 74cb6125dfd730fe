// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileSystemOf, parseMounts, readMounts } from "../../../src/daemon/pumps/file-systems.ts";
import { noMount } from "../../integration/daemon/fixture.ts";

const mounts = parseMounts(
  [
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "23 22 0:5 / /proc rw - proc proc rw",
    "30 22 8:1 / /var/log rw shared:1 - ext4 /dev/sda1 rw",
    "31 30 8:2 / /var/log/xen\\040guests rw - ext4 /dev/sdb rw",
    "32 22 0:40 /sub /srv rw master:1 - btrfs /dev/sdc rw",
    "33 22 8:9 / /srv rw - ext4 /dev/sdd rw",
    "",
  ].join("\n"),
);

describe("the file system of a path", () => {
  const cases: [string, string][] = [
    ["/etc/passwd", "254-0"],
    ["/var/log", "8-1"],
    ["/var/log/xen/x.log", "8-1"],
    ["/var/logs/x.log", "254-0"],
    ["/var/log/xen guests/x.log", "8-2"],
    ["/srv/x.log", "8-9"],
  ];
  for (const [path, expected] of cases) {
    it(`${path} is on ${expected}`, () => assert.equal(fileSystemOf(path, mounts), expected));
  }
});

describe("the mounts", () => {
  it("are read again after each change of them", { skip: noMount }, () => {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-mounts-"));
    const has = (): boolean => readMounts().some(({ point }) => point === directory);
    try {
      for (let time = 1; time <= 2; time += 1) {
        assert.equal(has(), false);
        execFileSync("mount", ["-t", "tmpfs", "tmpfs", directory]);
        try {
          assert.equal(has(), true);
          assert.equal(has(), true);
        } finally {
          execFileSync("umount", [directory]);
        }
      }
      assert.equal(has(), false);
    } finally {
      rmdirSync(directory);
    }
  });
});
