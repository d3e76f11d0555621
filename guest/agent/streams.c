/* stdin, stdout and stderr of a process, or its terminal: between the kernel's buffers and the channel's window. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"
#include "process.h"

enum {
	FLOOD = 64 << 10,   /* bytes without a pause of PAUSE_NS */
	PAUSE_NS = 5000000,
	ENOUGH = 32 << 10,  /* bytes that are worth a write of their own */
};

/* --- output */

/* Tells the end of a stream when its last byte has been sent. */
static void output_tell_end(struct agent *agent, struct output *o)
{
	struct msg_closed closed = { o->stream, o->ring.end };

	if (!o->exists || !o->ended || o->close_told || o->paused || o->sent < o->ring.end)
		return;
	o->close_told = true;
	channel_send(agent, OP_CLOSED, o->process->handle, &closed);
}

/* A stream of some length gets a pipe that holds more: fewer switches between writer and agent. */
static void enlarge(struct output *o)
{
	if (o->enlarged || o->ring.end < FLOOD || o->process->tty)
		return;
	o->enlarged = true;
	fcntl(o->source.fd, F_SETPIPE_SZ, LIMIT_STREAM_WINDOW);
}

/*
 * The kernel wakes the agent for a writer's first bytes, and the agent would send them, a few at a time, for ever. So in
 * a flood it steps aside once before it sends: the writer fills its pipe meanwhile. Not for a few bytes that come
 * now and then: they are somebody's prompt.
 */
bool streams_gather(struct agent *agent)
{
	struct flow *flow = &agent->flow;
	struct timespec now;
	uint64_t now_ns;

	if (flow->read == 0 || flow->gathering) {
		flow->gathering = false;
		flow->read = 0;
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	flow->streak = now_ns - flow->last_ns < PAUSE_NS ? flow->streak + flow->read : flow->read;
	flow->last_ns = now_ns;
	flow->gathering = flow->streak > FLOOD && flow->read < ENOUGH;
	flow->read = 0;
	if (flow->gathering)
		sched_yield();
	return flow->gathering;
}

/* Takes what the process has written, as far as there is room. What does not fit stays in the pipe and blocks it. */
static void output_fill(struct agent *agent, struct output *o)
{
	while (o->readable) {
		struct iovec space[2];
		int count = ring_space(&o->ring, space);
		ssize_t n;

		if (count == 0)
			return;
		n = readv(o->source.fd, space, count);
		if (n > 0) {
			o->ring.end += (uint64_t)n;
			agent->flow.read += (size_t)n;
			if (!o->exists) { /* a terminal nobody reads: drained, so that its writers go on */
				o->sent = o->ring.end;
				ring_forget(&o->ring, o->ring.end);
			}
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		o->readable = false;
		if (n < 0 && errno == EAGAIN) {
			enlarge(o);
			return;
		}
		/* 0: every writer has closed its end; EIO: every opener of the terminal has. */
		o->ended = true;
		source_close(agent, &o->source);
		output_tell_end(agent, o);
	}
}

void output_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct output *o = container_of(source, struct output, source);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		o->readable = true;
		output_fill(agent, o);
	}
}

static bool output_has_chunk(const struct output *o)
{
	return o->exists && !o->paused && o->sent < o->ring.end && o->sent < o->limit;
}

bool next_chunk(struct agent *agent, size_t most, struct chunk *chunk)
{
	struct process *first = agent->next_served ? agent->next_served : agent->processes, *p = first;

	if (!p)
		return false;
	do {
		for (int i = 0; i < 2; i++) {
			struct output *o = &p->output[i];
			uint64_t allowed = o->limit - o->sent;

			if (!output_has_chunk(o))
				continue;
			if (allowed < most)
				most = (size_t)allowed;
			chunk->process = p->handle;
			chunk->stream = o->stream;
			chunk->offset = o->sent;
			chunk->output = o;
			chunk->count = ring_bytes(&o->ring, o->sent, most, chunk->pieces);
			/* stderr comes after stdout, and then the next process. */
			agent->next_served = i == 0 && output_has_chunk(&p->output[1]) ? p : p->next;
			return true;
		}
		p = p->next ? p->next : agent->processes;
	} while (p != first);
	return false;
}

void chunk_sent(struct agent *agent, const struct chunk *chunk)
{
	for (int i = 0; i < chunk->count; i++)
		chunk->output->sent += chunk->pieces[i].iov_len;
	output_tell_end(agent, chunk->output);
}

void streams_pause(struct agent *agent)
{
	for (struct process *p = agent->processes; p; p = p->next)
		for (int i = 0; i < 2; i++) {
			p->output[i].paused = p->output[i].exists;
			p->output[i].close_told = false;
		}
}

