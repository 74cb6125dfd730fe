// SPDX-License-Identifier: Apache-2.0
// The requests on nodes, the same inside and outside a transaction. Checks the arguments; the
// connection checks the length of the request, 1 to 4096 bytes.

import type { XenstoreOperations } from "./client-interface.ts";
import type { Send } from "./connection.ts";
import { isXenstoreError, type XenstoreErrorCode } from "./errors.ts";
import { listNames } from "./listing.ts";
import { decodeStrings, decodeText, encodeStrings, type MessageName } from "./message.ts";
import { parsePath } from "./path.ts";
import { formatPermission, parsePermission } from "./permission.ts";

export function createOperations(send: Send): XenstoreOperations {
  const onPath = async (name: MessageName, path: string): Promise<Uint8Array> =>
    send(name, encodeStrings(parsePath(path)), path);
  const readBytes = (path: string): Promise<Uint8Array> => onPath("READ", path);
  const read = async (path: string): Promise<string> => decodeText(await readBytes(path));
  const directory = async (path: string): Promise<string[]> => listNames(send, parsePath(path));

  return {
    read,
    readBytes,
    readIfExists: (path) => unless("ENOENT", read(path)),
    directory,
    directoryIfExists: (path) => unless("ENOENT", directory(path)),
    write: async (path, value) => {
      const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
      await send("WRITE", Buffer.concat([encodeStrings(parsePath(path)), bytes]), path);
    },
    mkdir: async (path) => {
      await onPath("MKDIR", path);
    },
    rm: async (path) => {
      await unless("ENOENT", onPath("RM", path));
    },
    exists: async (path) => (await unless("ENOENT", readBytes(path))) !== undefined,
    getPermissions: async (path) =>
      decodeStrings(await onPath("GET_PERMS", path)).map(parsePermission),
    setPermissions: async (path, permissions) => {
      const strings = permissions.map(formatPermission);
      await send("SET_PERMS", encodeStrings(parsePath(path), ...strings), path);
    },
  };
}

/** unless(code, promise) resolves with undefined where `promise` fails with that code. */
async function unless<T>(code: XenstoreErrorCode, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isXenstoreError(error, code)) return undefined;
    throw error;
  }
}
