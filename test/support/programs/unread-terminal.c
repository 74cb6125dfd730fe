// SPDX-License-Identifier: Apache-2.0
//
// A terminal whose reader has stopped, as after ^S or behind a hung ssh: the other side is open and is
// read only when asked for.
//
//   unread-terminal   prints the device's path, then obeys each byte of its stdin, and ends with it:
//                       r   reads a little and forgets it
//                       c   copies to stdout what comes from now on

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	int copies = 0;
	char bytes[4096];

	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
		err(1, "no terminal");
	/* Kept open: the terminal would hang up without anybody who writes. */
	if (open(ptsname(terminal), O_RDWR | O_NOCTTY) < 0)
		err(1, "no device");
	puts(ptsname(terminal));
	fflush(stdout);
	for (;;) {
		struct pollfd polled[] = {
			{ .fd = 0, .events = POLLIN },
			{ .fd = copies ? terminal : -1, .events = POLLIN },
		};
		char order;

		if (poll(polled, 2, -1) < 0)
			err(1, "poll");
		if (polled[1].revents != 0) {
			ssize_t count = read(terminal, bytes, sizeof bytes);

			if (count <= 0 || write(1, bytes, count) != count)
				return 0;
		}
		if (polled[0].revents == 0)
			continue;
		if (read(0, &order, 1) != 1)
			return 0;
		if (order == 'c')
			copies = 1;
		else if (read(terminal, bytes, 64) < 0)
			err(1, "read");
	}
}
