// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  defaultDirectory,
  embeddedPlaces,
  hostPlaces,
  PlacesError,
} from "../../../src/places/index.ts";

const base = realpathSync(mkdtempSync(join(tmpdir(), "places-")));
after(() => rmSync(base, { recursive: true }));

describe("the places of an embedded daemon", () => {
  it("are all below its directory", () => {
    const { directory, ...places } = embeddedPlaces(base);
    assert.equal(directory, base);
    assert.deepEqual(places, {
      mode: "embedded",
      runDirectory: `${base}/run`,
      logDirectory: `${base}/log`,
      ownLogDirectory: `${base}/log`,
      fifoDirectory: `${base}/run/fifo`,
      controlSocket: `${base}/run/control.sock`,
      pidFile: `${base}/run/xenlogd.pid`,
      xenstoreSocket: `${base}/run/xenstored.sock`,
      xenstorePaths: [`${base}/run/xenstored.sock`],
      volatileDirectory: `${base}/state/table`,
      stateDirectory: `${base}/state`,
    });
  });

  it("are the same through a symbolic link, and before the directory is there", () => {
    mkdirSync(join(base, "real"));
    symlinkSync("real", join(base, "link"));
    assert.equal(embeddedPlaces(join(base, "link")).directory, join(base, "real"));
    assert.equal(embeddedPlaces(join(base, "link/a/b")).directory, join(base, "real/a/b"));
  });

  it("fit a socket address, or are refused in one sentence", () => {
    const tail = "/run/xenstored.sock".length;
    const fitting = join(base, "x".repeat(107 - tail - base.length - 1));
    assert.equal(embeddedPlaces(fitting).xenstoreSocket.length, 107);
    assert.throws(() => embeddedPlaces(`${fitting}y`), {
      name: "PlacesError",
      code: "directoryTooLong",
      message: `the directory ${fitting}y is too long: the socket path below it would have 108 bytes, and 107 is the most a socket address can hold`,
    });
  });

  it("cannot be below a file", () => {
    writeFileSync(join(base, "file"), "");
    const expected = { code: "notADirectory", message: `${base}/file is not a directory` };
    assert.throws(() => embeddedPlaces(join(base, "file/below")), expected);
    assert.throws(() => embeddedPlaces(join(base, "file")), PlacesError);
  });
});

describe("a directory whose paths would be refused later", () => {
  const control = "it must not contain control characters";
  const invisible = "it must be valid UTF-8 without invisible characters";
  const cases: readonly (readonly [string, string, string])[] = [
    ["a line feed", "a\nb", `a\\u{a}b"; ${control}`],
    ["ESC", "a\x1b[2J", `a\\u{1b}[2J"; ${control}`],
    ["C1", "a\x9b", `a\\u{9b}"; ${control}`],
    ["a byte that is no UTF-8", "a\ufffd", `a\\u{fffd}"; ${invisible}`],
    ["a line end of Unicode", "a\u2028", `a\\u{2028}"; ${invisible}`],
    ["a bidi control", "a\u202e", `a\\u{202e}"; ${invisible}`],
  ];
  for (const [what, name, end] of cases) {
    it(`is refused at once: ${what}`, () => {
      const expected = { name: "PlacesError", code: "directoryName" };
      assert.throws(() => embeddedPlaces(`/tmp/${name}`), {
        ...expected,
        message: `the directory is "/tmp/${end}`,
      });
      for (const variable of ["XEN_RUN_DIR", "XEN_LOG_DIR"]) {
        const message = `${variable} is "/tmp/${end}`;
        assert.throws(() => hostPlaces({ [variable]: `/tmp/${name}` }), { ...expected, message });
      }
    });
  }

  it("is refused behind a link as well", () => {
    mkdirSync(join(base, "a\nb"));
    symlinkSync("a\nb", join(base, "harmless"));
    assert.throws(() => embeddedPlaces(join(base, "harmless")), { code: "directoryName" });
  });

  it("is not one with letters of any script", () => {
    assert.equal(embeddedPlaces("/tmp/größe-日本-😀").directory, "/tmp/größe-日本-😀");
    assert.equal(embeddedPlaces("/").runDirectory, "/run");
  });
});

describe("the directory of an embedded daemon that names none", () => {
  it("is below XDG_STATE_HOME if that is absolute, else below the home directory", () => {
    const usual = "/home/me/.local/state/xenlogd";
    const cases: readonly (readonly [string | undefined, string])[] = [
      ["/state", "/state/xenlogd"],
      ["state", usual],
      ["", usual],
      [undefined, usual],
    ];
    for (const [state, directory] of cases) {
      assert.equal(defaultDirectory({ XDG_STATE_HOME: state }, "/home/me"), directory);
    }
  });
});

describe("the places of a host", () => {
  it("are Xen's own by default", () => {
    const places = hostPlaces({});
    assert.deepEqual(
      [places.controlSocket, places.pidFile, places.fifoDirectory, places.ownLogDirectory],
      [
        "/run/xen/xenlogd/control.sock",
        "/run/xen/xenlogd/xenlogd.pid",
        "/run/xen/xenlogd/fifo",
        "/var/log/xen/xenlogd",
      ],
    );
    assert.equal(places.volatileDirectory, "/run/xen/xenlogd/table");
    assert.equal(places.stateDirectory, "/var/lib/xenlogd");
  });

  it("move with Xen's variables, of which empty ones do not count", () => {
    const places = hostPlaces({
      XEN_RUN_DIR: "/r",
      XEN_LOG_DIR: "/l",
      XENSTORED_PATH: "/s/socket",
    });
    assert.equal(places.controlSocket, "/r/xenlogd/control.sock");
    assert.equal(places.logDirectory, "/l");
    assert.equal(places.xenstoreSocket, "/s/socket");
    assert.deepEqual(places.xenstorePaths, ["/s/socket"]);
    assert.equal(hostPlaces({}).xenstorePaths.at(-1), "/proc/xen/xenbus");
    assert.equal(hostPlaces({ XEN_RUN_DIR: "" }).runDirectory, "/run/xen");
  });
});
