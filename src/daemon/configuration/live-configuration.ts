// SPDX-License-Identifier: Apache-2.0
// The configuration that the daemon uses now. A reload that fails leaves it as it was.

import { type Configuration, parseConfiguration } from "./configuration.ts";
import { type ConfigurationFile, readText } from "./file.ts";

export class LiveConfiguration {
  readonly #file: ConfigurationFile | undefined;
  #current: Configuration;
  #path: string | null = null;

  /** Throws ConfigurationError. */
  constructor(file: ConfigurationFile | undefined) {
    this.#file = file;
    this.#current = this.#read();
  }

  get current(): Configuration {
    return this.#current;
  }

  /** Of the file that the present values come from; null if there was none. */
  get path(): string | null {
    return this.#path;
  }

  /** Reads the file again. Throws ConfigurationError. */
  reload(): void {
    this.#current = this.#read();
  }

  #read(): Configuration {
    const { path = "" } = this.#file ?? {};
    const text = this.#file === undefined ? undefined : readText(this.#file);
    const configuration = parseConfiguration(text ?? "", path);
    this.#path = text === undefined ? null : path;
    return configuration;
  }
}
