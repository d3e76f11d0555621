/* A stream's bytes between two absolute offsets, in a ring that grows as needed up to STREAM_WINDOW. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ring {
	uint8_t *data;
	size_t capacity; /* 0 or a power of two */
	uint64_t start, end;
};

/* The free space as at most two pieces, growing the ring when it is full; how many pieces (0: full, or no memory). */
int ring_space(struct ring *r, struct iovec pieces[2]);
/* The bytes from offset `from` on, at most `most`, as at most two pieces. */
int ring_bytes(const struct ring *r, uint64_t from, size_t most, struct iovec pieces[2]);
/* Appends a copy; false when it does not fit. */
bool ring_append(struct ring *r, const uint8_t *data, size_t length);
/* Forgets what is before `offset`. */
void ring_forget(struct ring *r, uint64_t offset);
void ring_free(struct ring *r);
