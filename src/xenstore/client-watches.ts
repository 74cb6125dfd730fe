// SPDX-License-Identifier: Apache-2.0
// The watches of one client. They are set again on each new connection, before any request of the
// user.

import type { Connection } from "./connection.ts";
import { wireErrorCodes, XenstoreError } from "./errors.ts";
import { encodeStrings } from "./message.ts";
import { parseWatchPath } from "./path.ts";
import { createWatchQueue, type WatchQueue, type XenstoreWatch } from "./watch.ts";

export class ClientWatches {
  readonly #connection: () => Connection;
  readonly #watches = new Map<string, WatchQueue>();
  #watchCount = 0;

  /** `connection` returns the live connection, or throws. */
  constructor(connection: () => Connection) {
    this.#connection = connection;
  }

  push(path: string, token: string): void {
    this.#watches.get(token)?.push(path);
  }

  setAgain(connection: Connection): void {
    for (const watch of this.#watches.values()) {
      void setAgain(connection, watch, () => this.#watches.delete(watch.token));
    }
  }

  /** fail(error) makes every further read of each watch throw `error`. */
  fail(error: XenstoreError): void {
    for (const watch of this.#watches.values()) watch.fail(error);
  }

  end(): void {
    for (const queue of this.#watches.values()) queue.end();
    this.#watches.clear();
  }

  async watch(path: string): Promise<XenstoreWatch> {
    this.#watchCount += 1;
    const token = `w${this.#watchCount}`;
    const queue = createWatchQueue(parseWatchPath(path), token, () => this.#unwatch(queue));
    // Entered before the request is sent: over /dev/xen/xenbus the first event may precede the
    // reply.
    this.#watches.set(token, queue);
    try {
      const payload = encodeStrings(path, token);
      const onLate = (): void => void this.#takeBack(path, token).catch(() => undefined);
      await this.#connection().request({ name: "WATCH", txId: 0, payload, path, onLate });
    } catch (error) {
      this.#watches.delete(token);
      throw error;
    }
    return queue.watch;
  }

  async #unwatch(queue: WatchQueue): Promise<void> {
    if (!this.#watches.delete(queue.token)) return;
    queue.end();
    // Ignore errors: without a connection the server has no watch, and a refusal changes nothing.
    await this.#takeBack(queue.path, queue.token).catch(() => undefined);
  }

  async #takeBack(path: string, token: string): Promise<void> {
    const payload = encodeStrings(path, token);
    await this.#connection().request({ name: "UNWATCH", txId: 0, payload, path, sentLate: true });
  }
}

/** Sets a watch again. A refusal ends the watch, also after the time-out. Other errors do not:
 * either the connection was lost, and the next one sets the watch, or the server is slow and sets
 * it later. */
async function setAgain(
  connection: Connection,
  watch: WatchQueue,
  forget: () => void,
): Promise<void> {
  const { path, token } = watch;
  const endIfRefused = (reply: unknown): void => {
    if (!(reply instanceof XenstoreError)) return;
    if (!wireErrorCodes.some((code) => code === reply.code)) return;
    forget();
    watch.fail(reply);
  };
  const payload = encodeStrings(path, token);
  const late = { sentLate: true, onLate: endIfRefused } as const;
  await connection.request({ name: "WATCH", txId: 0, payload, path, ...late }).catch(endIfRefused);
}
