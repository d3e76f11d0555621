#include "channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "handlers.h"
#include "process.h"

enum {
	HEADER = 16,
	TRAILER = 4,
	SYNC = 32,
	READ_SIZE = 64 << 10,
	/* The kernel's port driver takes this much in one write. */
	WRITE_SIZE = 32 << 10,
	/* More replies than this wait for a host that does not read: stop reading its requests. */
	MOST_WAITING = 4 << 20,
	MOST_QUEUED = 8 << 20,
};

static uint32_t read_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

/* --- sending */

static size_t frame_begin(struct channel *c, struct wire_writer *w, uint16_t opcode, uint32_t id)
{
	size_t start = w->length;

	wire_put_u32(w, 0);
	wire_put_u32(w, c->session);
	wire_put_u16(w, opcode);
	wire_put_u16(w, 0);
	wire_put_u32(w, id);
	return start;
}

/* False: it did not fit, and the writer is as it was before the frame. */
static bool frame_end(struct channel *c, struct wire_writer *w, size_t start)
{
	size_t length = w->length - start - HEADER;

	wire_put_u32(w, c->session);
	if (w->failed || length > LIMIT_MAX_PAYLOAD) {
		w->failed = false;
		w->length = start;
		return false;
	}
	write_u32(w->data + start, (uint32_t)length);
	return true;
}

void channel_send(struct agent *agent, uint16_t opcode, uint32_t id, const void *message)
{
	struct channel *c = &agent->channel;
	const struct message_kind *kind = message_kind(opcode);
	size_t start;

	if (!c->synced)
		return;
	start = frame_begin(c, &c->waiting, opcode, id);
	kind->put(&c->waiting, message);
	if (!frame_end(c, &c->waiting, start)) {
		struct fault fault;

		note("%s %u does not fit into a frame", kind->name, id);
		if (opcode == OP_ERROR)
			return;
		fault_set(&fault, ERROR_CODE_NO_MEMORY, 0, "the answer is too long for the guest channel");
		channel_error(agent, id, &fault);
	}
}

void channel_error(struct agent *agent, uint32_t id, const struct fault *fault)
{
	struct msg_error error = { fault->code, fault->number, fault->message };

	channel_send(agent, OP_ERROR, id, &error);
}

/* Fills the output with whole data frames, as long as one write takes them. */
static void take_data(struct agent *agent)
{
	struct channel *c = &agent->channel;
	size_t overhead = HEADER + 1 + 8 + TRAILER;

	while (c->out.length + overhead < WRITE_SIZE) {
		size_t most = WRITE_SIZE - overhead - c->out.length;
		struct chunk chunk;
		size_t start;

		/* Not a frame for a handful of bytes, unless that is all there is. */
		if (c->out.length > WRITE_SIZE / 2 && most < 4096)
			break;
		if (!next_chunk(agent, most, &chunk))
			break;
		start = frame_begin(c, &c->out, OP_DATA, chunk.process);
		wire_put_u8(&c->out, (uint8_t)chunk.stream);
		wire_put_u64(&c->out, chunk.offset);
		for (int i = 0; i < chunk.count; i++)
			wire_put_rest(&c->out, (struct bytes){ chunk.pieces[i].iov_base, (uint32_t)chunk.pieces[i].iov_len });
		if (!frame_end(c, &c->out, start))
			break; /* no memory: the bytes are still in their ring, the next flush tries again */
		chunk_sent(agent, &chunk);
	}
}

void channel_flush(struct agent *agent)
{
	struct channel *c = &agent->channel;

	while (c->synced && c->writable) {
		ssize_t n;
		size_t length;

		if (c->out_start == c->out.length) {
			struct wire_writer empty = c->out;

			c->out = c->waiting;
			c->waiting = empty;
			c->waiting.length = 0;
			c->out_start = 0;
			take_data(agent);
			if (c->out.length == 0)
				return;
		}
		length = c->out.length - c->out_start;
		n = write(c->port.fd, c->out.data + c->out_start, length < WRITE_SIZE ? length : WRITE_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			c->writable = false; /* EAGAIN, or nobody is connected: an edge will tell */
			return;
		}
		c->out_start += (size_t)n;
	}
}

/* --- receiving */

static void session_begin(struct agent *agent, const uint8_t *block)
{
	struct channel *c = &agent->channel;
	uint8_t *answer;

	c->synced = true;
	c->session = read_u32(block + 16);
	c->waiting.length = c->out.length = c->out_start = 0;
	c->waiting.failed = c->out.failed = false;
	answer = wire_put_room(&c->waiting, SYNC);
	if (!answer)
		die("no memory for the sync block");
	memcpy(answer, SYNC_MAGIC_AGENT, 16);
	memcpy(answer + 16, block + 16, 4);
	write_u32(answer + 20, PROTOCOL_GENERATION);
	memcpy(answer + 24, block + 24, 8);
	c->writable = true;
	streams_pause(agent);
	send_hello(agent);
}

