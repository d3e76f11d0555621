#include "handlers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "agent.h"
#include "container.h"
#include "process.h"
#include "sandbox.h"
#include "statistics.h"
#include "version.h"

/* A decoded message may not take more than this, however it was encoded. */
enum { MOST_MEMORY = 8 << 20 };

void request_free(struct request *request)
{
	arena_free(&request->arena);
	free(request);
}

void reply(struct agent *agent, const struct request *request, const void *message)
{
	channel_send(agent, request->opcode | 0x8000, request->id, message);
}

/* --- requests about one process */

static void resize(struct agent *agent, struct request *request)
{
	const struct msg_resize *message = request->message;
	struct process *p = process_find(agent, message->process);
	struct msg_resize_reply done = { 0 };
	struct fault f;

	if (!p) {
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no process %u", message->process);
		channel_error(agent, request->id, &f);
		return;
	}
	process_resize(p, message->rows, message->cols);
	reply(agent, request, &done);
}

static void release(struct agent *agent, struct request *request)
{
	const struct msg_release_process *message = request->message;
	struct process *p = process_find(agent, message->process);
	struct msg_release_process_reply done = { 0 };
	struct fault f;

	if (p && p->life != LIFE_EXITED) {
		fault_set(&f, ERROR_CODE_INVALID, 0, "process %u has not exited", message->process);
		channel_error(agent, request->id, &f);
		return;
	}
	if (p)
		process_free(agent, p);
	reply(agent, request, &done);
}

static const struct {
	uint16_t opcode;
	void (*handle)(struct agent *agent, struct request *request);
} requests[] = {
	{ OP_PING, sandbox_ping },
	{ OP_PREPARE_TEMPLATE, sandbox_prepare_template },
	{ OP_PERSONALISE, sandbox_personalise },
	{ OP_SET_CLOCK, sandbox_set_clock },
	{ OP_SET_HOSTNAME, sandbox_set_hostname },
	{ OP_RELEASE_DISK, sandbox_release_disk },
	{ OP_SHUTDOWN, sandbox_shutdown },
	{ OP_SANDBOX_STATS, statistics_sandbox },
	{ OP_START_CONTAINER, container_start },
	{ OP_EXEC, container_exec },
	{ OP_SIGNAL, container_signal },
	{ OP_RESIZE, resize },
	{ OP_FREEZE, container_freeze },
	{ OP_UPDATE_RESOURCES, container_update },
	{ OP_DELETE_CONTAINER, container_delete },
	{ OP_CONTAINER_STATS, statistics_container },
	{ OP_TOP, statistics_top },
	{ OP_RELEASE_PROCESS, release },
};

/* --- stream frames: their id is the process's, and one that has gone is nobody's mistake */

static void on_stdin(struct agent *agent, struct process *p, const void *message)
{
	stdin_received(agent, p, message);
}

static void on_stdin_close(struct agent *agent, struct process *p, const void *message)
{
	stdin_finished(agent, p, message);
}

static void on_window(struct agent *agent, struct process *p, const void *message)
{
	stream_window(agent, p, message);
}

static void on_resume(struct agent *agent, struct process *p, const void *message)
{
	stream_resume(agent, p, message);
}

static const struct {
	uint16_t opcode;
	void (*handle)(struct agent *agent, struct process *p, const void *message);
} streams[] = {
	{ OP_STDIN, on_stdin },
	{ OP_STDIN_CLOSE, on_stdin_close },
	{ OP_WINDOW, on_window },
	{ OP_STREAM_RESUME, on_resume },
};

static bool handle_stream(struct agent *agent, uint32_t id, const struct message_kind *kind, struct wire_reader *r)
{
	union {
		struct msg_stdin stdin_;
		struct msg_stdin_close close;
		struct msg_window window;
		struct msg_stream_resume resume;
	} message;
	struct process *p;

	for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
		if (streams[i].opcode != kind->opcode)
			continue;
		p = process_find(agent, id);
		if (!kind->get(r, &message) || r->at != r->end)
			note("%s %u cannot be decoded", kind->name, id);
		else if (p)
			streams[i].handle(agent, p, &message);
		return true;
	}
	return false;
}

