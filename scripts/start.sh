#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# `npm start -- ARGS`: set-up, then one exec of dist/ on the Node that runs npm, so that exit
# code and signals are the program's. The explicit path matters: npm puts the development Node
# first in PATH, and dash keeps what it found there before the set-up.
set -eu
cd "$(dirname "$0")/.."
node=${npm_node_execpath:-node}
"$node" scripts/setup.mjs </dev/null >&2 || exit $?
[ $# -gt 0 ] || exec "$node" dist/bin/xenlogd.js --embedded --dir ./var
exec "$node" dist/bin/xenlog.js "$@"
