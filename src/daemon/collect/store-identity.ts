// SPDX-License-Identifier: Apache-2.0
// Whether a store still has its content. C xenstored loses everything in a restart, and a client sees
// only that its connection was lost: so the daemon writes a mark and looks for it.

import { randomBytes } from "node:crypto";
import { storeIdPath } from "../../contract/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";

/** The id of the store's content; a store without one gets one. Another id: all is lost. */
export async function readStoreId(client: XenstoreClient): Promise<string> {
  const found = await client.readIfExists(storeIdPath);
  if (found !== undefined) return found;
  return await client.transaction(async (transaction) => {
    const found = await transaction.readIfExists(storeIdPath);
    if (found !== undefined) return found;
    const id = randomBytes(8).toString("hex");
    await transaction.write(storeIdPath, id);
    return id;
  });
}
