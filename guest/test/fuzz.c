/* For libFuzzer. FUZZ_CODEC: an opcode and a payload; FUZZ_CHANNEL: what a port may bring. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel-stubs.h"
#include "protocol.gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef FUZZ_CODEC
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct message_kind *kind = size >= 2 ? message_kind((uint16_t)(data[0] | data[1] << 8)) : NULL;
	struct arena arena = { .most = 8 << 20 };
	struct wire_writer w = { .most = 4 << 20 };
	struct wire_reader r = { data + 2, data + size, &arena };
	void *message;

	if (!kind)
		return 0;
	message = calloc(1, kind->size);
	/* What decodes must encode to the bytes it came from: there is one way to write a message. */
	if (kind->get(&r, message) && r.at == r.end) {
		bool text_is_utf8 = true;

		kind->put(&w, message);
		for (size_t i = 0; i < w.length; i++)
			text_is_utf8 = text_is_utf8 && w.data[i] != '?';
		if (w.failed || w.length != size - 2 || (text_is_utf8 && w.length && memcmp(w.data, data + 2, w.length) != 0))
			abort();
	}
	free(w.data);
	free(message);
	arena_free(&arena);
	return 0;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent agent;
	int host;

	stub_open(&agent, &host);
	while (size > 0) {
		/* The first byte of each piece says how long it is. */
		size_t piece = 1 + *data % 64u * 16u;
		ssize_t n;

		data++, size--;
		if (piece > size)
			piece = size;
		n = piece ? write(host, data, piece) : 0;
		if (n < 0)
			break;
		data += n, size -= (size_t)n;
		stub_run(&agent);
		if (agent.channel.in_start > agent.channel.in_end || agent.channel.in_end > agent.channel.in_capacity)
			abort();
	}
	stub_close(&agent, host);
	return 0;
}
#endif
