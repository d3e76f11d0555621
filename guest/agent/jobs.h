/* Work that may block (unmounting, looking into processes) is done by a child; the event loop goes on. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "loop.h"
#include "protocol.gen.h"

struct agent;

struct job {
	struct job *next;
	pid_t pid;
	bool exited, ok;
	struct source output;
	struct wire_writer collected;
	/* Called once, when the child has exited and all its output is here; the job is freed afterwards. */
	void (*done)(struct agent *agent, struct job *job);
	void *context;
};

/*
 * What runs in the child: finds the descriptor it was given at FD_CONTAINER, writes its result to FD_ERROR, and has no
 * other descriptor of the agent's. True is a success.
 */
typedef bool job_work(void *context);

bool job_start(struct agent *agent, job_work *work, void (*done)(struct agent *, struct job *), void *context, int fd);
/* A child was collected: true when it was a job's. */
bool job_reaped(struct agent *agent, pid_t pid, bool ok);
