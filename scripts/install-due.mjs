// SPDX-License-Identifier: Apache-2.0
//
// Compares package-lock.json with npm's record of what it installed. It reads content, not times:
// any `npm ci` counts, and a checkout that touches the lock file causes no installation.

/** True when `npm ci` would change node_modules. Both are parsed lock files. */
export function installIsDue(wanted, installed) {
  if (installed === undefined) {
    return true;
  }
  const present = installed.packages ?? {};
  const expected = Object.entries(wanted.packages ?? {}).filter(([path]) => path !== "");
  const known = new Set(expected.map(([path]) => path));
  return (
    Object.keys(present).some((path) => !known.has(path)) ||
    expected.some(([path, entry]) => differs(entry, present[path]))
  );
}

function differs(entry, found) {
  if (found === undefined) {
    // Binaries for other platforms are never installed; npm marks all of them as optional.
    return entry.optional !== true;
  }
  return (
    entry.version !== found.version ||
    entry.integrity !== found.integrity ||
    entry.link !== found.link
  );
}
