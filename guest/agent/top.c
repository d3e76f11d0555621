/* The processes of a container. A child looks at them: reading of another's memory can take as long as that one likes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "child.h"
#include "container.h"
#include "handlers.h"
#include "jobs.h"
#include "statistics.h"

enum { MOST_PROCESSES = 2048, MOST_COMMAND = 400 };

struct strings {
	char user[64], state[2], tty[16], command[MOST_COMMAND];
};

static uint64_t boot_time_ns(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (uint64_t)(now.tv_sec - up.tv_sec) * 1000000000u + (uint64_t)now.tv_nsec - (uint64_t)up.tv_nsec;
}

/* The arguments, or in brackets the name of one that has none; control characters become '?'. */
static void read_command(long pid, const char *name, char *text)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	n = read_file(path, text, MOST_COMMAND);
	if (n <= 0) {
		snprintf(text, MOST_COMMAND, "[%.32s]", name);
		return;
	}
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
		else if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
}

static bool look(long pid, int root, struct wire_top_process *p, struct strings *s)
{
	char path[40], text[1024], *name, *end;
	unsigned long long user_ticks, system_ticks, started;
	long ticks = sysconf(_SC_CLK_TCK), resident;
	int ppid, tty;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (read_file(path, text, sizeof(text)) <= 0 || stat(path, &st) < 0)
		return false;
	/* The name may contain anything, also parentheses. */
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end ||
	    sscanf(end + 1, " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu %*u %ld", s->state,
		   &ppid, &tty, &user_ticks, &system_ticks, &started, &resident) != 7)
		return false;
	*end = 0;
	if (!user_name(root, st.st_uid, s->user, sizeof(s->user)))
		snprintf(s->user, sizeof(s->user), "%u", st.st_uid);
	if (major((dev_t)tty) == 136)
		snprintf(s->tty, sizeof(s->tty), "pts/%u", minor((dev_t)tty));
	read_command(pid, name + 1, s->command);
	*p = (struct wire_top_process){
		.pid = (uint32_t)pid,
		.ppid = (uint32_t)ppid,
		.uid = st.st_uid,
		.user = s->user,
		.state = s->state,
		.started_at_ns = boot_time_ns() + started * (1000000000ull / (unsigned long)ticks),
		.cpu_ns = (user_ticks + system_ticks) * (1000000000ull / (unsigned long)ticks),
		.rss_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE),
		.tty = s->tty,
		.command = s->command,
	};
	return true;
}

struct question {
	struct request *request;
	pid_t first; /* whose root has the users' names */
};

/* In a child: writes the reply's payload. */
static bool list(void *context)
{
	const struct question *question = context;
	struct wire_writer w = { .most = LIMIT_MAX_PAYLOAD };
	struct strings *strings = calloc(MOST_PROCESSES, sizeof(*strings));
	struct msg_top_reply top = { { calloc(MOST_PROCESSES, sizeof(*top.processes.items)), 0 } };
	static char pids[32 << 10];
	char path[40];
	int root;

	if (!strings || !top.processes.items || read_file_at(FD_CONTAINER, "cgroup.procs", pids, sizeof(pids)) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/root", question->first);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (char *at = pids, *end; *at && top.processes.count < MOST_PROCESSES; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		if (pid > 0 && look(pid, root, &top.processes.items[top.processes.count], &strings[top.processes.count]))
			top.processes.count++;
	}
	put_msg_top_reply(&w, &top);
	for (size_t done = 0; !w.failed && done < w.length;) {
		ssize_t n = write(FD_ERROR, w.data + done, w.length - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return !w.failed;
}

static void listed(struct agent *agent, struct job *job)
{
	struct request *request = ((struct question *)job->context)->request;
	struct wire_reader r = { job->collected.data, job->collected.data + job->collected.length, &request->arena };
	struct msg_top_reply top;
	struct fault f;

	if (job->ok && !job->collected.failed && get_msg_top_reply(&r, &top)) {
		reply(agent, request, &top);
	} else {
		fault_set(&f, ERROR_CODE_INTERNAL, 0, "list the processes of the container");
		channel_error(agent, request->id, &f);
	}
	request_free(request);
}

void statistics_top(struct agent *agent, struct request *request)
{
	const struct msg_top *message = request->message;
	struct container *c = container_find(agent, message->container);
	struct question *question = arena_alloc(&request->arena, sizeof(*question));
	struct fault f;

	if (!c || c->cgroup < 0)
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no container %u", message->container);
	else if (c->stage != STAGE_RUNNING)
		fault_set(&f, ERROR_CODE_NOT_RUNNING, 0, "container %s is not running", c->id);
	else if (question && (*question = (struct question){ request, c->pid }, job_start(agent, list, listed, question, c->cgroup))) {
		request->kept = true;
		return;
	} else
		fault_set(&f, ERROR_CODE_NO_MEMORY, 0, "no child to list processes");
	channel_error(agent, request->id, &f);
}
