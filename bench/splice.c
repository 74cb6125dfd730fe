// SPDX-License-Identifier: Apache-2.0
//
// splice staged|copy FIFO FILE LIMIT [PIPE_BYTES]: what xenlogd is measured against. Moves a FIFO
// into FILE until the last writer closes it, one file of history (FILE.1), rotated at exactly LIMIT
// bytes (0: never). `staged` splices through a private pipe as the daemon does, `copy` reads and
// writes 64 KiB. No recovery, no fairness, no newline at the cut: a bound, not a competitor.
// Prints {"bytes","rotations","seconds","cpuSeconds"}; the clock starts at the first byte.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_path;
static char history_path[4096];
static int log_file = -1, stage[2];
static uint64_t limit, in_file, total, rotations;
static char copied[64 * 1024];

static void fail(const char *what)
{
	fprintf(stderr, "splice: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double seconds(const struct timespec *time) { return time->tv_sec + time->tv_nsec * 1e-9; }

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return seconds(&time);
}

static double cpu(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return seconds(&time);
}

static void open_log(int flags)
{
	log_file = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	if (log_file < 0)
		fail(log_path);
	in_file = 0;
}

static void rotate(void)
{
	close(log_file);
	if (unlink(history_path) != 0 && errno != ENOENT)
		fail(history_path);
	if (rename(log_path, history_path) != 0)
		fail(log_path);
	open_log(O_EXCL);
	rotations++;
}

// How much of `wanted` still goes into this file; rotates when nothing does.
static size_t room(size_t wanted)
{
	if (limit > 0 && in_file == limit)
		rotate();
	return limit > 0 && wanted > limit - in_file ? limit - in_file : wanted;
}

static void account(ssize_t moved, const char *what)
{
	if (moved <= 0)
		fail(what);
	in_file += moved;
	total += moved;
}

static ssize_t step_staged(int fifo, size_t pipe_bytes)
{
	ssize_t taken = splice(fifo, NULL, stage[1], NULL, pipe_bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	for (ssize_t left = taken, moved; left > 0; left -= moved) {
		moved = splice(stage[0], NULL, log_file, NULL, room(left), SPLICE_F_MOVE);
		account(moved, "splice into the file");
	}
	return taken;
}

static ssize_t step_copy(int fifo)
{
	ssize_t taken = read(fifo, copied, sizeof copied);

	for (ssize_t done = 0, moved; done < taken; done += moved) {
		moved = write(log_file, copied + done, room(taken - done));
		account(moved, "write");
	}
	return taken;
}

int main(int argc, char **argv)
{
	bool staged = argc > 1 && strcmp(argv[1], "staged") == 0;
	double start = 0;
	struct pollfd fifo = { .events = POLLIN };
	int pipe_bytes = argc > 5 ? atoi(argv[5]) : 65536;

	if (argc < 5 || argc > 6 || !(staged || strcmp(argv[1], "copy") == 0) || pipe_bytes <= 0) {
		fprintf(stderr, "usage: splice staged|copy FIFO FILE LIMIT [PIPE_BYTES]\n");
		return 2;
	}
	log_path = argv[3];
	limit = strtoull(argv[4], NULL, 10);
	snprintf(history_path, sizeof history_path, "%s.1", log_path);
	open_log(O_TRUNC);
	fifo.fd = open(argv[2], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fifo.fd < 0 || pipe2(stage, O_CLOEXEC) != 0)
		fail(argv[2]);
	if (fcntl(fifo.fd, F_SETPIPE_SZ, pipe_bytes) < 0 || fcntl(stage[0], F_SETPIPE_SZ, pipe_bytes) < 0)
		fail("F_SETPIPE_SZ");

	// A hang-up is only told once a writer was there, and with POLLIN while bytes are left.
	for (;;) {
		if (poll(&fifo, 1, -1) < 0)
			fail("poll");
		if (!(fifo.revents & POLLIN))
			break;
		if (total == 0)
			start = now();
		if ((staged ? step_staged(fifo.fd, pipe_bytes) : step_copy(fifo.fd)) < 0 && errno != EAGAIN)
			fail("read from the FIFO");
	}
	printf("{\"bytes\":%llu,\"rotations\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f}\n",
	       (unsigned long long)total, (unsigned long long)rotations, total ? now() - start : 0.0, cpu());
	return 0;
}
