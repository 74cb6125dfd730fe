// SPDX-License-Identifier: Apache-2.0
// How much a change adds to the text of the store (snapshot.ts) at most. Cheap, since it is asked at
// each change: whether there is room for the text is known before the change is answered.

import type { Change } from "./change.ts";
import { getNode, parentPath, type TreeNode } from "./tree.ts";

/** `\u0001` for one byte. */
const textBytesPerByte = 6;
/** `"b4294967295 ignored",` and its like. */
const permissionBytes = 24;
/** Names of the fields, brackets and quotes. */
const nodeBytes = 64;

/** growthOf(root, change) in bytes; `root` is the tree before the change. */
export function growthOf(root: TreeNode, change: Change): number {
  const { path } = change;
  switch (change.kind) {
    case "remove":
      return 0;
    case "permit": {
      const node = getNode(root, path);
      // Children that had the node's list as theirs have one of their own in the text from now on.
      const inherited = listBytes(node?.permissions.length ?? 0) * (node?.children.count ?? 0);
      return listBytes(change.permissions.length) + inherited;
    }
    case "write": {
      const valueBytes = (change.value?.byteLength ?? 0) * textBytesPerByte;
      return valueBytes + nodesBytes(root, path);
    }
  }
}

/** The nodes that a write makes. */
function nodesBytes(root: TreeNode, path: string): number {
  let made = 0;
  let above = path;
  let known = getNode(root, above);
  while (known === undefined) {
    made += 1;
    above = parentPath(above);
    known = getNode(root, above);
  }
  const nameBytes = (path.length - above.length) * textBytesPerByte;
  return nodeBytes + nameBytes + made * (nodeBytes + listBytes(known.permissions.length));
}

function listBytes(permissions: number): number {
  return nodeBytes + permissions * permissionBytes;
}