/* Looks for the host's sync block; true when it was found. */
static bool hunt(struct agent *agent)
{
	struct channel *c = &agent->channel;

	while (c->in_end - c->in_start >= 16) {
		size_t length = c->in_end - c->in_start;
		uint8_t *at = memmem(c->in + c->in_start, length, SYNC_MAGIC_HOST, 16);

		if (!at) {
			c->in_start = c->in_end - 15;
			return false;
		}
		c->in_start = (size_t)(at - c->in);
		if (c->in_end - c->in_start < SYNC)
			return false;
		c->in_start += SYNC;
		if (read_u32(at + 20) != PROTOCOL_GENERATION)
			note("the host speaks generation %u of the guest channel, this agent %u", read_u32(at + 20), PROTOCOL_GENERATION);
		session_begin(agent, at);
		return true;
	}
	return false;
}

/* Takes one frame off the input; false when there is none (yet). */
static bool frame(struct agent *agent)
{
	struct channel *c = &agent->channel;
	uint8_t *at = c->in + c->in_start;
	size_t available = c->in_end - c->in_start;
	uint32_t length;

	if (available < HEADER)
		return false;
	length = read_u32(at);
	if (read_u32(at + 4) != c->session || length > LIMIT_MAX_PAYLOAD) {
		c->synced = false;
		return true;
	}
	if (available < HEADER + length + TRAILER)
		return false;
	c->in_start += HEADER + length + TRAILER;
	if (read_u32(at + HEADER + length) != c->session) {
		c->synced = false; /* the rest of a frame that its sender never finished: dropped unseen */
		return true;
	}
	handle_frame(agent, (uint16_t)(at[8] | at[9] << 8), read_u32(at + 12), at + HEADER, length);
	return true;
}

static void consume(struct agent *agent)
{
	struct channel *c = &agent->channel;

	while (c->synced ? frame(agent) : hunt(agent))
		continue;
	if (c->in_start == c->in_end) {
		c->in_start = c->in_end = 0;
	} else if (c->in_start > 0 && c->in_capacity - c->in_end < READ_SIZE) {
		memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
		c->in_end -= c->in_start;
		c->in_start = 0;
	}
}

static void input_room(struct channel *c)
{
	size_t largest = HEADER + LIMIT_MAX_PAYLOAD + TRAILER + READ_SIZE;
	size_t capacity = c->in_capacity;

	if (capacity > READ_SIZE && c->in_end == 0) { /* a large frame has gone */
		free(c->in);
		c->in = NULL;
		c->in_capacity = capacity = 0;
	}
	if (c->in_end < capacity)
		return;
	capacity = capacity ? capacity * 4 : READ_SIZE;
	if (capacity > largest)
		capacity = largest;
	c->in = realloc(c->in, capacity);
	if (!c->in)
		die("no memory for %zu bytes of input", capacity);
	c->in_capacity = capacity;
}

static void port_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct channel *c = &agent->channel;

	if (events & EPOLLOUT)
		c->writable = true;
	for (;;) {
		ssize_t n;

		c->stalled = c->waiting.length > MOST_WAITING;
		if (c->stalled)
			return;
		input_room(c);
		n = read(source->fd, c->in + c->in_end, c->in_capacity - c->in_end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* EAGAIN; 0: nobody is connected. Either way an edge follows. */
		c->in_end += (size_t)n;
		consume(agent);
	}
}

void channel_catch_up(struct agent *agent)
{
	struct channel *c = &agent->channel;

	while (c->stalled && c->waiting.length < MOST_WAITING) {
		port_ready(agent, &c->port, 0);
		channel_flush(agent);
	}
}

/* --- finding the port */

void channel_use(struct agent *agent, int port)
{
	struct channel *c = &agent->channel;

	c->waiting.most = c->out.most = MOST_QUEUED;
	c->port.ready = port_ready;
	source_watch(agent, &c->port, port, EPOLLIN | EPOLLOUT | EPOLLHUP);
}

bool channel_find(struct agent *agent)
{
	DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	bool found = false;

	if (!ports)
		return false;
	while (!found && (entry = readdir(ports))) {
		char path[300], name[32];
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		if (read_file(path, name, sizeof(name)) < 0 || strcmp(name, "dvm.agent\n") != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			die("open %s", path);
		channel_use(agent, fd);
		found = true;
	}
	closedir(ports);
	return found;
}
