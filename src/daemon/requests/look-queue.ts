// SPDX-License-Identifier: Apache-2.0
// The looks at xenstore, one at a time: two at once would act on the same stream. What is asked for
// during a look is one look after it.

import type { LogfileKey, LogOwner } from "../../contract/index.ts";

/** What a look is about. */
export type LookScope =
  | { readonly kind: "everything" }
  | { readonly kind: "owner"; readonly owner: LogOwner }
  | { readonly kind: "logfile"; readonly key: LogfileKey };

/** With more to look at, everything is: bounds the memory, and is as fast. */
export const scopesMax = 1024;

export class LookQueue {
  readonly #look: (scopes: readonly LookScope[]) => Promise<void>;
  /** What the next look is about, by its own text. */
  readonly #due: Map<string, LookScope> = new Map();
  #last: Promise<void> = Promise.resolve();
  /** The look that has not begun yet, if there is one. */
  #next: Promise<void> | undefined;

  /** `look` gets no scope twice. When it rejects, so does every later look. */
  constructor(look: (scopes: readonly LookScope[]) => Promise<void>) {
    this.#look = look;
  }

  /** Resolves when a look at the scope is over that began after the call. */
  add(scope: LookScope): Promise<void> {
    this.#addDue(scope);
    this.#next ??= this.#last = this.#last.then(async () => {
      // The nodes of one request have an event each, and most of them come in one read.
      await new Promise((resolve) => setImmediate(resolve));
      this.#next = undefined;
      const due = [...this.#due.values()];
      this.#due.clear();
      await this.#look(due);
    });
    return this.#next;
  }

  #addDue(scope: LookScope): void {
    if (this.#due.has(everythingText)) return;
    if (scope.kind === "everything" || this.#due.size >= scopesMax) {
      this.#due.clear();
      this.#due.set(everythingText, everything);
    } else {
      this.#due.set(JSON.stringify(scope), scope);
    }
  }
}

const everything: LookScope = { kind: "everything" };
const everythingText = JSON.stringify(everything);
