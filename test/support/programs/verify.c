// SPDX-License-Identifier: Apache-2.0
//
// verify [-l WIDTH] [-f FROM] [-n BYTES] FILE…: checks that the files, oldest first, hold one gapless
// piece of the numbered stream (lines.h), each byte once. It may begin and end within a line. With
// -f and -n only BYTES of the files in a row are looked at, from FROM on. Prints one line of JSON
// and exits with 0, or 1 when it does not hold, 2 when it cannot tell:
//
//   {"ok":true,"first":N,"last":N,"start":OFFSET,"end":OFFSET,"bytes":N,"error":null}
//
// first and last are whole lines, null without one; start and end are offsets of the stream (end is
// just behind the last byte: what flood's witness says, when nothing is missing).

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "lines.h"

static char **names;
static int current = -1; // descriptor of the file before names[0]
static uint64_t file_offset;
static uint64_t to_skip, to_read = UINT64_MAX;
static char buffer[1 << 20];

static void give_up(const char *what)
{
	fprintf(stderr, "verify: %s: %s\n", what, strerror(errno));
	exit(2);
}

// The next bytes of the files in a row; 0 at the end of the last.
static size_t next_bytes(char *into, size_t size)
{
	for (;;) {
		size_t wanted = size;
		ssize_t length;

		if (to_skip > 0)
			wanted = to_skip < size ? to_skip : size;
		else if (wanted > to_read)
			wanted = to_read;
		if (wanted == 0)
			return 0;
		length = current < 0 ? 0 : read(current, into, wanted);
		if (length < 0)
			give_up(names[-1]);
		if (length > 0) {
			file_offset += length;
			if (to_skip > 0) {
				to_skip -= length;
				continue;
			}
			to_read -= length;
			return length;
		}
		if (current >= 0)
			close(current);
		current = -1;
		if (*names == NULL)
			return 0;
		current = open(*names, O_RDONLY | O_CLOEXEC);
		if (current < 0)
			give_up(*names);
		names++;
		file_offset = 0;
	}
}

// Padding holds no digit, so fifteen of them are the start of a line, wherever they are.
static bool line_number(const char *at, const char *end, uint64_t *number)
{
	*number = 0;
	if (end - at < LINE_DIGITS)
		return false;
	for (int digit = 0; digit < LINE_DIGITS; digit++) {
		if (at[digit] < '0' || at[digit] > '9')
			return false;
		*number = *number * 10 + (at[digit] - '0');
	}
	return true;
}

static int report(uint64_t start, uint64_t bytes, size_t width, const char *error)
{
	uint64_t end = start + bytes, first = (start + width - 1) / width, after = end / width;
	char whole[64] = "\"first\":null,\"last\":null";

	if (after > first)
		snprintf(whole, sizeof whole, "\"first\":%llu,\"last\":%llu", (unsigned long long)first,
			 (unsigned long long)after - 1);
	printf("{\"ok\":%s,%s,\"start\":%llu,\"end\":%llu,\"bytes\":%llu,\"error\":", error ? "false" : "true",
	       whole, (unsigned long long)start, (unsigned long long)end, (unsigned long long)bytes);
	printf(error ? "\"%s\"}\n" : "null}\n", error);
	return error ? 1 : 0;
}

// Says where the files leave the stream, and which line they go on with.
static int report_mismatch(uint64_t start, uint64_t bytes, size_t width, char **first_name, size_t at,
			   size_t length)
{
	char text[256], found[64] = "no line follows in reach";
	uint64_t number;

	for (size_t from = at; from < length; from++) {
		if (line_number(buffer + from, buffer + length, &number)) {
			snprintf(found, sizeof found, "the next line there is %llu", (unsigned long long)number);
			break;
		}
	}
	snprintf(text, sizeof text, "file %d differs at byte %llu, in line %llu of the stream; %s",
		 (int)(names - first_name), (unsigned long long)(file_offset - (length - at)),
		 (unsigned long long)((start + bytes) / width), found);
	return report(start, bytes, width, text);
}

int main(int argc, char **argv)
{
	size_t width = LINE_WIDTH, length = 0, more, skipped = 0;
	uint64_t start = 0, bytes = 0, number;
	struct lines lines;
	char **first_name;
	int option;

	while ((option = getopt(argc, argv, "l:f:n:")) != -1) {
		if (option == 'l')
			width = strtoul(optarg, NULL, 10);
		else if (option == 'f')
			to_skip = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			to_read = strtoull(optarg, NULL, 10);
		else
			width = 0;
		if (width < LINE_WIDTH_MIN || width > LINE_WIDTH_MAX) {
			fprintf(stderr, "usage: verify [-l WIDTH] [-f FROM] [-n BYTES] FILE...\n");
			return 2;
		}
	}
	names = first_name = argv + optind;
	lines_open(&lines, width);

	// Two lines' worth hold the start of one, however the piece was cut.
	while (length < 2 * width && (more = next_bytes(buffer + length, 2 * width - length)) > 0)
		length += more;
	if (length == 0)
		return report(0, 0, width, NULL);
	while (skipped < length && !line_number(buffer + skipped, buffer + length, &number))
		skipped++;
	if (skipped == length || number * width < skipped)
		return report(0, 0, width, "no numbered line at the beginning");
	start = number * width - skipped;

	for (; length > 0; length = next_bytes(buffer, sizeof buffer)) {
		for (size_t at = 0; at < length;) {
			size_t count;
			const char *wanted = lines_at(&lines, start + bytes, &count);

			if (count > length - at)
				count = length - at;
			if (memcmp(wanted, buffer + at, count) != 0) {
				for (count = 0; wanted[count] == buffer[at + count]; count++)
					;
				return report_mismatch(start, bytes + count, width, first_name, at + count,
						       length);
			}
			at += count;
			bytes += count;
		}
	}
	return report(start, bytes, width, NULL);
}
