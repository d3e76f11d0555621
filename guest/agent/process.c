#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "child.h"
#include "container.h"
#include "handlers.h"
#include "jobs.h"
#include "pod.h"
#include "syscalls.h"

struct process *process_find(struct agent *agent, uint32_t handle)
{
	struct process *p = agent->processes;

	while (p && p->handle != handle)
		p = p->next;
	return p;
}

struct process *process_new(struct agent *agent, struct container *container, uint32_t handle)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->handle = handle;
	p->container = container;
	p->status.fd = p->input.source.fd = p->output[0].source.fd = p->output[1].source.fd = -1;
	p->next = agent->processes;
	agent->processes = p;
	return p;
}

void process_free(struct agent *agent, struct process *p)
{
	struct process **at = &agent->processes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (agent->next_served == p)
		agent->next_served = p->next;
	if (p->container && p->container->main == p)
		p->container->main = NULL;
	source_close(agent, &p->status);
	streams_free(agent, p);
	free_later(agent, p);
}

/* --- starting */

static void running(struct agent *agent, struct process *p)
{
	struct msg_exec_reply started = { (uint32_t)p->pid };

	p->life = LIFE_RUNNING;
	if (p->main) {
		container_started(agent, p->container);
		return;
	}
	reply(agent, p->start, &started);
	request_free(p->start);
	p->start = NULL;
}

/* The child's words, or, when it called exec, none. */
static void status_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct process *p = container_of(source, struct process, status);
	ssize_t n = read(source->fd, &p->fault, sizeof(p->fault));

	(void)events;
	if (n < 0)
		return;
	source_close(agent, source);
	if (n == sizeof(p->fault)) { /* written in one piece; the answer goes out when the child has been collected */
		p->fault.message[sizeof(p->fault.message) - 1] = 0;
		p->life = LIFE_FAILED;
		return;
	}
	running(agent, p);
}

static pid_t spawn(struct agent *agent, struct container *c, bool main, int pid_ns)
{
	uint64_t flags = 0;
	pid_t pid;

	if (main) {
		flags = CLONE_NEWNS | (*c->spec->hostname ? CLONE_NEWUTS : 0) | (c->share_pid ? 0 : CLONE_NEWPID);
		if (!c->share_pid)
			return clone_into(c->cgroup, flags);
	}
	/* The agent itself stays where it is; only its next child is born elsewhere. */
	if (setns(pid_ns, CLONE_NEWPID) < 0)
		return -1;
	pid = clone_into(c->cgroup, flags);
	if (pid != 0 && setns(agent->own_pid_ns, CLONE_NEWPID) < 0)
		die("return to the agent's PID namespace");
	return pid;
}

static void close_stdio(const struct stdio *stdio)
{
	for (int i = 0; i < 3; i++)
		if (stdio->fd[i] >= 0 && (i == 0 || stdio->fd[i] != stdio->fd[i - 1]))
			close(stdio->fd[i]);
}

/* The PID namespace to start in, when it is not a new one: a descriptor to be closed; -1 = none needed. */
static bool find_namespace(struct agent *agent, struct process *p, int *pid_ns, struct fault *f)
{
	struct container *c = p->container;
	pid_t member = p->main ? (c->share_pid ? pod_init(agent) : 0) : c->pid;

	*pid_ns = -1;
	if (p->main && !c->share_pid)
		return true;
	if (member > 0)
		*pid_ns = pidfd_open(member);
	if (*pid_ns < 0)
		return fault_set(f, ERROR_CODE_NOT_RUNNING, errno, "enter the PID namespace of container %s", c->id);
	return true;
}

