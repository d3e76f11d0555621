#include "roles.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"

static void block_all(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, before);
}

/* Collects whoever has exited; the wait status of `child` in `*status` when it was among them. */
static bool reap(pid_t child, int *status)
{
	bool found = false;
	int each;
	pid_t pid;

	while ((pid = waitpid(-1, &each, WNOHANG)) > 0)
		if (pid == child) {
			*status = each;
			found = true;
		}
	return found;
}

void role_init(char *const arguments[], char *const environment[])
{
	sigset_t before, all;
	pid_t child;

	block_all(&before);
	sigfillset(&all);
	child = fork();
	if (child < 0)
		child_fail(ERROR_CODE_INTERNAL, "fork");
	if (child == 0) {
		fcntl(FD_ERROR, F_SETFD, FD_CLOEXEC);
		setpgid(0, 0);
		/* All signals are blocked, SIGTTOU as well: the new group may take the terminal. */
		if (isatty(0))
			tcsetpgrp(0, getpid());
		sigprocmask(SIG_SETMASK, &before, NULL);
		execute_command(arguments, environment, true);
	}
	close(FD_ERROR);
	for (;;) {
		int status, number = sigwaitinfo(&all, NULL);

		if (number < 0)
			continue;
		if (number != SIGCHLD)
			kill(child, number);
		else if (reap(child, &status))
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

void role_pod(void)
{
	sigset_t children;
	int status;

	block_all(&children);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	for (;;) {
		sigwaitinfo(&children, NULL);
		reap(-1, &status);
	}
}