static struct output *output_of(struct process *p, enum stream stream)
{
	return stream == STREAM_STDIN ? NULL : &p->output[stream == STREAM_STDERR];
}

void stream_window(struct agent *agent, struct process *p, const struct msg_window *window)
{
	struct output *o = output_of(p, window->stream);

	if (!o || !o->exists)
		return;
	if (window->limit > o->limit)
		o->limit = window->limit;
	/* Never past what was sent: that would be a mistake of the host's, and lose bytes. */
	ring_forget(&o->ring, window->acked < o->sent ? window->acked : o->sent);
	output_fill(agent, o);
}

void stream_resume(struct agent *agent, struct process *p, const struct msg_stream_resume *resume)
{
	struct output *o = output_of(p, resume->stream);

	if (!o || !o->exists)
		return;
	o->sent = resume->offset;
	if (o->sent < o->ring.start)
		o->sent = o->ring.start;
	if (o->sent > o->ring.end)
		o->sent = o->ring.end;
	ring_forget(&o->ring, o->sent);
	o->limit = resume->limit;
	o->paused = false;
	output_fill(agent, o);
	output_tell_end(agent, o);
}

/* --- stdin */

void stdin_tell_window(struct agent *agent, struct process *p)
{
	struct input *in = &p->input;
	struct msg_stdin_window window = { in->ring.end, in->ring.start + LIMIT_STREAM_WINDOW, in->source.fd < 0 };

	if (!in->exists)
		return;
	in->told_limit = window.limit;
	in->close_told = window.closed;
	channel_send(agent, OP_STDIN_WINDOW, p->handle, &window);
}

static void stdin_close(struct agent *agent, struct process *p)
{
	source_close(agent, &p->input.source);
	p->input.ring.start = p->input.ring.end;
	ring_free(&p->input.ring);
}

/* Writes what is there, closes when that was all, and tells the host of the room. */
static void stdin_flush(struct agent *agent, struct process *p)
{
	struct input *in = &p->input;
	struct iovec pieces[2];
	int count;

	while (in->source.fd >= 0 && in->writable && (count = ring_bytes(&in->ring, in->ring.start, SIZE_MAX, pieces)) > 0) {
		ssize_t n = writev(in->source.fd, pieces, count);

		if (n >= 0) {
			ring_forget(&in->ring, in->ring.start + (uint64_t)n);
		} else if (errno == EAGAIN) {
			in->writable = false;
		} else if (errno != EINTR) {
			stdin_close(agent, p); /* EPIPE: nobody reads it any more; EIO: the terminal has gone */
			stdin_tell_window(agent, p);
		}
	}
	if (in->source.fd < 0)
		return;
	/* A terminal has no end of input that could be passed on: its descriptor stays open, as in Docker. */
	if (in->finished && in->ring.start == in->ring.end && !p->tty)
		stdin_close(agent, p);
	else if (in->ring.start + LIMIT_STREAM_WINDOW - in->told_limit >= LIMIT_STREAM_WINDOW / 4)
		stdin_tell_window(agent, p);
}

void input_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct process *p = container_of(container_of(source, struct input, source), struct process, input);

	if (events & (EPOLLERR | EPOLLHUP) && !p->tty) { /* the other end of the pipe was closed */
		stdin_close(agent, p);
		if (!p->input.finished)
			stdin_tell_window(agent, p);
		return;
	}
	p->input.writable = true;
	stdin_flush(agent, p);
}

void stdin_received(struct agent *agent, struct process *p, const struct msg_stdin *data)
{
	struct input *in = &p->input;
	uint64_t known = in->ring.end - data->offset; /* sent again after a reconnect */

	if (!in->exists || in->finished)
		return;
	if (data->offset > in->ring.end || in->source.fd < 0) {
		stdin_tell_window(agent, p); /* something is missing, or nobody reads: the host learns how things are */
		return;
	}
	if (known >= data->bytes.length)
		return;
	if (!ring_append(&in->ring, data->bytes.data + known, (size_t)(data->bytes.length - known))) {
		note("stdin of process %u does not fit into its window", p->handle);
		stdin_tell_window(agent, p);
		return;
	}
	stdin_flush(agent, p);
}

void stdin_finished(struct agent *agent, struct process *p, const struct msg_stdin_close *message)
{
	if (!p->input.exists || message->offset > p->input.ring.end)
		return;
	p->input.finished = true;
	stdin_flush(agent, p);
}

void stdin_gone(struct agent *agent, struct process *p)
{
	if (p->input.source.fd < 0)
		return;
	stdin_close(agent, p);
	if (!p->input.finished)
		stdin_tell_window(agent, p);
}
