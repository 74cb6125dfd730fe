// SPDX-License-Identifier: Apache-2.0
// The linter's rules of the house, tried with planted imports: arrows point down, through one door.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { fences, overrides, rooms } from "../../scripts/house.mjs";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const linesMax = 300;
const layers = rooms.map(({ name }) => name);

const root = mkdtempSync(join(tmpdir(), "xenlogd-layers-"));
after(() => rmSync(root, { recursive: true }));
cpSync(join(repository, "biome.json"), join(root, "biome.json"));
for (const layer of layers) {
  plant(`src/${layer}/index.ts`, "export const door: number = 1;\n");
  plant(`src/${layer}/inner.ts`, "export const inner: number = 1;\n");
}

function plant(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), `// SPDX-License-Identifier: Apache-2.0\n${text}`);
}

/** The messages about one planted file; none if it may stay. */
function lint(path: string): string {
  const biome = join(repository, "node_modules/.bin/biome");
  const result = spawnSync(biome, ["lint", "--error-on-warnings", "--max-diagnostics=none", path], {
    cwd: root,
    encoding: "utf8",
  });
  return result.status === 0 ? "" : result.stdout + result.stderr;
}

/** Imports one name of each of the folders, and uses them. */
function importing(folders: readonly string[], file: string, name: string): string {
  const imports = folders.map(
    (folder, n) => `import { ${name} as n${n} } from "../${folder}/${file}";\n`,
  );
  const uses = folders.map((_, n) => `n${n}`);
  return `${imports.join("")}\nexport const sum: number = ${["0", ...uses].join(" + ")};\n`;
}

describe("an import", () => {
  for (const [index, layer] of layers.entries()) {
    it(`in ${layer} points down, and through the door`, () => {
      const planted = `src/${layer}/planted.ts`;
      const [above, below] = [layers.slice(0, index), layers.slice(index + 1)];
      plant(planted, importing(above, "index.ts", "door"));
      assert.equal(count(lint(planted), "Imports point down only"), above.length);
      plant(planted, importing(below, "inner.ts", "inner"));
      assert.equal(count(lint(planted), "Each folder has one door"), below.length);
      plant(planted, importing(below, "index.ts", "door"));
      assert.equal(lint(planted), "");
    });
  }
});

describe("an import between the rooms of a room", () => {
  for (const { name: layer, rooms: own = [], files } of rooms) {
    for (const [index, room] of own.entries()) {
      it(`in ${layer}/${room} points down, and through the door`, () => {
        for (const name of own) {
          plant(`src/${layer}/${name}/index.ts`, "export const door: number = 1;\n");
          plant(`src/${layer}/${name}/inner.ts`, "export const inner: number = 1;\n");
        }
        const planted = `src/${layer}/${room}/planted.ts`;
        const [above, below] = [own.slice(0, index), own.slice(index + 1)];
        plant(planted, importing(above, "index.ts", "door"));
        assert.equal(count(lint(planted), "Imports point down only"), above.length);
        plant(planted, importing(below, "inner.ts", "inner"));
        assert.equal(count(lint(planted), "Each folder has one door"), below.length);
        plant(planted, importing(below, "index.ts", "door"));
        assert.equal(lint(planted), "");
        plant(planted, 'import { inner } from "../inner.ts";\nexport const sum: number = inner;\n');
        assert.equal(count(lint(planted), "Imports point down only"), files === undefined ? 0 : 1);
      });
    }
  }
});

describe("the linter's configuration", () => {
  it("is what scripts/house.mjs makes of the list of rooms", () => {
    const text = readFileSync(join(repository, "biome.json"), "utf8");
    const { overrides: written } = JSON.parse(text) as { overrides: unknown };
    assert.deepEqual(written, overrides());
  });
});

describe("a file of the sources", () => {
  it("has 300 lines at most", () => {
    const files = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" });
    const long = files
      .filter((name) => name.endsWith(".ts"))
      .map((name) => ({ name, lines: linesOf(join(repository, "src", name)) }))
      .filter(({ lines }) => lines > linesMax);
    assert.deepEqual(long, []);
  });
});

describe("a library for one room of a room", () => {
  it("is imported there, and not in the room beside it", () => {
    plant("src/cli/run/planted.ts", 'import "node:child_process";\n');
    plant("src/cli/logs/planted.ts", 'import "node:child_process";\n');
    const found = lint("src/cli");
    assert.equal(count(found, "src/cli/run/planted.ts:"), 0);
    assert.equal(count(found, "src/cli/logs/planted.ts:"), 1);
  });
});

describe("a library", () => {
  for (const [library, allowed] of Object.entries(fences)) {
    const name = library.replace("/**", "/part");
    it(`${name} is imported in ${allowed.join(" and ")} only`, () => {
      for (const layer of layers) plant(`src/${layer}/planted.ts`, `import "${name}";\n`);
      const found = lint("src");
      for (const layer of layers) {
        const expected = allowed.includes(layer) ? 0 : 1;
        assert.equal(count(found, `src/${layer}/planted.ts:`), expected, layer);
      }
    });
  }
});

function linesOf(path: string): number {
  return readFileSync(path, "utf8").split("\n").length - 1;
}

function count(text: string, sentence: string): number {
  return text.split(sentence).length - 1;
}
