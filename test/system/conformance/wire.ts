// SPDX-License-Identifier: Apache-2.0
// What the conformance suite plays on: a server, and byte streams to it.

/** One client's bytes. */
export interface Wire {
  send(bytes: Uint8Array): void;
  /** Resolves with what has come since, undefined at the end; waits for the first byte. */
  receive(): Promise<Uint8Array | undefined>;
  close(): void;
}

export type ServerName = "embedded" | "c" | "ocaml" | "transcript";

export interface Target extends AsyncDisposable {
  readonly name: ServerName;
  /** A client of the socket, for `d5` domain 5 itself, which must have been introduced. */
  open(client: string): Promise<Wire>;
  /** The hypervisor now knows the domain; to INTRODUCE it is the case's own step. */
  startDomain(domid: number): Promise<void>;
  /** Removes all nodes and domains, for a target that is used again. */
  end(domids: readonly number[]): Promise<void>;
}

/** domidOf(client) is the domain that a client's name stands for: `d5` is 5, all others 0. */
export function domidOf(client: string): number {
  return Number(/^d(\d+)$/.exec(client)?.[1] ?? 0);
}
