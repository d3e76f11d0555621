/* What a pod's containers share. */
#pragma once
#include <sys/types.h>

struct agent;

/* PID 1 of the PID namespace that containers with `sharePid` live in, started when it is first needed; -1 = it cannot be. */
pid_t pod_init(struct agent *agent);
