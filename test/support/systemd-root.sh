#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A systemd of its own as PID 1 in namespaces of its own: no unit of this host is known to it, and
# nothing of it is left when it ends.
#
#   systemd-root.sh start NAME DIRECTORY UNPACKED SYSTEMD BIND…   in unshare --mount
#   systemd-root.sh inside …                                     (start does this)
#   systemd-root.sh clean NAME DIRECTORY                         in unshare --mount
#
# DIRECTORY has units/, and gets root/. UNPACKED is a tree of packages that the host may lack. BINDs are
# directories that are the same inside and outside.
set -eu

verb=$1 name=$2 directory=$3
mount --make-rprivate /

mount_cgroup() {
	mkdir -p "$directory/cgroup"
	mount -t cgroup2 cgroup2 "$directory/cgroup"
}

# The host's tree, covered by the unpacked one, whose libraries may lie in /lib.
mount_usr() {
	if ! [ -e "/$systemd" ]; then
		mount -t overlay -o "ro,lowerdir=$unpacked/usr:/usr" overlay usr
		mount -t overlay -o "ro,lowerdir=$unpacked/lib:$unpacked/usr/lib:/usr/lib" overlay usr/lib
	else
		mount --rbind /usr usr
	fi
}

case $verb in
start)
	mount_cgroup
	mkdir "$directory/cgroup/$name"
	echo 0 >"$directory/cgroup/$name/cgroup.procs"
	shift
	exec unshare --pid --fork --kill-child --mount --cgroup --uts --ipc sh "$0" inside "$@"
	;;
inside)
	unpacked=$4 systemd=$5
	shift 5
	mkdir -p "$directory/root"
	mount -t tmpfs -o mode=0755 tmpfs "$directory/root"
	cd "$directory/root"
	mkdir -p usr etc proc sys dev run tmp var old root
	for link in bin sbin lib lib32 lib64; do ln -s "usr/$link" "$link"; done
	mount_usr
	mount --rbind /dev dev
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs tmpfs run
	for bind in "$@"; do
		mkdir -p "./$bind"
		mount --rbind "$bind" "./$bind"
	done
	mkdir etc/units
	cp -R "$directory"/units/. etc/units/
	# Without an id it would be its first boot, which changes /etc.
	echo 0123456789abcdef0123456789abcdef >etc/machine-id
	cp /etc/passwd /etc/group /etc/ld.so.cache etc/
	pivot_root . old
	umount -l old
	exec env -i container=xenlogd-test PATH=/usr/bin:/bin SYSTEMD_UNIT_PATH=/etc/units \
		SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_LOG_TARGET=null \
		"/$systemd" --system --unit=test.target --show-status=no
	;;
clean)
	mount_cgroup
	cd "$directory/cgroup/$name"
	echo 1 >cgroup.kill
	for try in 1 2 3 4 5 6 7 8 9 10; do
		grep -q 'populated 0' cgroup.events && break
		sleep 0.1
	done
	cd ..
	find "$name" -depth -type d -exec rmdir {} +
	;;
esac
