/* The ring against the simplest thing that does the same: one long array. */
#include "ring.h"

#include <string.h>

#include "check.h"
#include "protocol.gen.h"

enum { TOTAL = 4 << 20 };

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8));
}

static void check_contents(const struct ring *r, uint64_t from)
{
	struct iovec pieces[2];
	int count = ring_bytes(r, from, SIZE_MAX, pieces);
	uint64_t at = from;

	for (int i = 0; i < count; i++)
		for (size_t j = 0; j < pieces[i].iov_len; j++)
			CHECK(((uint8_t *)pieces[i].iov_base)[j] == byte_at(at++));
	CHECK(at == r->end || (from >= r->end && count == 0));
}

int main(void)
{
	struct ring r = { 0 };
	unsigned state = 7;
	uint8_t *bytes = malloc(LIMIT_STREAM_WINDOW);

	while (r.end < TOTAL) {
		size_t length, room = LIMIT_STREAM_WINDOW - (size_t)(r.end - r.start);

		state = state * 1664525u + 1013904223u;
		length = (state >> 8) % 30000;
		for (size_t i = 0; i < length; i++)
			bytes[i] = byte_at(r.end + i);
		CHECK(ring_append(&r, bytes, length) == (length <= room));
		CHECK(r.end - r.start <= LIMIT_STREAM_WINDOW && r.capacity <= LIMIT_STREAM_WINDOW);
		check_contents(&r, r.start + (state >> 4) % (r.end - r.start + 1));
		if (state & 64)
			ring_forget(&r, r.start + (state >> 3) % (r.end - r.start + 1));
		if ((state & 0xf00) == 0)
			ring_forget(&r, r.end + 5); /* beyond the end: all of it, and not more */
	}
	ring_forget(&r, r.end);
	CHECK(r.start == r.end);
	ring_free(&r);
	free(bytes);
	printf("ring: %d bytes\n", TOTAL);
	return 0;
}
