#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a command with a device at /dev/xen/xenbus, in a mount namespace of its own:
#
#   unshare --mount sh xenbus-root.sh DIRECTORY DEVICE COMMAND [ARG…]
set -eu
old=$1/dev device=$2
shift 2
mkdir -p "$old"
mount --rbind /dev "$old"
mount -t tmpfs -o mode=0755 xenlogd-test /dev
for name in null zero random urandom; do
  : >"/dev/$name"
  mount --bind "$old/$name" "/dev/$name"
done
mkdir /dev/xen /dev/shm
: >/dev/xen/xenbus
mount --bind "$old/${device#/dev/}" /dev/xen/xenbus
exec "$@"
