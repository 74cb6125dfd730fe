// SPDX-License-Identifier: Apache-2.0
// The configuration that the daemon uses now. A reload that fails leaves it as it was.

import { type Configuration, readConfiguration } from "./configuration.ts";
import type { ConfigurationFile } from "./file.ts";

export class LiveConfiguration {
  readonly #file: ConfigurationFile | undefined;
  #current: Configuration;

  /** Throws ConfigurationError. */
  constructor(file: ConfigurationFile | undefined) {
    this.#file = file;
    this.#current = readConfiguration(file);
  }

  get current(): Configuration {
    return this.#current;
  }

  /** Reads the file again. Throws ConfigurationError. */
  reload(): void {
    this.#current = readConfiguration(this.#file);
  }
}
