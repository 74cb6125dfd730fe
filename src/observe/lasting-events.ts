// SPDX-License-Identifier: Apache-2.0
// Events about what lasts: said when it begins, and again in each interval until it ends. One subject
// is said once in an interval at most, however often it begins and ends.

import type { DaemonEvent, EmitEvent } from "./events.ts";
import { RateLimit } from "./rate-limit.ts";

export interface LastingEventsOptions {
  readonly emit: EmitEvent;
  /** Default: a minute. */
  readonly intervalMs?: number;
}

interface Lasting {
  readonly event: DaemonEvent;
  readonly said: "yes" | "no";
}

const intervalDefaultMs = 60_000;
/** Bounds the lines of an interval. */
const subjectsMax = 1024;
/** Of one subject, which a guest may have made; the others wait until they begin again. */
const partsMax = 16;
/** What lasts is said again an interval after the last time, or a part of it later. */
const looksInInterval = 12;

export class LastingEvents {
  readonly #emit: EmitEvent;
  readonly #intervalMs: number;
  readonly #limit: RateLimit;
  /** By subject and part; the part that was said longest ago comes first. */
  readonly #lasting: Map<string, Map<string, Lasting>> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor({ emit, intervalMs = intervalDefaultMs }: LastingEventsOptions) {
    this.#emit = emit;
    this.#intervalMs = intervalMs;
    this.#limit = new RateLimit({ intervalMs, subjectsMax });
  }

  /** A subject may have several parts, and is said for one of them. */
  begin(subject: string, event: DaemonEvent, part: string = subject): void {
    const parts = this.#lasting.get(subject) ?? new Map<string, Lasting>();
    const before = parts.get(part);
    if (before === undefined && parts.size >= partsMax) return;
    parts.set(part, { event, said: before?.said ?? "no" });
    this.#lasting.set(subject, parts);
    this.#say(subject, parts);
    this.#timer ??= setInterval(() => this.#sayAll(), this.#intervalMs / looksInInterval).unref();
  }

  /** Of all subjects, what lasts now. */
  get parts(): readonly string[] {
    return [...this.#lasting.values()].flatMap((parts) => [...parts.keys()]);
  }

  has(subject: string, part: string = subject): boolean {
    return this.#lasting.get(subject)?.has(part) === true;
  }

  /** Returns whether it had begun, and was said. */
  end(subject: string, part: string = subject): boolean {
    const parts = this.#lasting.get(subject);
    const ended = parts?.get(part);
    parts?.delete(part);
    if (parts?.size === 0) this.#lasting.delete(subject);
    if (this.#lasting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return ended?.said === "yes";
  }

  #sayAll(): void {
    for (const [subject, parts] of this.#lasting) this.#say(subject, parts);
  }

  #say(subject: string, parts: Map<string, Lasting>): void {
    const next = [...parts].find(([, { said }]) => said === "no") ?? [...parts][0];
    if (next === undefined || !this.#limit.admits(subject, performance.now())) return;
    const [part, { event }] = next;
    parts.delete(part);
    parts.set(part, { event, said: "yes" });
    this.#emit(event);
  }
}
