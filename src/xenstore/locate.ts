// SPDX-License-Identifier: Apache-2.0
// Which socket is the host's xenstored, in libxenstore's order (tools/libs/store/xs.c,
// xs_daemon_socket). Looks at the file system, connects to nothing.

import { existsSync } from "node:fs";

/** Where distributions put it: upstream's default, and the one compiled into Debian's. */
const usualSockets = ["/run/xenstored/socket", "/var/run/xenstored/socket"] as const;

/**
 * findXenstoreSocket(environment) is `XENSTORED_PATH`, else `XENSTORED_RUNDIR`/socket, else the
 * first usual place that exists, else the first usual place. An empty variable counts as unset.
 */
export function findXenstoreSocket(
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const { XENSTORED_PATH: path, XENSTORED_RUNDIR: directory } = environment;
  if (path !== undefined && path !== "") return path;
  if (directory !== undefined && directory !== "") return `${directory}/socket`;
  return usualSockets.find((socket) => existsSync(socket)) ?? usualSockets[0];
}
