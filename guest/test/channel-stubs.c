#include "channel-stubs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handlers.h"
#include "process.h"

struct heard heard;

void handle_frame(struct agent *agent, uint16_t opcode, uint32_t id, const uint8_t *payload, size_t length)
{
	(void)agent;
	heard.frames++;
	heard.opcode = opcode;
	heard.id = id;
	heard.length = length;
	for (size_t i = 0; i < length; i++)
		heard.bytes += payload[i];
}

void send_hello(struct agent *agent)
{
	struct msg_hello hello = { .agent_version = "test", .kernel_release = "test" };

	heard.hellos++;
	channel_send(agent, OP_HELLO, 0, &hello);
}

bool next_chunk(struct agent *agent, size_t most, struct chunk *chunk)
{
	(void)agent, (void)most, (void)chunk;
	return false;
}

void chunk_sent(struct agent *agent, const struct chunk *chunk)
{
	(void)agent, (void)chunk;
}

void streams_pause(struct agent *agent)
{
	(void)agent;
}

ssize_t read_file(const char *path, char *text, size_t size)
{
	(void)path, (void)text, (void)size;
	return -1;
}

void source_watch(struct agent *agent, struct source *source, int fd, uint32_t events)
{
	(void)agent, (void)events;
	source->fd = fd;
}

void note(const char *format, ...)
{
	(void)format;
}

void die(const char *format, ...)
{
	(void)format;
	abort();
}

bool fault_set(struct fault *f, enum error_code code, int number, const char *format, ...)
{
	(void)number, (void)format;
	f->code = code;
	f->message[0] = 0;
	return false;
}

void stub_open(struct agent *agent, int *host)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	memset(agent, 0, sizeof(*agent));
	memset(&heard, 0, sizeof(heard));
	channel_use(agent, ends[0]);
	*host = ends[1];
}

void stub_close(struct agent *agent, int host)
{
	close(host);
	close(agent->channel.port.fd);
	free(agent->channel.in);
	free(agent->channel.out.data);
	free(agent->channel.waiting.data);
}

void stub_run(struct agent *agent)
{
	agent->channel.port.ready(agent, &agent->channel.port, EPOLLIN | EPOLLOUT);
	channel_flush(agent);
}
