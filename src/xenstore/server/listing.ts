// SPDX-License-Identifier: Apache-2.0
// The names of a node's children as bytes, whole or in parts of one message.

import { encodeStrings, payloadBytesMax } from "../message.ts";
import { type Children, entriesOf } from "./children.ts";
import type { TreeNode } from "./tree.ts";

/** A listing of ten thousand names takes twenty requests: join the names once. */
const joined = new WeakMap<Children<TreeNode>, Buffer>();

/** childNames(node) is all names, each with its NUL. */
export function childNames(node: TreeNode): Buffer {
  const known = joined.get(node.children);
  if (known !== undefined) return known;
  const bytes = Buffer.from(
    entriesOf(node.children)
      .map(({ name }) => `${name}\0`)
      .join(""),
  );
  if (node.children.count > 0) joined.set(node.children, bytes);
  return bytes;
}

/** childNamesBytes(node) is the length of childNames(node). */
export function childNamesBytes(node: TreeNode): number {
  return node.children.count === 0 ? 0 : childNames(node).byteLength;
}

/**
 * directoryPart(node, offset) is a reply to DIRECTORY_PART: the node's generation, then whole
 * names from byte `offset` on, as many as fit. The last part ends in an empty string, which is
 * all there is to send when `offset` is not before the end (xenstored_core.c,
 * send_directory_part).
 */
export function directoryPart(node: TreeNode, offset: number): Buffer {
  const names = childNames(node);
  const generation = encodeStrings(String(node.generation));
  const endMark = Buffer.alloc(1);
  const rest = names.subarray(offset);
  const roomBytes = payloadBytesMax - generation.byteLength - endMark.byteLength;
  if (rest.byteLength <= roomBytes) return Buffer.concat([generation, rest, endMark]);
  const pieceBytes = rest.lastIndexOf(0, roomBytes - 1) + 1;
  return Buffer.concat([generation, rest.subarray(0, pieceBytes)]);
}
