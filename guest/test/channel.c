/* Sync and frames, with breaks at every place a daemon can die at. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "channel-stubs.h"
#include "check.h"

enum { SESSION = 0x41424344, OTHER = 0x51525354 };

static uint8_t bytes[3 << 20];
static size_t length;

static void put(const void *data, size_t size)
{
	memcpy(bytes + length, data, size);
	length += size;
}

static void put_u32(uint32_t v)
{
	uint8_t at[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	put(at, 4);
}

static void put_sync(uint32_t session, bool zeros)
{
	if (zeros) {
		memset(bytes + length, 0, LIMIT_SYNC_ZEROS);
		length += LIMIT_SYNC_ZEROS;
	}
	put(SYNC_MAGIC_HOST, 16);
	put_u32(session);
	put_u32(PROTOCOL_GENERATION);
	put("\1\2\3\4\5\6\7\10", 8);
}

static void put_frame(uint32_t session, uint16_t opcode, uint32_t id, size_t size)
{
	put_u32((uint32_t)size);
	put_u32(session);
	put_u32(opcode);
	put_u32(id);
	memset(bytes + length, 1, size);
	length += size;
	put_u32(session);
}

/* Sends what was put, in pieces, the channel reading in between. */
static void send_all(struct agent *agent, int host, size_t piece)
{
	for (size_t at = 0; at < length;) {
		size_t size = length - at < piece ? length - at : piece;
		ssize_t n = write(host, bytes + at, size);

		CHECK(n > 0 || errno == EAGAIN);
		if (n > 0)
			at += (size_t)n;
		stub_run(agent);
	}
	length = 0;
}

static void expect_sync(int host, uint32_t session)
{
	uint8_t answer[4096];
	ssize_t n = read(host, answer, sizeof(answer));

	CHECK(n > 32 && memcmp(answer, SYNC_MAGIC_AGENT, 16) == 0);
	CHECK(answer[16] == (uint8_t)session && memcmp(answer + 24, "\1\2\3\4\5\6\7\10", 8) == 0);
	CHECK(answer[32 + 8] == 1 && answer[32 + 9] == 0); /* and hello behind it */
}

static void whole_frames(size_t piece)
{
	struct agent agent;
	int host;

	stub_open(&agent, &host);
	put("noise \xd5" "DVM-SYNC-HOST\r", 20);
	put_sync(SESSION, false);
	put_frame(SESSION, 0x0302, 7, 0);
	put_frame(SESSION, 0x0003, 8, 5);
	put_frame(SESSION, 0x0201, 9, LIMIT_MAX_PAYLOAD);
	put_frame(SESSION, 0x0003, 10, 1);
	send_all(&agent, host, piece);
	CHECK(heard.hellos == 1 && heard.frames == 4 && heard.id == 10 && heard.length == 1);
	CHECK(heard.bytes == 5 + LIMIT_MAX_PAYLOAD + 1);
	expect_sync(host, SESSION);
	stub_close(&agent, host);
}

/* A daemon dies after `cut` bytes of a frame; the next one's session starts clean, and nothing of the half is seen. */
static void broken_frame(size_t size, size_t cut)
{
	struct agent agent;
	int host;

	stub_open(&agent, &host);
	put_sync(SESSION, false);
	put_frame(SESSION, 0x0003, 1, 0);
	put_frame(SESSION, 0x0302, 2, size);
	length -= 16 + size + 4 - cut;
	put_sync(OTHER, true);
	put_frame(OTHER, 0x0003, 3, 2);
	send_all(&agent, host, 60000);
	CHECK(heard.hellos == 2 && heard.id == 3);
	CHECK(heard.frames == (cut == 16 + size + 4 ? 3 : 2));
	stub_close(&agent, host);
}

static void refused(const char *what, uint32_t session, size_t announced)
{
	struct agent agent;
	int host;

	stub_open(&agent, &host);
	put_sync(SESSION, false);
	put_u32((uint32_t)announced);
	put_u32(session);
	put_u32(3);
	put_u32(1);
	put_u32(session);
	put_frame(SESSION, 0x0003, 2, 0);
	send_all(&agent, host, 1000);
	if (agent.channel.synced || heard.frames > 0)
		fprintf(stderr, "%s\n", what);
	CHECK(!agent.channel.synced && heard.frames == 0);
	put_sync(OTHER, true);
	put_frame(OTHER, 0x0003, 3, 0);
	send_all(&agent, host, 100000);
	CHECK(heard.frames == 1 && heard.id == 3);
	stub_close(&agent, host);
}

int main(void)
{
	static const size_t pieces[] = { 1 << 20, 65536, 4096, 1000, 17 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
		whole_frames(pieces[i]);
	for (size_t cut = 1; cut <= 16 + 40 + 4; cut++)
		broken_frame(40, cut);
	broken_frame(LIMIT_MAX_PAYLOAD, 17);
	broken_frame(LIMIT_MAX_PAYLOAD, 16 + LIMIT_MAX_PAYLOAD);
	refused("another session", OTHER, 0);
	refused("a length beyond the limit", SESSION, LIMIT_MAX_PAYLOAD + 1);
	printf("channel: frames, breaks and refusals\n");
	return 0;
}
