#include "ring.h"

#include <stdlib.h>
#include <string.h>

#include "protocol.gen.h"

enum { SMALLEST = 4096 };

static int pieces_between(const struct ring *r, uint64_t from, uint64_t to, struct iovec pieces[2])
{
	size_t at = (size_t)from & (r->capacity - 1), length = (size_t)(to - from);
	size_t first = r->capacity - at < length ? r->capacity - at : length;

	if (length == 0)
		return 0;
	pieces[0] = (struct iovec){ r->data + at, first };
	pieces[1] = (struct iovec){ r->data, length - first };
	return length > first ? 2 : 1;
}

static bool grow(struct ring *r, size_t capacity)
{
	struct iovec old[2];
	struct ring larger = { malloc(capacity), capacity, r->start, r->start };
	int n;

	if (!larger.data)
		return false;
	n = r->capacity ? pieces_between(r, r->start, r->end, old) : 0;
	for (int i = 0; i < n; i++) {
		struct iovec into[2];
		int parts = pieces_between(&larger, larger.end, larger.end + old[i].iov_len, into);
		const uint8_t *from = old[i].iov_base;

		for (int j = 0; j < parts; j++) {
			memcpy(into[j].iov_base, from, into[j].iov_len);
			from += into[j].iov_len;
		}
		larger.end += old[i].iov_len;
	}
	free(r->data);
	*r = larger;
	return true;
}

int ring_space(struct ring *r, struct iovec pieces[2])
{
	if (r->end - r->start == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 4 : SMALLEST;

		if (r->capacity >= LIMIT_STREAM_WINDOW || !grow(r, capacity))
			return 0;
	}
	return pieces_between(r, r->end, r->start + r->capacity, pieces);
}

int ring_bytes(const struct ring *r, uint64_t from, size_t most, struct iovec pieces[2])
{
	uint64_t to = r->end;

	if (from < r->start || from >= r->end)
		return 0;
	if (to - from > most)
		to = from + most;
	return pieces_between(r, from, to, pieces);
}

bool ring_append(struct ring *r, const uint8_t *data, size_t length)
{
	if (length > LIMIT_STREAM_WINDOW - (r->end - r->start))
		return false;
	while (length > 0) {
		struct iovec space[2];
		size_t n;

		if (ring_space(r, space) == 0)
			return false;
		n = space[0].iov_len < length ? space[0].iov_len : length;
		memcpy(space[0].iov_base, data, n);
		r->end += n;
		data += n;
		length -= n;
	}
	return true;
}

void ring_forget(struct ring *r, uint64_t offset)
{
	if (offset > r->end)
		offset = r->end;
	if (offset > r->start)
		r->start = offset;
	/* A stream that went quiet gives its memory back. */
	if (r->start == r->end && r->capacity > SMALLEST)
		ring_free(r);
}

void ring_free(struct ring *r)
{
	free(r->data);
	r->data = NULL;
	r->capacity = 0;
	r->start = r->end;
}
