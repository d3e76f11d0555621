#include "removal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "container.h"
#include "handlers.h"
#include "jobs.h"
#include "process.h"

bool signal_all(struct container *c, uint8_t number, struct fault *f)
{
	char pids[16 << 10];
	ssize_t n;

	if (number == SIGKILL)
		return cgroup_kill(c->cgroup) || fault_set(f, ERROR_CODE_INTERNAL, errno, "kill container %s", c->id);
	n = read_file_at(c->cgroup, "cgroup.procs", pids, sizeof(pids));
	if (n < 0)
		return fault_set(f, ERROR_CODE_INTERNAL, errno, "list the processes of container %s", c->id);
	for (char *at = pids, *end; *at; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		if (pid > 1)
			kill((pid_t)pid, number);
	}
	return true;
}

/* --- freezing */

static bool answer_freeze(struct agent *agent, struct container *c)
{
	struct msg_freeze_reply done = { 0 };
	const struct msg_freeze *message = c->freeze->message;

	if ((cgroup_value(c->cgroup, "cgroup.events", "frozen") == 1) != message->frozen)
		return false;
	c->frozen = message->frozen;
	reply(agent, c->freeze, &done);
	request_free(c->freeze);
	c->freeze = NULL;
	return true;
}

static void events_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct container *c = container_of(source, struct container, events);

	(void)events;
	if (c->freeze)
		answer_freeze(agent, c);
	container_check_empty(agent, c);
}

/* Edges of cgroup.events: frozen, populated. Only watched once somebody needs them. */
static void watch_events(struct agent *agent, struct container *c)
{
	char text[64];
	int fd;

	if (c->events.fd >= 0)
		return;
	fd = openat(c->cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text)) < 0) /* an edge is told to those who have read what was before */
		note("read cgroup.events: %s", strerror(errno));
	c->events.ready = events_ready;
	source_watch(agent, &c->events, fd, EPOLLPRI);
}

void container_freeze(struct agent *agent, struct request *request)
{
	const struct msg_freeze *message = request->message;
	struct container *c = container_find(agent, message->container);
	struct fault f;

	if (!c || c->cgroup < 0) {
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no container %u", message->container);
	} else if (c->stage != STAGE_RUNNING) {
		fault_set(&f, ERROR_CODE_NOT_RUNNING, 0, "container %s is not running", c->id);
	} else if (c->freeze) {
		fault_set(&f, ERROR_CODE_EXISTS, 0, "container %s is being frozen or thawed already", c->id);
	} else {
		watch_events(agent, c);
		if (cgroup_freeze(c->cgroup, message->frozen)) {
			request->kept = true;
			c->freeze = request;
			answer_freeze(agent, c);
			return;
		}
		fault_set(&f, ERROR_CODE_INTERNAL, errno, "freeze container %s", c->id);
	}
	channel_error(agent, request->id, &f);
}

/* --- deletion */

/* In a child: writes the container's file systems out, and is the last to leave its mount namespace. */
static bool unmount(void *context)
{
	int root;
	bool ok;

	(void)context;
	if (setns(FD_CONTAINER, CLONE_NEWNS) < 0 || (root = open("/", O_RDONLY | O_DIRECTORY)) < 0) {
		dprintf(FD_ERROR, "%s", strerror(errno));
		return false;
	}
	ok = syncfs(root) == 0;
	if (!ok)
		dprintf(FD_ERROR, "%s", strerror(errno));
	close(root);
	return ok;
}

static void unmounted(struct agent *agent, struct job *job)
{
	struct container *c = job->context;
	struct fault f;

	if (!job->ok) {
		fault_set(&f, ERROR_CODE_INTERNAL, EIO, "write out the file system of container %s (%.*s)", c->id,
			  (int)job->collected.length, job->collected.data ? (char *)job->collected.data : "");
		channel_error(agent, c->removal->id, &f);
		request_free(c->removal);
		c->removal = NULL;
	}
	container_free(agent, c);
}

static bool has_processes(struct agent *agent, const struct container *c)
{
	for (struct process *p = agent->processes; p; p = p->next)
		if (p->container == c && p->life != LIFE_EXITED)
			return true;
	return cgroup_value(c->cgroup, "cgroup.events", "populated") != 0;
}

void container_check_empty(struct agent *agent, struct container *c)
{
	if (!c->removal || c->stage == STAGE_UNMOUNTING || has_processes(agent, c))
		return;
	c->stage = STAGE_UNMOUNTING;
	if (c->mount_ns < 0) {
		container_free(agent, c);
		return;
	}
	if (!job_start(agent, unmount, unmounted, c, c->mount_ns)) {
		note("no child to unmount container %s: %s", c->id, strerror(errno));
		container_free(agent, c); /* unmounts as well, and makes the agent wait for it */
		return;
	}
	close(c->mount_ns);
	c->mount_ns = -1;
}

void container_delete(struct agent *agent, struct request *request)
{
	const struct msg_delete_container *message = request->message;
	struct msg_delete_container_reply done = { 0 };
	struct container *c = container_find(agent, message->container);
	struct fault f;

	if (!c) {
		reply(agent, request, &done);
		return;
	}
	if (c->removal) {
		fault_set(&f, ERROR_CODE_EXISTS, 0, "container %s is being deleted already", c->id);
		channel_error(agent, request->id, &f);
		return;
	}
	request->kept = true;
	c->removal = request;
	if (c->stage == STAGE_WAITING) {
		fault_set(&f, ERROR_CODE_NOT_RUNNING, 0, "container %s was deleted before it started", c->id);
		container_give_up(agent, c, &f);
		return;
	}
	watch_events(agent, c);
	cgroup_kill(c->cgroup);
	container_check_empty(agent, c);
}
