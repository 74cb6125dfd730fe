// SPDX-License-Identifier: Apache-2.0
//
// Debian's own xenstored ("c") and oxenstored ("ocaml") on a machine without Xen, behind xsshim.c,
// one in each folder, any number side by side. Domains are files there; a domain's death is told
// to the server as the hypervisor would. The store is empty at each start.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type DebianProgram, debianProgram, type Part } from "./debian.ts";
import { compileC } from "./programs.ts";

export type XenstoredKind = "c" | "ocaml";

export interface Xenstored extends AsyncDisposable {
  readonly socketPath: string;
  readonly pid: number;
  /** What it printed so far. */
  log(): Promise<string>;
  /** Sends a signal and, for one that ends it, waits for its end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  introduceDomain(domid: number): Promise<void>;
  /** The domain is gone, as after the last reference to it is dropped. */
  destroyDomain(domid: number): Promise<void>;
  /** The domain has ended but is not destroyed: the servers tell it apart. */
  shutDownDomain(domid: number): Promise<void>;
  stop(): Promise<void>;
}

/** What both servers need, looked up once: a test skips with the reason when it is not to be had. */
export type XenstoredParts = Part<{
  readonly servers: Readonly<Record<XenstoredKind, FoundProgram>>;
  readonly shim: string;
}>;

type FoundProgram = Extract<DebianProgram, { found: true }>;

const startMsMax = 20_000;
const stopMsMax = 3_000;
const domainEventPort = 1000;
const message = { introduce: 8, directory: 1, error: 16 } as const;
const headerBytes = 16;

export async function xenstoredParts(): Promise<XenstoredParts> {
  const [c, ocaml, shim] = await Promise.all([
    debianProgram("xenstored"),
    debianProgram("oxenstored"),
    compileC("test/support/xsshim.c", "shared"),
  ]);
  if (!c.found) {
    return c;
  }
  if (!ocaml.found) {
    return ocaml;
  }
  return shim.found ? { found: true, servers: { c, ocaml }, shim: shim.path } : shim;
}

/** Starts a server in `dir` (made when missing, at most 100 bytes long) and resolves when it answers. */
export async function startXenstored(options: {
  readonly kind: XenstoredKind;
  readonly dir: string;
  readonly parts: Extract<XenstoredParts, { found: true }>;
  /** More of its own options, such as a trace file. */
  readonly args?: readonly string[];
}): Promise<Xenstored> {
  const { kind, dir, parts, args = [] } = options;
  const socketPath = join(dir, "socket");
  await mkdir(join(dir, "domains"), { recursive: true });
  await rm(socketPath, { force: true });
  const server = parts.servers[kind];
  const logFile = await open(join(dir, "log"), "w");
  const child = spawn(
    server.path,
    [...(kind === "c" ? ["-N"] : await oxenstoredArguments(dir)), ...args],
    {
      env: { ...server.env, XSSHIM_DIR: dir, XENSTORED_RUNDIR: dir, LD_PRELOAD: parts.shim },
      stdio: ["ignore", logFile.fd, logFile.fd],
    },
  );
  await logFile.close();
  const exited = once(child, "exit").then(() => undefined);
  await answering(child, dir, socketPath);
  return handle(child, exited, dir, socketPath);
}

function handle(
  child: ChildProcess,
  exited: Promise<void>,
  dir: string,
  socketPath: string,
): Xenstored {
  const domainPath = (domid: number): string => join(dir, "domains", String(domid));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    await exited;
    clearTimeout(late);
  };
  return {
    socketPath,
    pid: child.pid ?? 0,
    log: () => readFile(join(dir, "log"), "utf8"),
    async kill(signal) {
      child.kill(signal);
      await (signal === "SIGKILL" || signal === "SIGTERM" ? exited : undefined);
    },
    async introduceDomain(domid) {
      await writeFile(domainPath(domid), "");
      // The frame and the event channel; the shim takes any. Its own ports are 1 and 1000.
      await request(socketPath, message.introduce, `${domid}\0${domid}\0${domid + 2000}\0`);
    },
    async destroyDomain(domid) {
      await rm(domainPath(domid), { force: true });
      sendEvent(dir, domainEventPort);
    },
    async shutDownDomain(domid) {
      await writeFile(domainPath(domid), "s");
      sendEvent(dir, domainEventPort);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function oxenstoredArguments(dir: string): Promise<readonly string[]> {
  const path = join(dir, "oxenstored.conf");
  const settings = {
    "pid-file": join(dir, "pid"),
    "xenstored-log-file": join(dir, "xenstored.log"),
    "access-log-file": join(dir, "access.log"),
    "xenstored-kva": "/proc/xen/xsd_kva",
    "xenstored-port": "/proc/xen/xsd_port",
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
  await writeFile(path, lines.join(""));
  return ["--config-file", path, "--no-fork"];
}

async function answering(child: ChildProcess, dir: string, socketPath: string): Promise<void> {
  const end = Date.now() + startMsMax;
  while (Date.now() < end && child.exitCode === null && child.signalCode === null) {
    try {
      await request(socketPath, message.directory, "/\0");
      return;
    } catch {
      await sleep(20);
    }
  }
  child.kill("SIGKILL");
  const log = await readFile(join(dir, "log"), "utf8");
  throw new Error(`${child.spawnfile} in ${dir} did not answer: ${log.slice(0, 2000)}`);
}

/** One request on a connection of its own: this file must not need the client that it helps test. */
function request(socketPath: string, type: number, payload: string): Promise<void> {
  const body = Buffer.from(payload);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(body.length, 12);
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => socket.write(Buffer.concat([header, body])));
    let reply = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      reply = Buffer.concat([reply, chunk]);
      if (reply.length < headerBytes || reply.length < headerBytes + reply.readUInt32LE(12)) {
        return;
      }
      socket.destroy();
      const words = reply.toString("latin1", headerBytes).replaceAll("\0", "");
      if (reply.readUInt32LE(0) === message.error) {
        reject(new Error(`xenstored refused request type ${type}: ${words}`));
      } else {
        resolve();
      }
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("xenstored closed the connection")));
  });
}

function sendEvent(dir: string, port: number): void {
  const event = Buffer.alloc(4);
  event.writeUInt32LE(port);
  // Not blocking: without a server there is no reader, and nobody to tell.
  const fifo = openSync(join(dir, "events"), constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(fifo, event);
  closeSync(fifo);
}
