/*
 * Decodes what the TypeScript side has encoded, and encodes it again: the bytes must be the same. Then damages it in
 * every way that is cheap to think of: the decoder may refuse it, nothing else.
 */
#include <string.h>

#include "check.h"
#include "protocol.gen.h"

enum { MOST = LIMIT_MAX_PAYLOAD };

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % limit;
}

static bool decode(const struct message_kind *kind, const uint8_t *payload, size_t length, struct arena *arena, void *message)
{
	struct wire_reader r = { payload, payload + length, arena };

	return kind->get(&r, message) && r.at == r.end;
}

static void round_trip(const struct message_kind *kind, const uint8_t *payload, size_t length)
{
	struct arena arena = { .most = 8 << 20 };
	struct wire_writer w = { .most = MOST };
	void *message = calloc(1, kind->size);

	CHECK(decode(kind, payload, length, &arena, message));
	kind->put(&w, message);
	CHECK(!w.failed && w.length == length && (length == 0 || memcmp(w.data, payload, length) == 0));
	free(w.data);
	free(message);
	arena_free(&arena);
}

/* A copy of exactly its size, so that the address sanitizer sees a read beyond the end. */
static void damaged(const struct message_kind *kind, const uint8_t *payload, size_t length, size_t cut, unsigned flips)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct arena arena = { .most = 8 << 20 };
	struct wire_writer w = { .most = 4 * MOST };
	uint8_t *copy = malloc(cut ? cut : 1);
	void *message = calloc(1, kind->size);

	(void)length;
	memcpy(copy, payload, cut);
	for (unsigned i = 0; i < flips && cut > 0; i++)
		copy[random_below((uint32_t)cut)] = values[random_below(sizeof(values))];
	if (decode(kind, copy, cut, &arena, message))
		kind->put(&w, message);
	free(w.data);
	free(message);
	free(copy);
	arena_free(&arena);
}

static void strings_are_made_utf8(void)
{
	static const struct {
		const char *given, *sent;
	} cases[] = {
		{ "plain", "plain" },	     { "gr\xc3\xb6\xc3\x9f", "gr\xc3\xb6\xc3\x9f" }, { "\xff\xfe", "??" },
		{ "a\xc3", "a?" },	     { "\xed\xa0\x80", "???" },			    { "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7" },
		{ "\xf4\x90\x80\x80", "????" }, { "\xe0\x80\x80", "???" },		    { "\xf0\x9f\x90", "???" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct wire_writer w = { .most = 1000 };
		size_t length = strlen(cases[i].sent);

		wire_put_string(&w, cases[i].given);
		CHECK(w.length == 4 + length && memcmp(w.data + 4, cases[i].sent, length) == 0);
		free(w.data);
	}
}

static void writer_keeps_to_its_limit(void)
{
	struct wire_writer w = { .most = 10 };

	wire_put_u64(&w, 1);
	CHECK(!w.failed && w.length == 8);
	wire_put_u32(&w, 1);
	CHECK(w.failed && w.length == 8);
	wire_put_u8(&w, 1);
	CHECK(w.failed && w.length == 8);
	free(w.data);
}

static void arena_keeps_to_its_limit(void)
{
	struct arena a = { .most = 100 };

	CHECK(arena_alloc(&a, 50));
	CHECK(!arena_alloc(&a, 50)); /* rounded up, both */
	CHECK(!arena_alloc(&a, SIZE_MAX));
	CHECK(arena_alloc(&a, 16));
	arena_free(&a);
}

int main(int argc, char *argv[])
{
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	uint8_t header[6], *payload = malloc(MOST);
	unsigned messages = 0;

	CHECK(file && payload);
	while (fread(header, 1, sizeof(header), file) == sizeof(header)) {
		uint16_t opcode = (uint16_t)(header[0] | header[1] << 8);
		size_t length = header[2] | header[3] << 8 | header[4] << 16 | (size_t)header[5] << 24;
		const struct message_kind *kind = message_kind(opcode);

		CHECK(kind && length <= MOST && fread(payload, 1, length, file) == length);
		round_trip(kind, payload, length);
		for (size_t cut = 0; cut <= length; cut += 1 + length / 64)
			damaged(kind, payload, length, cut, 0);
		for (int i = 0; i < 50; i++)
			damaged(kind, payload, length, length, 1 + (unsigned)i % 4);
		messages++;
	}
	fclose(file);
	free(payload);
	CHECK(messages > 500);
	CHECK(!message_kind(0x7fff));
	strings_are_made_utf8();
	writer_keeps_to_its_limit();
	arena_keeps_to_its_limit();
	printf("codec: %u messages there and back\n", messages);
	return 0;
}
