#include "statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "container.h"
#include "handlers.h"

/* A line of /proc/meminfo, in bytes. */
static uint64_t memory_line(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

void statistics_memory(uint64_t *total, uint64_t *available)
{
	char text[4096];

	if (read_file("/proc/meminfo", text, sizeof(text)) < 0)
		text[0] = 0;
	*total = memory_line(text, "MemTotal:");
	*available = memory_line(text, "MemAvailable:");
}

void statistics_sandbox(struct agent *agent, struct request *request)
{
	struct msg_sandbox_stats_reply stats = { 0 };
	struct timespec up;
	char text[4096];

	if (read_file("/proc/meminfo", text, sizeof(text)) >= 0) {
		stats.memory_total = memory_line(text, "MemTotal:");
		stats.memory_free = memory_line(text, "MemFree:");
		stats.memory_available = memory_line(text, "MemAvailable:");
		stats.page_cache = memory_line(text, "\nCached:");
		stats.slab = memory_line(text, "Slab:");
	}
	if (read_file("/proc/self/statm", text, sizeof(text)) >= 0) {
		unsigned long long size, resident = 0;

		sscanf(text, "%llu %llu", &size, &resident);
		stats.agent_rss = resident * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	clock_gettime(CLOCK_BOOTTIME, &up);
	stats.uptime_ns = (uint64_t)up.tv_sec * 1000000000u + (uint64_t)up.tv_nsec;
	reply(agent, request, &stats);
}

/* Sums over all devices of a line like "8:0 rbytes=1 wbytes=2 rios=3 …". */
static uint64_t io_sum(const char *text, const char *key)
{
	uint64_t sum = 0;

	while ((text = strstr(text, key))) {
		text += strlen(key);
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

void statistics_container(struct agent *agent, struct request *request)
{
	const struct msg_container_stats *message = request->message;
	struct container *c = container_find(agent, message->container);
	struct msg_container_stats_reply stats;
	struct fault f;
	char io[4096] = "";
	int group;

	if (!c || c->cgroup < 0) {
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no container %u", message->container);
		channel_error(agent, request->id, &f);
		return;
	}
	group = c->cgroup;
	if (read_file_at(group, "io.stat", io, sizeof(io)) < 0)
		io[0] = 0;
	stats = (struct msg_container_stats_reply){
		.cpu_usage_ns = cgroup_value(group, "cpu.stat", "usage_usec") * 1000,
		.cpu_user_ns = cgroup_value(group, "cpu.stat", "user_usec") * 1000,
		.cpu_system_ns = cgroup_value(group, "cpu.stat", "system_usec") * 1000,
		.throttled_periods = cgroup_value(group, "cpu.stat", "nr_throttled"),
		.periods = cgroup_value(group, "cpu.stat", "nr_periods"),
		.throttled_ns = cgroup_value(group, "cpu.stat", "throttled_usec") * 1000,
		.memory_current = cgroup_number(group, "memory.current"),
		.memory_peak = cgroup_number(group, "memory.peak"),
		.memory_max = cgroup_number(group, "memory.max"),
		.memory_file = cgroup_value(group, "memory.stat", "file"),
		.memory_inactive_file = cgroup_value(group, "memory.stat", "inactive_file"),
		.memory_anon = cgroup_value(group, "memory.stat", "anon"),
		.pids_current = cgroup_number(group, "pids.current"),
		.pids_max = cgroup_number(group, "pids.max"),
		.read_bytes = io_sum(io, "rbytes="),
		.write_bytes = io_sum(io, "wbytes="),
		.read_ops = io_sum(io, "rios="),
		.write_ops = io_sum(io, "wios="),
	};
	if (stats.memory_max == UINT64_MAX) /* no limit of its own: the machine's */
		stats.memory_max = 0;
	if (stats.pids_max == UINT64_MAX)
		stats.pids_max = 0;
	reply(agent, request, &stats);
}
