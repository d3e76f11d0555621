/* Processes the host has started, with their streams. */
#pragma once
#include <sys/types.h>

#include "loop.h"
#include "protocol.gen.h"
#include "report.h"
#include "ring.h"

struct agent;
struct container;
struct request;

/* stdout (or a terminal's output) and stderr. */
struct output {
	struct source source;
	struct process *process;
	enum stream stream;
	struct ring ring; /* what is not acknowledged yet */
	uint64_t sent, limit;
	bool exists; /* a terminal has no stderr, a discarded output nothing: silent for ever */
	bool readable, ended, close_told, enlarged;
	bool paused; /* after a sync, until the host says where to go on */
};

struct input {
	struct source source; /* a terminal's input is a duplicate of its descriptor */
	struct ring ring;     /* received and not yet written */
	uint64_t told_limit;
	bool exists;
	bool writable;
	bool finished; /* the host has sent the last byte */
	bool close_told;
};

enum life { LIFE_STARTING, LIFE_FAILED, LIFE_RUNNING, LIFE_EXITED };

struct process {
	struct process *next;
	uint32_t handle;
	struct container *container; /* NULL once that was deleted */
	pid_t pid;
	bool main, tty;
	enum life life;
	struct request *start; /* to be answered when it runs, or cannot */
	struct source status;  /* the child says here what went wrong before exec; closes at exec */
	struct fault fault;
	struct output output[2];
	struct input input;
	uint8_t exit_code, exit_signal;
	bool oom_killed;
	uint64_t exited_at_ns, oom_kills_before;
};

struct process *process_find(struct agent *agent, uint32_t handle);
/* In the table from now on, but not started; NULL without memory. */
struct process *process_new(struct agent *agent, struct container *container, uint32_t handle);
/* Forgets it, with what is still in its buffers. */
void process_free(struct agent *agent, struct process *p);
/* Makes the streams and the child; `p->start` is answered when it has called exec, or why it could not. */
bool process_start(struct agent *agent, struct process *p, const struct wire_process *spec, struct fault *f);
/* Collects what has exited. */
void processes_reap(struct agent *agent);
void process_resize(struct process *p, uint16_t rows, uint16_t cols);

/* --- stdio.c */

/* Ends of pipes, or a terminal, that the child gets as its 0, 1, 2. */
struct stdio {
	int fd[3];
};
bool streams_open(struct agent *agent, struct process *p, const struct wire_process *spec, struct stdio *stdio,
		  struct fault *f);
void streams_free(struct agent *agent, struct process *p);

/* --- streams.c */

void output_ready(struct agent *agent, struct source *source, uint32_t events);
void input_ready(struct agent *agent, struct source *source, uint32_t events);

/*
 * Whether to wait with sending until writers have written more: true once, after little was read of what has been coming
 * without a pause. It lets them run first.
 */
bool streams_gather(struct agent *agent);

/* A piece of a stream that may be sent now. */
struct chunk {
	uint32_t process;
	enum stream stream;
	uint64_t offset;
	struct iovec pieces[2];
	int count;
	struct output *output;
};
/* The next piece of at most `most` bytes, the streams taking turns; false when none has anything to send. */
bool next_chunk(struct agent *agent, size_t most, struct chunk *chunk);
void chunk_sent(struct agent *agent, const struct chunk *chunk);
/* After a sync: no stream sends before the host has said where to go on. */
void streams_pause(struct agent *agent);
void stream_window(struct agent *agent, struct process *p, const struct msg_window *window);
void stream_resume(struct agent *agent, struct process *p, const struct msg_stream_resume *resume);
void stdin_received(struct agent *agent, struct process *p, const struct msg_stdin *data);
void stdin_finished(struct agent *agent, struct process *p, const struct msg_stdin_close *message);
void stdin_tell_window(struct agent *agent, struct process *p);
/* The process has gone: nobody will read its stdin any more. */
void stdin_gone(struct agent *agent, struct process *p);
