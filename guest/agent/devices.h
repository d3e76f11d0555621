/* Which devices a container of standard privilege may use: Docker's default list, as a BPF program on its cgroup. */
#pragma once
#include <stdbool.h>

struct agent;

/* Loads the program, once; without BPF in the kernel standard containers are refused. */
void devices_begin(struct agent *agent);
/* From now on the group's processes are held to the list. False with errno. */
bool devices_restrict(int filter, int group);
