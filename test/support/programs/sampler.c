// SPDX-License-Identifier: Apache-2.0
//
// sampler DIRECTORY NAME BOUND: looks at the sizes of NAME and NAME.* in DIRECTORY as often as it can
// until SIGTERM, and says whether they ever were above BOUND bytes together. Prints one line of JSON:
//
//   {"samples":N,"consistent":N,"largest":BYTES,"violations":N}
//
// One look takes a while, and files are renamed and removed meanwhile: summing what one look finds
// would count bytes that were never there together. So each look is made twice. If both find the
// same inodes, all of them existed between the two; files that are appended to only grow, so the
// first look's sum is at most what was there at that instant. Only such looks count.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 64

struct look {
	int count;
	uint64_t sum;
	ino_t inodes[FILES_MAX];
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = 1;
}

static int by_value(const void *a, const void *b)
{
	ino_t x = *(const ino_t *)a, y = *(const ino_t *)b;

	return (x > y) - (x < y);
}

static void look_at(int directory, const char *name, struct look *look)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fdopendir(fd);
	size_t length = strlen(name);
	struct dirent *entry;
	struct stat status;

	look->count = 0;
	look->sum = 0;
	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		if (strncmp(entry->d_name, name, length) != 0)
			continue;
		if (entry->d_name[length] != 0 && entry->d_name[length] != '.')
			continue;
		if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (look->count == FILES_MAX)
			break;
		look->inodes[look->count++] = status.st_ino;
		look->sum += status.st_size;
	}
	if (entries != NULL)
		closedir(entries);
	qsort(look->inodes, look->count, sizeof(ino_t), by_value);
}

static int same(const struct look *a, const struct look *b)
{
	if (a->count != b->count)
		return 0;
	// A name that was renamed while it was looked for is found twice, or not at all.
	for (int i = 1; i < a->count; i++)
		if (a->inodes[i] == a->inodes[i - 1])
			return 0;
	return memcmp(a->inodes, b->inodes, a->count * sizeof(ino_t)) == 0;
}

int main(int argc, char **argv)
{
	uint64_t samples = 0, consistent = 0, largest = 0, violations = 0, bound;
	struct look first, second;
	int directory;

	if (argc != 4) {
		fprintf(stderr, "usage: sampler DIRECTORY NAME BOUND\n");
		return 2;
	}
	bound = strtoull(argv[3], NULL, 10);
	directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		fprintf(stderr, "sampler: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	signal(SIGTERM, stop);
	while (!stopped) {
		samples++;
		look_at(directory, argv[2], &first);
		look_at(directory, argv[2], &second);
		if (!same(&first, &second))
			continue;
		consistent++;
		if (first.sum > largest)
			largest = first.sum;
		if (first.sum > bound)
			violations++;
	}
	printf("{\"samples\":%llu,\"consistent\":%llu,\"largest\":%llu,\"violations\":%llu}\n",
	       (unsigned long long)samples, (unsigned long long)consistent,
	       (unsigned long long)largest, (unsigned long long)violations);
	return 0;
}
