#include "wire.h"

#include <stdlib.h>
#include <string.h>

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(max_align_t) uint8_t data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = a->chunks;
	size_t rounded;
	void *result;

	if (size > a->most)
		return NULL;
	rounded = (size + 15) & ~(size_t)15;
	if (rounded > a->most - a->total)
		return NULL;
	if (!chunk || rounded > chunk->size - chunk->used) {
		size_t room = rounded > 4096 ? rounded : 4096;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->next = a->chunks;
		chunk->used = 0;
		chunk->size = room;
		a->chunks = chunk;
	}
	result = chunk->data + chunk->used;
	chunk->used += rounded;
	a->total += rounded;
	return result;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	a->total = 0;
}

static bool take(struct wire_reader *r, size_t size, const uint8_t **at)
{
	if (size > (size_t)(r->end - r->at))
		return false;
	*at = r->at;
	r->at += size;
	return true;
}

static bool get_number(struct wire_reader *r, unsigned size, uint64_t *v)
{
	const uint8_t *at;

	if (!take(r, size, &at))
		return false;
	*v = 0;
	for (unsigned i = 0; i < size; i++)
		*v |= (uint64_t)at[i] << (8 * i);
	return true;
}

#define GET(name_, type_) \
	bool wire_get_##name_(struct wire_reader *r, type_ *v) \
	{ \
		uint64_t number; \
		if (!get_number(r, sizeof(*v), &number)) \
			return false; \
		*v = (type_)number; \
		return true; \
	}
GET(u8, uint8_t)
GET(u16, uint16_t)
GET(u32, uint32_t)
GET(u64, uint64_t)
GET(i32, int32_t)
GET(i64, int64_t)

bool wire_get_bool(struct wire_reader *r, bool *v)
{
	uint8_t number;

	if (!wire_get_u8(r, &number) || number > 1)
		return false;
	*v = number;
	return true;
}

static bool get_view(struct wire_reader *r, struct bytes *v)
{
	return wire_get_u32(r, &v->length) && take(r, v->length, &v->data);
}

bool wire_get_bytes(struct wire_reader *r, struct bytes *v)
{
	uint8_t *copy;

	if (!get_view(r, v) || !(copy = arena_alloc(r->arena, v->length)))
		return false;
	memcpy(copy, v->data, v->length);
	v->data = copy;
	return true;
}

bool wire_get_rest(struct wire_reader *r, struct bytes *v, uint32_t most)
{
	size_t length = (size_t)(r->end - r->at);

	if (length > most)
		return false;
	v->length = (uint32_t)length;
	return take(r, length, &v->data);
}

bool wire_get_string(struct wire_reader *r, const char **v)
{
	struct bytes raw;
	char *copy;

	if (!get_view(r, &raw) || memchr(raw.data, 0, raw.length))
		return false;
	copy = arena_alloc(r->arena, (size_t)raw.length + 1);
	if (!copy)
		return false;
	memcpy(copy, raw.data, raw.length);
	copy[raw.length] = 0;
	*v = copy;
	return true;
}

void *wire_get_list(struct wire_reader *r, uint32_t *count, size_t smallest_on_wire, size_t item_size)
{
	static uint64_t nothing;
	void *items;

	if (!wire_get_u32(r, count) || *count > (size_t)(r->end - r->at) / smallest_on_wire)
		return NULL;
	if (*count == 0)
		return &nothing;
	items = arena_alloc(r->arena, *count * item_size);
	if (items)
		memset(items, 0, *count * item_size);
	return items;
}

uint8_t *wire_put_room(struct wire_writer *w, size_t size)
{
	uint8_t *at;

	if (w->failed || size > w->most - w->length) {
		w->failed = true;
		return NULL;
	}
	if (size > w->capacity - w->length) {
		size_t capacity = w->capacity ? w->capacity : 256;
		uint8_t *data;

		while (capacity - w->length < size)
			capacity *= 2;
		data = realloc(w->data, capacity);
		if (!data) {
			w->failed = true;
			return NULL;
		}
		w->data = data;
		w->capacity = capacity;
	}
	at = w->data + w->length;
	w->length += size;
	return at;
}

static void put_number(struct wire_writer *w, unsigned size, uint64_t v)
{
	uint8_t *at = wire_put_room(w, size);

	if (!at)
		return;
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

#define PUT(name_, type_) \
	void wire_put_##name_(struct wire_writer *w, type_ v) { put_number(w, sizeof(v), (uint64_t)v); }
PUT(u8, uint8_t)
PUT(u16, uint16_t)
PUT(u32, uint32_t)
PUT(u64, uint64_t)
PUT(i32, int32_t)
PUT(i64, int64_t)

void wire_put_bool(struct wire_writer *w, bool v)
{
	put_number(w, 1, v);
}

/* How many bytes at `s` are one well-formed UTF-8 character; 0 = none. */
static unsigned utf8_length(const uint8_t *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

void wire_put_string(struct wire_writer *w, const char *v)
{
	size_t length = strlen(v);
	uint8_t *at;

	wire_put_u32(w, (uint32_t)length);
	at = wire_put_room(w, length);
	if (!at)
		return;
	/* The NUL behind the string ends any sequence that is cut short. */
	for (size_t i = 0; i < length;) {
		unsigned n = utf8_length((const uint8_t *)v + i);

		if (n == 0) {
			at[i++] = '?';
			continue;
		}
		memcpy(at + i, v + i, n);
		i += n;
	}
}

void wire_put_rest(struct wire_writer *w, struct bytes v)
{
	uint8_t *at = wire_put_room(w, v.length);

	if (at && v.length)
		memcpy(at, v.data, v.length);
}

void wire_put_bytes(struct wire_writer *w, struct bytes v)
{
	wire_put_u32(w, v.length);
	wire_put_rest(w, v);
}
