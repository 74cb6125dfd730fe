// SPDX-License-Identifier: Apache-2.0
// An xenstored for machines without Xen: the wire protocol, the rules of C xenstored, one socket.

export { XenstoreServerError, type XenstoreServerErrorCode } from "./errors.ts";
export {
  startXenstoreServer,
  type XenstoreServer,
  type XenstoreServerOptions,
} from "./server.ts";
