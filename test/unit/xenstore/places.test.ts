// SPDX-License-Identifier: Apache-2.0
// Where the client looks for the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findXenstoreSocket, placeOf, xenstorePlaces } from "../../../src/xenstore/locate.ts";
import { fakeTransport } from "./fake-transport.ts";

test("the environment names the socket as it does for libxenstore", () => {
  assert.equal(findXenstoreSocket({ XENSTORED_PATH: "/p", XENSTORED_RUNDIR: "/r" }), "/p");
  assert.equal(findXenstoreSocket({ XENSTORED_RUNDIR: "/r" }), "/r/socket");
  const usual = ["/run/xenstored/socket", "/var/run/xenstored/socket"];
  assert.ok(usual.includes(findXenstoreSocket({})));
  assert.ok(usual.includes(findXenstoreSocket({ XENSTORED_PATH: "", XENSTORED_RUNDIR: "" })));
});

const devices = ["/dev/xen/xenbus", "/proc/xen/xenbus"];

test("XENSTORED_PATH is the only place, socket or device; else devices follow the sockets", () => {
  assert.deepEqual(xenstorePlaces({ XENSTORED_PATH: "/p", XENSTORED_RUNDIR: "/r" }), ["/p"]);
  assert.deepEqual(xenstorePlaces({ XENSTORED_RUNDIR: "/r" }), ["/r/socket", ...devices]);
  const usual = ["/run/xenstored/socket", "/var/run/xenstored/socket"];
  assert.deepEqual(xenstorePlaces({ XENSTORED_PATH: "" }), [...usual, ...devices]);
});

function placeWith(errors: Readonly<Record<string, string | undefined>>) {
  const tried: string[] = [];
  const place = placeOf(Object.keys(errors), (path) => (handlers) => {
    tried.push(path);
    const code = errors[path];
    return code === undefined
      ? fakeTransport().open(handlers)
      : Promise.reject(Object.assign(new Error(`${code} ${path}`), { code }));
  });
  const open = () => place.open({ onMessage: () => undefined, onLost: () => undefined });
  return { place, tried, open };
}

test("a socket that cannot be connected to leads on to the device, and that is kept", async () => {
  const { place, tried, open } = placeWith({ "/socket": "ECONNREFUSED", "/device": undefined });
  await open();
  await open();
  assert.deepEqual(tried, ["/socket", "/device", "/device"]);
  assert.equal(place.path(), "/device");
});

test("a full listen backlog is a server: nothing else is tried", async () => {
  const { tried, open } = placeWith({ "/socket": "EAGAIN", "/device": undefined });
  await assert.rejects(open(), { code: "EAGAIN" });
  assert.deepEqual(tried, ["/socket"]);
});

test("where nothing can be opened all is told, with the first place's code", async () => {
  const { place, open } = placeWith({ "/socket": "ENOENT", "/device": "EACCES" });
  await assert.rejects(open(), { code: "ENOENT", message: "ENOENT /socket; EACCES /device" });
  assert.equal(place.path(), "/socket");
  assert.equal(place.describe(), "/socket, /device");
});
