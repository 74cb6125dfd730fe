// SPDX-License-Identifier: Apache-2.0
// Markers: the lines that the pump itself writes into a log. A guest can print the same text, but it
// cannot forge the range in the side file.

/** Bytes that a lost stage held. */
export function lossMarker(bytes: number, certainty: "exact" | "atMost", atMs: number): string {
  const amount = certainty === "exact" ? `${bytes}` : `up to ${bytes}`;
  return `[xenlogd: ${amount} bytes lost, the daemon and its vault were killed, noticed ${timeOf(atMs)}]`;
}

/** All that a FIFO held: no process knows how much that was. */
export function fifoLostMarker(atMs: number): string {
  return `[xenlogd: an unknown number of bytes lost, 0 or what the FIFO held: daemon, vault and writer have ended, noticed ${timeOf(atMs)}]`;
}

/** What the last owner of the file wrote after the next one had it. */
export function supersededMarker(bytes: number, key: string, atMs: number): string {
  return `[xenlogd: ${bytes} bytes dropped, written by ${key} when this log had its next owner, until ${timeOf(atMs)}]`;
}

/** What came while the log took no bytes, or too many came. `cause` in words. */
export function droppedMarker(
  bytes: number,
  cause: string,
  sinceMs: number,
  untilMs: number,
): string {
  return `[xenlogd: ${bytes} bytes dropped, ${cause}, ${timeOf(sinceMs)} to ${timeOf(untilMs)}]`;
}

function timeOf(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
