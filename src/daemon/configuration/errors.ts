// SPDX-License-Identifier: Apache-2.0
// What is wrong in the configuration file, in sentences for the operator.

export class ConfigurationError extends Error {
  readonly code = "configuration";
  /** One sentence each, with the file's name. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[], cause?: unknown) {
    super(faults.join("; "), { cause });
    this.name = "ConfigurationError";
    this.faults = faults;
  }
}
