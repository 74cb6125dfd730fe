// SPDX-License-Identifier: Apache-2.0
//
// power-cut MOUNTPOINT: what a power failure does to an ext4 or XFS file system, at once: nothing
// that is not on its device yet gets there any more. Then it can be unmounted and mounted again, and
// its journal does what it does after a power failure.

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

// fs/ext4/ext4.h: EXT4_IOC_SHUTDOWN, the same as XFS_IOC_GOINGDOWN.
#define SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2

int main(int argc, char **argv)
{
	uint32_t how = NO_LOG_FLUSH;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (fd < 0 || ioctl(fd, SHUTDOWN, &how) != 0) {
		fprintf(stderr, "power-cut: %s: %s\n", argc == 2 ? argv[1] : "usage: power-cut MOUNTPOINT",
			strerror(errno));
		return 1;
	}
	return 0;
}
