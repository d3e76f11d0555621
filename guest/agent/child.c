#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"
#include "devices.h"
#include "syscalls.h"

void child_fail(enum error_code code, const char *format, ...)
{
	struct fault fault;
	int number = errno;
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (number == ENOSPC || number == EDQUOT)
		code = ERROR_CODE_NO_SPACE;
	else if (number == ENOMEM)
		code = ERROR_CODE_NO_MEMORY;
	fault_set(&fault, code, number, "%s", text);
	/* If even this cannot be told, the agent sees a process that ends with 255. */
	_exit(write(FD_ERROR, &fault, sizeof(fault)) == sizeof(fault) ? 254 : 255);
}

/*
 * Only what is needed stays open. The container's processes could look at an exec'd child before it calls exec; that it
 * has no descriptor of the agent's is the second lock, that the agent is not dumpable the first.
 */
static void arrange_descriptors(const struct birth *birth)
{
	int pass_on = birth->first ? birth->container->devpts : birth->pidfd;

	dup2(birth->stdio.fd[1] >= 0 ? birth->stdio.fd[1] : 0, 1);
	dup2(birth->stdio.fd[2] >= 0 ? birth->stdio.fd[2] : 0, 2);
	if (birth->stdio.fd[0] >= 0)
		dup2(birth->stdio.fd[0], 0);
	if (dup3(birth->status, FD_ERROR, O_CLOEXEC) < 0)
		_exit(255);
	if (dup3(pass_on, birth->first ? FD_DEVPTS : FD_CONTAINER, O_CLOEXEC) < 0 ||
	    dup3(birth->agent->self_exe, FD_AGENT, O_CLOEXEC) < 0 ||
	    (birth->first && dup3(birth->container->cgroup, FD_CGROUP, O_CLOEXEC) < 0) ||
	    (birth->first && birth->agent->device_filter >= 0 && dup3(birth->agent->device_filter, FD_FILTER, O_CLOEXEC) < 0) ||
	    close_range(birth->first ? FD_FILTER + 1 : FD_AGENT + 1, ~0u, 0) < 0)
		child_fail(ERROR_CODE_INTERNAL, "arrange descriptors");
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Inherited from the agent, which must never be chosen when memory runs out. Its /proc is still in sight. */
static void set_oom_score(const struct wire_process *spec)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", spec->oom_score_adj);
	if (!write_file("/proc/self/oom_score_adj", text))
		child_fail(ERROR_CODE_INVALID, "set oom_score_adj to %d", spec->oom_score_adj);
}

static void set_sysctls(const struct wire_container *container)
{
	for (uint32_t i = 0; i < container->sysctls.count; i++) {
		const struct wire_sysctl *sysctl = &container->sysctls.items[i];
		char path[256] = "/proc/sys/";
		size_t length = strlen(path);

		if (strlen(sysctl->key) >= sizeof(path) - length || strstr(sysctl->key, "..")) {
			errno = EINVAL;
			child_fail(ERROR_CODE_INVALID, "sysctl %.80s", sysctl->key);
		}
		strcpy(path + length, sysctl->key);
		/* As sysctl(8) has it: dots and slashes change places. */
		for (char *at = path + length; *at; at++)
			*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
		if (!write_file(path, sysctl->value))
			child_fail(ERROR_CODE_INVALID, "set sysctl %s to \"%.80s\"", sysctl->key, sysctl->value);
	}
}

static void make_container(const struct birth *birth)
{
	const struct wire_container *container = birth->first;
	struct sources sources;

	if (unshare(CLONE_NEWCGROUP) < 0)
		child_fail(ERROR_CODE_INTERNAL, "make a cgroup namespace");
	if (*container->hostname && sethostname(container->hostname, strlen(container->hostname)) < 0)
		child_fail(ERROR_CODE_INVALID, "set the host name to \"%.80s\"", container->hostname);
	sources = prepare_sources(birth);
	enter_root(birth);
	/* Not before the disks are mounted, which it forbids to open. */
	if (container->privilege == PRIVILEGE_STANDARD && !devices_restrict(FD_FILTER, FD_CGROUP))
		child_fail(ERROR_CODE_INTERNAL, "restrict the container's devices");
	close_range(FD_CGROUP, FD_FILTER, 0);
	make_mounts(birth, &sources);
	set_sysctls(container);
	place_files(birth, &sources);
	protect_kernel_files(container);
}

static void join_container(void)
{
	if (setns(FD_CONTAINER, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
		child_fail(ERROR_CODE_NOT_RUNNING, "enter the container's namespaces");
	close(FD_CONTAINER);
}

static void take_terminal(const struct wire_process *spec)
{
	setsid();
	if (spec->tty && ioctl(0, TIOCSCTTY, 0) < 0)
		child_fail(ERROR_CODE_INTERNAL, "take the terminal");
}

/* /dev/stdout and its kind can then be opened by the user the process runs as. */
static void own_stdio(const struct identity *who)
{
	for (int fd = 0; fd < 3 && who->uid != 0; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && st.st_uid != who->uid && st.st_rdev != makedev(1, 3) &&
		    fchown(fd, who->uid, (gid_t)-1) < 0)
			child_fail(ERROR_CODE_INTERNAL, "give descriptor %d to user %u", fd, who->uid);
	}
}

static void enter_directory(const struct wire_process *spec, bool first)
{
	const char *directory = *spec->cwd ? spec->cwd : "/";

	if (first && strcmp(directory, "/") != 0 && make_directories(directory, 0755) < 0 && errno != EROFS && errno != EEXIST)
		child_fail(ERROR_CODE_WORKDIR_NOT_USABLE, "make working directory \"%.200s\"", directory);
	if (chdir(directory) < 0)
		child_fail(ERROR_CODE_WORKDIR_NOT_USABLE, "enter working directory \"%.200s\"", directory);
}

void child_main(const struct birth *birth)
{
	const struct wire_process *spec = birth->spec;
	struct identity who;

	arrange_descriptors(birth);
	reset_signals();
	set_oom_score(spec);
	if (birth->first)
		make_container(birth);
	else
		join_container();
	find_identity(spec, &who);
	enter_directory(spec, birth->first);
	take_terminal(spec);
	own_stdio(&who);
	set_rlimits(spec);
	drop_privileges(spec, &who);
	umask(022);
	execute(spec, &who, birth->first, birth->first && birth->first->init);
}
