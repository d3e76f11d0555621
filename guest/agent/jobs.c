#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.h"
#include "syscalls.h"

enum { MOST_OUTPUT = LIMIT_MAX_PAYLOAD };

static void finish(struct agent *agent, struct job *job)
{
	if (!job->exited || job->output.fd >= 0)
		return;
	for (struct job **at = &agent->jobs; *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			break;
		}
	job->done(agent, job);
	free(job->collected.data);
	free_later(agent, job);
}

static void output_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct job *job = container_of(source, struct job, output);

	(void)events;
	for (;;) {
		uint8_t bytes[16 << 10];
		ssize_t n = read(source->fd, bytes, sizeof(bytes));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		wire_put_rest(&job->collected, (struct bytes){ bytes, (uint32_t)n });
	}
	source_close(agent, source);
	finish(agent, job);
}

static _Noreturn void run(job_work *work, void *context, int output, int fd)
{
	/* What the child kept open (another container's mounts) would live as long as its work takes. */
	if (dup2(output, FD_ERROR) < 0 || dup2(fd, FD_CONTAINER) < 0 || close_range(FD_CONTAINER + 1, ~0u, 0) < 0)
		_exit(1);
	_exit(work(context) ? 0 : 1);
}

bool job_start(struct agent *agent, job_work *work, void (*done)(struct agent *, struct job *), void *context, int fd)
{
	struct job *job = calloc(1, sizeof(*job));
	int ends[2];

	if (!job || pipe2(ends, O_CLOEXEC) < 0) {
		free(job);
		return false;
	}
	job->pid = fork();
	if (job->pid == 0)
		run(work, context, ends[1], fd);
	close(ends[1]);
	if (job->pid < 0) {
		close(ends[0]);
		free(job);
		return false;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	job->done = done;
	job->context = context;
	job->collected.most = MOST_OUTPUT;
	job->output.ready = output_ready;
	job->next = agent->jobs;
	agent->jobs = job;
	source_watch(agent, &job->output, ends[0], EPOLLIN);
	return true;
}

bool job_reaped(struct agent *agent, pid_t pid, bool ok)
{
	for (struct job *job = agent->jobs; job; job = job->next)
		if (job->pid == pid) {
			job->exited = true;
			job->ok = ok;
			finish(agent, job);
			return true;
		}
	return false;
}
