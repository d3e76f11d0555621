/* The primitives of the guest channel's messages: bounded reading into an arena, writing into a growing buffer. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *data;
	uint32_t length;
};

/* Memory that is freed all at once; gives NULL once `most` bytes were handed out. */
struct arena {
	struct arena_chunk *chunks;
	size_t total, most;
};
void *arena_alloc(struct arena *a, size_t size);
void arena_free(struct arena *a);

/* Every get returns false when the bytes end too early or are not what they should be; the position is then undefined. */
struct wire_reader {
	const uint8_t *at, *end;
	struct arena *arena;
};
bool wire_get_u8(struct wire_reader *r, uint8_t *v);
bool wire_get_u16(struct wire_reader *r, uint16_t *v);
bool wire_get_u32(struct wire_reader *r, uint32_t *v);
bool wire_get_u64(struct wire_reader *r, uint64_t *v);
bool wire_get_i32(struct wire_reader *r, int32_t *v);
bool wire_get_i64(struct wire_reader *r, int64_t *v);
bool wire_get_bool(struct wire_reader *r, bool *v);
/* Copies in the arena, a string's with a NUL behind it: a request may outlive what it was read from. */
bool wire_get_string(struct wire_reader *r, const char **v);
bool wire_get_bytes(struct wire_reader *r, struct bytes *v);
/* A view into what is read. */
bool wire_get_rest(struct wire_reader *r, struct bytes *v, uint32_t most);
/* Room for the items of a list, zeroed, never NULL for an empty one; NULL when it cannot be as long as it says. */
void *wire_get_list(struct wire_reader *r, uint32_t *count, size_t smallest_on_wire, size_t item_size);

/* Once something did not fit (beyond `most`, or no memory), `failed` stays set and nothing more is written. */
struct wire_writer {
	uint8_t *data;
	size_t length, capacity, most;
	bool failed;
};
/* Room for `size` bytes at the end, counted as written; NULL when it failed. */
uint8_t *wire_put_room(struct wire_writer *w, size_t size);
void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_u16(struct wire_writer *w, uint16_t v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_u64(struct wire_writer *w, uint64_t v);
void wire_put_i32(struct wire_writer *w, int32_t v);
void wire_put_i64(struct wire_writer *w, int64_t v);
void wire_put_bool(struct wire_writer *w, bool v);
/* Bytes that are not UTF-8 become '?': containers choose them, the host refuses them. */
void wire_put_string(struct wire_writer *w, const char *v);
void wire_put_bytes(struct wire_writer *w, struct bytes v);
void wire_put_rest(struct wire_writer *w, struct bytes v);
