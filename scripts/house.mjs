// SPDX-License-Identifier: Apache-2.0
//
// The rooms of src/ from top to bottom, and what fences them: the one list from which the linter's
// layer rules are made (`node scripts/house.mjs --write` puts them into biome.json) and tested.

import { readFileSync, writeFileSync } from "node:fs";

/**
 * A folder of src/ imports only from folders behind it in this list; so do its own folders. With
 * `files` the files beside those folders may import them, and not the other way round.
 */
export const rooms = [
  { name: "bin" },
  {
    name: "cli",
    rooms: ["commands", "run", "embedded", "logs", "target", "terminal", "invocation"],
    files: "above its rooms",
  },
  { name: "daemon", rooms: ["requests", "collect", "streams", "pumps", "configuration", "errors"] },
  { name: "fleet" },
  { name: "control", rooms: ["routes", "api"] },
  { name: "pump" },
  { name: "vault" },
  { name: "observe" },
  { name: "fifo" },
  { name: "logfile", rooms: ["write", "read", "index", "files"] },
  { name: "toolstack" },
  { name: "places" },
  { name: "contract" },
  { name: "xenstore", rooms: ["server"] },
  { name: "program", rooms: ["portable"] },
  { name: "kernel", rooms: ["errno"] },
];

/** Libraries, and the only rooms (with their own rooms, or just one of those) that may import them. */
export const fences = {
  koffi: ["kernel"],
  commander: ["cli", "bin"],
  hono: ["control"],
  "hono/**": ["control"],
  "@hono/**": ["control"],
  pino: ["observe"],
  "prom-client": ["observe"],
  "smol-toml": ["daemon"],
  "node:child_process": ["program", "cli/run"],
};

export const sentences = {
  door: "Each folder has one door: import its index.ts.",
  up: (room, above) => `Imports point down only: src/${room} must not know ${above.join(", ")}.`,
  fence: (library, allowed) => `Only src/${allowed.join(" and src/")} may import ${library}.`,
};

const doors = [
  "./*/**",
  "../*/**",
  "../../*/**",
  "../../../*/**",
  "!./*/index.ts",
  "!../*/index.ts",
  "!../*/server/index.ts",
  "!../*/portable/index.ts",
  "!../../*/index.ts",
  "!../../*/server/index.ts",
  "!../../*/portable/index.ts",
  "!../../*/errno/index.ts",
  "!../../../*/index.ts",
];

/** The overrides of biome.json: the rules of one folder each. A later one replaces an earlier one. */
export function overrides() {
  return rooms.flatMap((room, index) => {
    const above = rooms.slice(0, index).map(({ name }) => name);
    const own = room.rooms ?? [];
    return [
      override(room.name, room.name, above, []),
      ...own.map((name, place) => {
        const siblings = own.slice(0, place).map((sibling) => `../${sibling}/**`);
        const files = room.files === undefined ? [] : ["../*.ts"];
        return override(`${room.name}/${name}`, room.name, above, [...files, ...siblings]);
      }),
    ];
  });
}

/** No function of src/ is longer; tests may be. */
const lines = { level: "error", options: { maxLines: 50 } };

function override(path, room, above, siblingsAbove) {
  const patterns = [{ group: doors, message: sentences.door }];
  if (above.length > 0) {
    const group = above.map((name) => `**/${name}/**`);
    patterns.unshift({ group, message: sentences.up(path, above) });
  }
  if (siblingsAbove.length > 0) {
    patterns.unshift({ group: siblingsAbove, message: sentences.up(path, siblingsAbove) });
  }
  for (const [library, allowed] of Object.entries(fences)) {
    if (allowed.includes(room) || allowed.includes(path)) continue;
    patterns.push({ group: [library], message: sentences.fence(library, allowed) });
  }
  const style = { noRestrictedImports: { level: "error", options: { patterns } } };
  return {
    includes: [`src/${path}/**`],
    linter: { rules: { complexity: { noExcessiveLinesPerFunction: lines }, style } },
  };
}

if (process.argv[2] === "--write") {
  const file = new URL("../biome.json", import.meta.url);
  const configuration = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, `${JSON.stringify({ ...configuration, overrides: overrides() }, null, 2)}\n`);
}
