// SPDX-License-Identifier: Apache-2.0
//
// A character device in the place of /dev/xen/xenbus, for machines without Xen: a terminal in raw
// mode whose other side is a connection to a xenstored's socket. Opened, polled, read and written
// with O_NONBLOCK as the device is; the driver's own rules are test/support/xenbus-device.ts's part.
// One process may open it, as there is one connection.
//
//   xenbus-pty SOCKET   prints the device's path, then passes bytes until its stdin ends

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static void pass(int from, int to)
{
	char bytes[4096];
	ssize_t count = read(from, bytes, sizeof bytes);

	if (count <= 0)
		exit(0);
	for (ssize_t done = 0; done < count;) {
		ssize_t written = write(to, bytes + done, count - done);

		if (written < 0)
			err(1, "write");
		done += written;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int store = socket(AF_UNIX, SOCK_STREAM, 0);
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	struct termios raw;

	if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path)
		errx(2, "one socket");
	strcpy(address.sun_path, argv[1]);
	if (store < 0 || connect(store, (struct sockaddr *)&address, sizeof address) < 0)
		err(1, "%s", argv[1]);
	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
		err(1, "no terminal");
	/* Kept open: the other side would hang up between two openers. */
	int device = open(ptsname(terminal), O_RDWR | O_NOCTTY);

	if (device < 0 || tcgetattr(device, &raw) < 0)
		err(1, "no device");
	cfmakeraw(&raw);
	if (tcsetattr(device, TCSANOW, &raw) < 0)
		err(1, "not raw");
	puts(ptsname(terminal));
	fflush(stdout);
	for (;;) {
		struct pollfd polled[] = {
			{ .fd = 0, .events = POLLIN },
			{ .fd = terminal, .events = POLLIN },
			{ .fd = store, .events = POLLIN },
		};

		if (poll(polled, 3, -1) < 0 && errno != EINTR)
			err(1, "poll");
		if (polled[0].revents != 0)
			return 0;
		if (polled[1].revents & POLLIN)
			pass(terminal, store);
		if (polled[2].revents != 0)
			pass(store, terminal);
	}
}
