// SPDX-License-Identifier: Apache-2.0
//
// The numbered stream that flood.c writes and verify.c checks. It is a pure function of the offset,
// so a lost, doubled or changed byte shows wherever the stream was cut: line n (from 0) is the bytes
// n * width … (n + 1) * width - 1, fifteen decimal digits, padding without a digit, a newline.

#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_DIGITS = 15, LINE_WIDTH = 100, LINE_WIDTH_MIN = LINE_DIGITS + 1, LINE_WIDTH_MAX = 1 << 16 };

// A block of a power of ten of lines: from one block to the next the low digits of each line stay,
// and the high ones are the same in all, so that renumbering is one small copy a line.
enum { LOW_DIGITS = 4, HIGH_DIGITS = LINE_DIGITS - LOW_DIGITS, BLOCK_LINES = 10000 };

struct lines {
	size_t width;
	size_t block_bytes;
	uint64_t block_offset; // of the stream, at block[0]
	char *block;
};

static inline void lines_renumber(struct lines *lines, uint64_t block_number)
{
	char high[24]; // any number fits; a stream of 10^15 lines is out of reach

	snprintf(high, sizeof high, "%0*llu", HIGH_DIGITS, (unsigned long long)block_number);
	for (size_t line = 0; line < BLOCK_LINES; line++)
		memcpy(lines->block + line * lines->width, high, HIGH_DIGITS);
	lines->block_offset = block_number * lines->block_bytes;
}

static inline void lines_open(struct lines *lines, size_t width)
{
	lines->width = width;
	lines->block_bytes = width * BLOCK_LINES;
	lines->block = malloc(lines->block_bytes + 1);
	if (lines->block == NULL)
		abort();
	for (size_t line = 0; line < BLOCK_LINES; line++) {
		char *at = lines->block + line * width;

		snprintf(at, LINE_DIGITS + 1, "%0*zu", LINE_DIGITS, line);
		for (size_t column = LINE_DIGITS; column + 1 < width; column++)
			at[column] = column == LINE_DIGITS ? ' ' : 'a' + column % 26;
		at[width - 1] = '\n';
	}
	lines_renumber(lines, 0);
}

// The stream's bytes from `offset` on: at least one, up to the end of a block.
static inline const char *lines_at(struct lines *lines, uint64_t offset, size_t *available)
{
	uint64_t number = offset / lines->block_bytes;
	size_t within = offset % lines->block_bytes;

	if (number * lines->block_bytes != lines->block_offset)
		lines_renumber(lines, number);
	*available = lines->block_bytes - within;
	return lines->block + within;
}
