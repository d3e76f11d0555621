#include "pod.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "agent.h"
#include "syscalls.h"

pid_t pod_init(struct agent *agent)
{
	struct clone_args arguments = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	char *const role[] = { "dvm-pod", NULL }, *const nothing[] = { NULL };

	if (agent->pod_init > 0)
		return agent->pod_init;
	agent->pod_init = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (agent->pod_init == 0) {
		/* The agent's descriptors close at exec. */
		syscall(SYS_execveat, agent->self_exe, "", role, nothing, AT_EMPTY_PATH);
		_exit(255);
	}
	return agent->pod_init;
}
