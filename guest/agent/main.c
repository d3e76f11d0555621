/* DVM's guest agent: PID 1 of a microVM. */
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "boot.h"
#include "cgroup.h"
#include "container.h"
#include "devices.h"
#include "process.h"
#include "report.h"
#include "roles.h"

static void child_ready(struct agent *agent, struct source *source, uint32_t events)
{
	struct signalfd_siginfo info[8];

	(void)events;
	while (read(source->fd, info, sizeof(info)) > 0)
		continue;
	processes_reap(agent);
}

static void watch_children(struct agent *agent)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd");
	agent->signals.ready = child_ready;
	source_watch(agent, &agent->signals, fd, EPOLLIN);
}

int agent_deadline_ms(struct agent *agent)
{
	uint64_t deadline = containers_deadline(agent), now_ns;
	struct timespec now;

	if (agent->flow.gathering) /* something has been read and not sent */
		return 0;
	if (deadline == 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return deadline <= now_ns ? 0 : (int)((deadline - now_ns) / 1000000 + 1);
}

void agent_after_events(struct agent *agent)
{
	if (containers_deadline(agent))
		containers_try(agent);
	if (streams_gather(agent))
		return;
	channel_flush(agent);
	channel_catch_up(agent);
}

int main(int argc, char *argv[], char *environment[])
{
	static struct agent agent = { .channel = { .port.fd = -1 } };

	if (argc > 1 && strcmp(argv[0], "dvm-init") == 0)
		role_init(argv + 1, environment);
	if (strcmp(argv[0], "dvm-pod") == 0)
		role_pod();
	boot_root(&agent);
	boot_mounts();
	boot_descriptors(&agent);
	boot_modules();
	boot_limits();
	boot_quiet();
	boot_network();
	cgroup_begin(&agent);
	devices_begin(&agent);
	watch_children(&agent);
	disks_begin(&agent);
	channel_find(&agent);
	loop_run(&agent);
}
