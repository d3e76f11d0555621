/* Numbers about the machine, a container and its processes. */
#pragma once
#include <stdint.h>

struct agent;
struct request;

void statistics_memory(uint64_t *total, uint64_t *available);
void statistics_sandbox(struct agent *agent, struct request *request);
void statistics_container(struct agent *agent, struct request *request);
void statistics_top(struct agent *agent, struct request *request);
