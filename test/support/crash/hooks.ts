// SPDX-License-Identifier: Apache-2.0
// Puts other system calls under the modules of src/ when they are loaded, in whatever folder they
// are, and lets a test load the product a second time with one of its sentences changed.

import assert from "node:assert/strict";
import { registerHooks } from "node:module";

type Exports = Readonly<Record<string, unknown>>;

/** What stands in for a module, by the name under which it is replaced. */
interface Replacements {
  /** For `node:fs`. */
  readonly fs: Exports;
  /** For `src/kernel/library.ts`. */
  readonly library: Exports;
}

/** A change to a source file: a wrong product that the tests have to find out. */
export interface Mutation {
  /** The end of the file's path. */
  readonly file: string;
  /** What is there, and what is to be there instead. */
  readonly edits: readonly (readonly [string | RegExp, string])[];
}

/** The sources of this checkout, whatever the folder is called that it is in. */
const sources = new URL("../../../src/", import.meta.url).href;
const libraryUrl = new URL("kernel/library.ts", sources).href;
const scheme = "xenlogd-crash:";

let replacements: Replacements | undefined;
const mutations = new Map<string, Mutation>();
const planted = new Set<Mutation>();

export function replaceSystemCalls(by: Replacements): void {
  replacements = by;
  registerHooks({
    resolve(specifier, context, next) {
      const importer = context.parentURL ?? "";
      const resolved = next(specifier, context);
      if (importer.startsWith(sources)) {
        if (resolved.url === "node:fs") return { url: `${scheme}fs`, shortCircuit: true };
        if (resolved.url === libraryUrl) return { url: `${scheme}library`, shortCircuit: true };
      }
      const variant = URL.parse(importer)?.search ?? "";
      return variant !== "" && resolved.url.startsWith(sources) && !resolved.url.includes("?")
        ? { ...resolved, url: resolved.url + variant }
        : resolved;
    },
    load(url, context, next) {
      if (url.startsWith(scheme)) {
        return { format: "module", source: sourceOf(url), shortCircuit: true };
      }
      const loaded = next(url, context);
      const mutation = mutations.get(new URL(url).search);
      if (mutation === undefined || !new URL(url).pathname.endsWith(mutation.file)) return loaded;
      let source = String(loaded.source);
      for (const [from, to] of mutation.edits) {
        const before = source;
        source = source.replace(from, to);
        assert.notEqual(source, before, `${mutation.file} has no ${from}`);
      }
      planted.add(mutation);
      return { ...loaded, source };
    },
  });
}

/** What to add to a module's URL to get the product with that change. */
export function variantOf(mutation: Mutation): string {
  const search = `?variant=${mutations.size}`;
  mutations.set(search, mutation);
  return search;
}

/** Throws if no module with that file has been loaded since `variantOf`: nothing is wrong then. */
export function assertPlanted(mutation: Mutation): void {
  assert.ok(planted.has(mutation), `no module ${mutation.file} was loaded`);
}

/**
 * For the modules that are made here.
 * @public
 */
export function replacement(name: string): Exports {
  const exports = replacements?.[name as keyof Replacements];
  assert.ok(exports !== undefined, `nothing stands in for ${name}`);
  return exports;
}

function sourceOf(url: string): string {
  const name = url.slice(scheme.length);
  const names = Object.keys(replacement(name)).filter((key) => key !== "default");
  return [
    `import { replacement } from ${JSON.stringify(import.meta.url)};`,
    `export const { ${names.join(", ")} } = replacement("${name}");`,
  ].join("\n");
}
