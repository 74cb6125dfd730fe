// SPDX-License-Identifier: Apache-2.0
// systemd, or another service manager that speaks its protocols: sd_notify(3) with the descriptor
// store, and LISTEN_FDS of sd_listen_fds(3), by which stored descriptors come back after a restart.
// Without one all of it does nothing.

import { closeSync, fstatSync } from "node:fs";
import { closeOnExec, copyDescriptor, NotifySocket } from "../kernel/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import { RetryTimer, reasonOf } from "../program/index.ts";

type Environment = Record<string, string | undefined>;

/** A descriptor that an earlier daemon has stored. Its number is used for nothing else. */
export interface StoredDescriptor {
  readonly fd: number;
  readonly name: string;
}

interface Message {
  readonly text: string;
  /** A copy: the caller may close its own meanwhile. */
  readonly fd: number | undefined;
}

/** Ours to delete: programs that we start are not the service. */
const variables = [
  "NOTIFY_SOCKET",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "LISTEN_PIDFDID",
  "FDSTORE",
] as const;

/** SD_LISTEN_FDS_START of sd_listen_fds(3). */
const firstInherited = 3;
const inheritedMax = 65_536;

/** A manager that is busy, reloading for example, takes datagrams again after that. */
const backoff = { firstMs: 10, maxMs: 10 };
/** Messages that wait for it; each may keep a descriptor open. */
const waitingMax = 4096;

export class ServiceManager {
  readonly #socket: NotifySocket | undefined;
  readonly #emit: EmitEvent;
  readonly #waiting: Message[] = [];
  readonly #retry: RetryTimer = new RetryTimer({
    backoff,
    attempt: () => this.#flush(),
    unref: true,
  });
  #inherited: readonly StoredDescriptor[];
  /** Names that it has descriptors of, as far as we know. */
  readonly #names: Set<string>;

  private constructor(
    socket: NotifySocket | undefined,
    inherited: readonly StoredDescriptor[],
    emit: EmitEvent,
  ) {
    this.#socket = socket;
    this.#inherited = inherited;
    this.#names = new Set(inherited.map(({ name }) => name));
    this.#emit = emit;
  }

  /** Takes over the descriptors that are for this process, and deletes what said so. */
  static fromEnvironment(environment: Environment, emit: EmitEvent): ServiceManager {
    const { NOTIFY_SOCKET: address } = environment;
    const inherited = parseInherited(environment, process.pid).filter(isOpen);
    for (const variable of variables) delete environment[variable];
    for (const { fd } of inherited) closeOnExec(fd);
    try {
      const socket = isAddress(address) ? new NotifySocket(address) : undefined;
      return new ServiceManager(socket, inherited, emit);
    } catch (error) {
      emit({ kind: "ServiceManagerLost", reason: reasonOf(error) });
      return new ServiceManager(undefined, inherited, emit);
    }
  }

  /** `status` is a line for people. */
  ready(status: string): void {
    this.#post(`READY=1\nSTATUS=${status}`);
  }

  stopping(status: string): void {
    this.#post(`STOPPING=1\nSTATUS=${status}`);
  }

  /** Has it keep a copy of the descriptor, for the next daemon of this service. */
  store(name: string, fd: number): void {
    if (this.#socket === undefined) return;
    this.#names.add(name);
    // It would look for a hang-up, and a FIFO without a writer has one.
    this.#post(`FDSTORE=1\nFDPOLL=0\nFDNAME=${name}`, fd);
  }

  /** Has it close its copies of that name. */
  remove(name: string): void {
    if (this.#names.delete(name)) this.#post(`FDSTOREREMOVE=1\nFDNAME=${name}`);
  }

  /** Names that begin so, of descriptors that are stored. */
  namesOf(prefix: string): readonly string[] {
    return [...this.#names].filter((name) => name.startsWith(prefix));
  }

  /** The inherited descriptors whose names begin so; they are the caller's to close now. */
  take(prefix: string): readonly StoredDescriptor[] {
    const taken = this.#inherited.filter(({ name }) => name.startsWith(prefix));
    this.#inherited = this.#inherited.filter((each) => !taken.includes(each));
    return taken;
  }

  /** Closes descriptors with names that begin so, here and in the store: no stream needs them. */
  discard(prefix: string): void {
    for (const { fd, name } of this.take(prefix)) {
      closeSync(fd);
      this.remove(name);
    }
  }

  #post(text: string, fd?: number): void {
    if (this.#socket === undefined) return;
    try {
      if (this.#waiting.length >= waitingMax) throw new Error("it takes no messages");
      this.#waiting.push({ text, fd: fd === undefined ? undefined : copyDescriptor(fd) });
    } catch (error) {
      this.#emit({ kind: "ServiceManagerLost", reason: reasonOf(error) });
    }
    if (!this.#retry.isWaiting) this.#flush();
  }

  /** In their order; those that a busy manager does not take wait. */
  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      if (this.#send(socket, message) === "busy") {
        this.#retry.again();
        return;
      }
      if (message.fd !== undefined) closeSync(message.fd);
      this.#waiting.shift();
    }
  }

  #send(socket: NotifySocket, { text, fd }: Message): "done" | "busy" {
    try {
      return socket.send(text, fd) === "busy" ? "busy" : "done";
    } catch (error) {
      this.#emit({ kind: "ServiceManagerLost", reason: reasonOf(error) });
      return "done";
    }
  }
}

/** The descriptors that LISTEN_FDS and its like speak of; none if they are for another process. */
export function parseInherited(environment: Environment, pid: number): readonly StoredDescriptor[] {
  const { LISTEN_FDS = "", LISTEN_PID = "", LISTEN_FDNAMES = "" } = environment;
  if (!/^[0-9]{1,5}$/.test(LISTEN_FDS) || LISTEN_PID !== String(pid)) return [];
  const names = LISTEN_FDNAMES.split(":");
  const length = Math.min(Number(LISTEN_FDS), inheritedMax);
  return Array.from({ length }, (_, index) => ({
    fd: firstInherited + index,
    name: names[index] ?? "unknown",
  }));
}

/** Others, such as vsock, are of newer systemd and of virtual machines. */
function isAddress(address: string | undefined): address is string {
  return address !== undefined && /^[/@]./.test(address);
}

function isOpen({ fd }: StoredDescriptor): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}
