/* Control groups (version 2): one for each container, in one for all of them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "protocol.gen.h"
#include "report.h"

struct agent;

/* Makes the group of all containers, with every controller, and less than the machine's memory. */
void cgroup_begin(struct agent *agent);
/* A descriptor of a new group's directory; -1 with a fault. */
int cgroup_make(struct agent *agent, const char *name, const struct wire_resources *resources, struct fault *f);
bool cgroup_limit(int group, const struct wire_resources *resources, struct fault *f);
/* The group must be empty; what cannot be removed is noted. */
void cgroup_remove(struct agent *agent, int group, const char *name);
bool cgroup_kill(int group);
bool cgroup_freeze(int group, bool frozen);
/* A number from a file of `key value` lines; 0 when it is not there. */
uint64_t cgroup_value(int group, const char *file, const char *key);
/* A file with one number, `max` being the largest. */
uint64_t cgroup_number(int group, const char *file);
