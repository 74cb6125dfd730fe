// SPDX-License-Identifier: Apache-2.0
//
// flood [options] FIFO BYTES: writes BYTES of the numbered stream (lines.h) as fast as it can, as a
// guest's QEMU would; BYTES 0: until SIGTERM. FIFO `-` is stdout. Ends with a line of JSON on
// stdout, on stderr when stdout is the stream.
//
//   -b N  bytes a write(), 65536; one that reaches a block's end (10000 lines) is shorter
//   -p N  F_SETPIPE_SZ           -r N  at most N MB (10^6) a second
//   -s N  begin at this offset of the stream          -l N  bytes a line, 100
//   -n    O_NONBLOCK, and poll() when the pipe is full
//   -O    open O_WRONLY; else O_RDWR, which waits for no reader and never gets EPIPE
//   -w F  keep in F, 8 bytes in host order, how many bytes write() has accepted. Exact while this
//         program lives; its own SIGKILL may come between a write() and its count.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"

static int stream = -1;
static volatile sig_atomic_t stopped;

// A write() that has not begun when the signal comes must not block either.
static void stop(int signal)
{
	int saved = errno;

	stopped = 1;
	fcntl(stream, F_SETFL, fcntl(stream, F_GETFL) | O_NONBLOCK);
	errno = saved;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "usage: flood [-b BLOCK] [-p PIPE] [-r MB/S] [-s OFFSET] [-l WIDTH] [-w FILE] [-nO] "
			"FIFO|- BYTES\n");
	exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != 0 || value > max)
		usage();
	return value;
}

static _Atomic uint64_t *witness(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *count;

	if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) != 0)
		fail(path);
	count = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (count == MAP_FAILED)
		fail(path);
	close(fd);
	return count;
}

static void wait_until(double when)
{
	struct timespec time = { .tv_sec = when, .tv_nsec = (when - (time_t)when) * 1e9 };

	if (when > now())
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int main(int argc, char **argv)
{
	uint64_t block = 65536, pipe_bytes = 0, rate = 0, offset = 0, width = LINE_WIDTH;
	uint64_t total, sent = 0, writes = 0;
	_Atomic uint64_t private_count, *accepted = &private_count;
	double start, before, after, longest = 0;
	int option, access = O_RDWR, nonblocking = 0, flags;
	struct lines lines;

	while ((option = getopt(argc, argv, "b:p:r:s:l:w:nO")) != -1) {
		switch (option) {
		case 'b': block = number(optarg, 1 << 30); break;
		case 'p': pipe_bytes = number(optarg, 1 << 30); break;
		case 'r': rate = number(optarg, 1 << 20); break;
		case 's': offset = number(optarg, 1ULL << 56); break;
		case 'l': width = number(optarg, LINE_WIDTH_MAX); break;
		case 'w': accepted = witness(optarg); break;
		case 'n': nonblocking = O_NONBLOCK; break;
		case 'O': access = O_WRONLY; break;
		default: usage();
		}
	}
	if (argc - optind != 2 || block == 0 || width < LINE_WIDTH_MIN)
		usage();
	total = number(argv[optind + 1], 1ULL << 56);
	if (total == 0)
		total = UINT64_MAX;
	stream = strcmp(argv[optind], "-") == 0 ? STDOUT_FILENO : open(argv[optind], access | O_CLOEXEC);
	if (stream < 0)
		fail(argv[optind]);
	if (pipe_bytes > 0 && fcntl(stream, F_SETPIPE_SZ, (int)pipe_bytes) < 0)
		fail("F_SETPIPE_SZ");
	flags = fcntl(stream, F_GETFL);
	fcntl(stream, F_SETFL, flags | nonblocking);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = stop }, NULL);
	signal(SIGPIPE, SIG_IGN);
	lines_open(&lines, width);
	atomic_store_explicit(accepted, 0, memory_order_relaxed);

	start = before = now();
	while (sent < total && !stopped) {
		size_t length;
		const char *bytes = lines_at(&lines, offset + sent, &length);
		ssize_t written;

		if (length > block)
			length = block;
		if (length > total - sent)
			length = total - sent;
		written = write(stream, bytes, length);
		if (written > 0) {
			sent += written;
			atomic_store_explicit(accepted, sent, memory_order_release);
			writes++;
		} else if (errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = stream, .events = POLLOUT }, 1, stopped ? 0 : 1000);
		} else if (errno != EINTR) {
			fail("write");
		}
		after = now();
		// A non-blocking write() is timed without the poll() that follows it.
		if (written > 0 && after - before > longest)
			longest = after - before;
		if (rate > 0)
			wait_until(start + sent / (rate * 1e6));
		before = rate > 0 || written <= 0 ? now() : after;
	}
	fcntl(stream, F_SETFL, flags);
	fprintf(stream == STDOUT_FILENO ? stderr : stdout,
		"{\"bytes\":%llu,\"writes\":%llu,\"seconds\":%.6f,\"megabytesPerSecond\":%.1f,"
		"\"longestWriteMs\":%.3f}\n",
		(unsigned long long)sent, (unsigned long long)writes, now() - start,
		sent / 1e6 / (now() - start), longest * 1e3);
	return 0;
}
