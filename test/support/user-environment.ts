// SPDX-License-Identifier: Apache-2.0
// The environment of a user's shell: `node` is the host's, and nothing comes from npm.

import { delimiter } from "node:path";

export const userEnvironment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/.test(name)),
  ),
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter),
};