static void handle_request(struct agent *agent, struct request *request)
{
	struct fault f;

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (requests[i].opcode == request->opcode) {
			requests[i].handle(agent, request);
			return;
		}
	fault_set(&f, ERROR_CODE_UNSUPPORTED, 0, "this agent does not know request 0x%04x", request->opcode);
	channel_error(agent, request->id, &f);
}

void handle_frame(struct agent *agent, uint16_t opcode, uint32_t id, const uint8_t *payload, size_t length)
{
	const struct message_kind *kind = message_kind(opcode);
	struct wire_reader r = { payload, payload + length, NULL };
	struct request *request;
	struct fault f;

	if (kind && kind->from_host && handle_stream(agent, id, kind, &r))
		return;
	request = calloc(1, sizeof(*request));
	if (!request)
		die("no memory for a request");
	request->id = id;
	request->opcode = opcode;
	request->arena.most = MOST_MEMORY;
	r.arena = &request->arena;
	request->message = arena_alloc(&request->arena, kind ? kind->size : 0);
	if (!kind || !kind->from_host) {
		handle_request(agent, request); /* says that it does not know it */
	} else if (!request->message || !kind->get(&r, request->message) || r.at != r.end) {
		fault_set(&f, ERROR_CODE_INVALID, 0, "%s cannot be decoded", kind->name);
		channel_error(agent, id, &f);
	} else {
		handle_request(agent, request);
	}
	if (!request->kept)
		request_free(request);
}

/* --- hello */

static struct wire_process_status process_status(const struct process *p)
{
	const struct output *out = &p->output[0], *err = &p->output[1];

	return (struct wire_process_status){
		.container = p->container ? p->container->handle : 0,
		.process = p->handle,
		.pid = (uint32_t)p->pid,
		.state = p->life == LIFE_EXITED ? PROCESS_STATE_EXITED : PROCESS_STATE_RUNNING,
		.exit_code = p->exit_code,
		.signal = p->exit_signal,
		.oom_killed = p->oom_killed,
		.exited_at_ns = p->exited_at_ns,
		.stdin_received = p->input.ring.end,
		.stdout_acked = out->ring.start,
		.stderr_acked = err->ring.start,
		.stdout_end = out->ring.end,
		.stderr_end = err->ring.end,
		.stdout_closed = !out->exists || out->ended,
		.stderr_closed = !err->exists || err->ended,
	};
}

void send_hello(struct agent *agent)
{
	struct msg_hello hello = { .agent_version = AGENT_VERSION, .personalised = agent->personalised };
	unsigned containers = 0, processes = 0;
	struct utsname name;

	for (struct container *c = agent->containers; c; c = c->next)
		containers++;
	for (struct process *p = agent->processes; p; p = p->next)
		processes++;
	hello.containers.items = calloc(containers + 1, sizeof(*hello.containers.items));
	hello.processes.items = calloc(processes + 1, sizeof(*hello.processes.items));
	if (!hello.containers.items || !hello.processes.items)
		die("no memory for hello");
	for (struct container *c = agent->containers; c; c = c->next)
		if (c->stage != STAGE_WAITING && c->stage != STAGE_STARTING)
			hello.containers.items[hello.containers.count++] =
				(struct wire_container_status){ c->handle, c->id, c->frozen };
	for (struct process *p = agent->processes; p; p = p->next)
		if (p->life == LIFE_RUNNING || p->life == LIFE_EXITED)
			hello.processes.items[hello.processes.count++] = process_status(p);
	uname(&name);
	hello.kernel_release = name.release;
	statistics_memory(&hello.memory_total, &hello.memory_available);
	hello.vcpus = (uint32_t)get_nprocs();
	channel_send(agent, OP_HELLO, 0, &hello);
	free(hello.containers.items);
	free(hello.processes.items);
	for (struct process *p = agent->processes; p; p = p->next)
		if (p->life == LIFE_RUNNING && p->input.source.fd >= 0 && !p->input.finished)
			stdin_tell_window(agent, p);
}