bool process_start(struct agent *agent, struct process *p, const struct wire_process *spec, struct fault *f)
{
	struct container *c = p->container;
	struct stdio stdio = { { -1, -1, -1 } };
	int status[2], pid_ns;
	char path[40];
	bool ok = false;

	if (!find_namespace(agent, p, &pid_ns, f))
		return false;
	if (!streams_open(agent, p, spec, &stdio, f))
		goto out;
	if (pipe2(status, O_CLOEXEC) < 0) {
		fault_set(f, ERROR_CODE_NO_MEMORY, errno, "make a pipe");
		goto out;
	}
	p->oom_kills_before = p->main ? 0 : cgroup_value(c->cgroup, "memory.events", "oom_kill");
	p->pid = spawn(agent, c, p->main, pid_ns);
	if (p->pid == 0) {
		struct birth birth = { agent, c, p->main ? c->spec : NULL, spec, stdio, status[1], pid_ns };

		child_main(&birth);
	}
	close(status[1]);
	if (p->pid < 0) {
		if (errno == ENOMEM && pid_ns >= 0) /* what a PID namespace says whose first process has just gone */
			fault_set(f, ERROR_CODE_NOT_RUNNING, 0, "container %s has just ended", c->id);
		else
			fault_set(f, errno == EAGAIN ? ERROR_CODE_NO_SPACE : ERROR_CODE_INTERNAL, errno, "start a process in container %s", c->id);
		close(status[0]);
		goto out;
	}
	if (p->main) {
		c->pid = p->pid;
		/* Holds the mounts when the process exits: the host hears of the exit before they are written out. */
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", p->pid);
		c->mount_ns = open(path, O_RDONLY | O_CLOEXEC);
	}
	fcntl(status[0], F_SETFL, O_NONBLOCK);
	p->status.ready = status_ready;
	source_watch(agent, &p->status, status[0], EPOLLIN);
	ok = true;
out:
	close_stdio(&stdio);
	if (pid_ns >= 0)
		close(pid_ns);
	return ok;
}

/* --- exiting */

static void failed(struct agent *agent, struct process *p)
{
	struct request *start = p->start;
	struct container *c = p->container;
	struct fault f = p->fault;

	if (p->main) {
		container_failed(agent, c);
		return;
	}
	process_free(agent, p);
	channel_error(agent, start->id, &f);
	request_free(start);
	container_check_empty(agent, c);
}

static void exited(struct agent *agent, struct process *p, const siginfo_t *info)
{
	struct container *c = p->container;
	struct timespec now;
	struct msg_exited message;

	/* What its child had to say may not have been read yet. */
	if (p->life == LIFE_STARTING)
		status_ready(agent, &p->status, 0);
	if (p->life == LIFE_FAILED) {
		failed(agent, p);
		return;
	}
	if (p->life == LIFE_STARTING)
		running(agent, p);
	clock_gettime(CLOCK_REALTIME, &now);
	p->life = LIFE_EXITED;
	p->exited_at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	p->exit_signal = info->si_code == CLD_EXITED ? 0 : (uint8_t)info->si_status;
	p->exit_code = (uint8_t)(p->exit_signal ? 128 + p->exit_signal : info->si_status);
	p->oom_killed = cgroup_value(c->cgroup, "memory.events", "oom_kill") > p->oom_kills_before &&
			(p->main || p->exit_signal == SIGKILL);
	stdin_gone(agent, p);
	message = (struct msg_exited){ c->handle, p->exit_code, p->exit_signal, p->oom_killed, p->exited_at_ns };
	channel_send(agent, OP_EXITED, p->handle, &message);
	if (p->main)
		container_exited(agent, c);
	else
		container_check_empty(agent, c);
}

void processes_reap(struct agent *agent)
{
	for (;;) {
		siginfo_t info = { 0 };
		struct process *p = agent->processes;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		while (p && (p->pid != info.si_pid || p->life == LIFE_EXITED))
			p = p->next;
		if (p)
			exited(agent, p, &info);
		else if (info.si_pid == agent->pod_init)
			agent->pod_init = 0;
		else
			job_reaped(agent, info.si_pid, info.si_code == CLD_EXITED && info.si_status == 0);
	}
}
