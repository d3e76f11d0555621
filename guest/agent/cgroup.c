#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "agent.h"

/* What the agent and the kernel keep of the machine's memory, at least. */
enum { RESERVE = 24 << 20 };

static const char *const controllers[] = { "+cpu", "+memory", "+pids", "+io", "+cpuset" };

/*
 * Containers together may take all of the machine's memory but this much: who fills it (a tmpfs is enough) is stopped by
 * their group's limit. Without one the kernel would find nobody left to kill but the agent, and panic.
 */
static uint64_t memory_for_containers(void)
{
	struct sysinfo info;
	uint64_t total, reserve;

	sysinfo(&info);
	total = (uint64_t)info.freeram * info.mem_unit; /* what the kernel has left, now that it has what it needs */
	reserve = total / 20 > RESERVE ? total / 20 : RESERVE;
	return total > 2 * reserve ? total - reserve : total / 2;
}

static void hand_down_controllers(int group)
{
	for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++)
		if (!write_file_at(group, "cgroup.subtree_control", controllers[i]))
			note("this kernel has no cgroup controller %s: %s", controllers[i] + 1, strerror(errno));
}

void cgroup_begin(struct agent *agent)
{
	int root = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char limit[24];

	if (root < 0 || mkdirat(root, "containers", 0755) < 0)
		die("make a cgroup for containers");
	agent->cgroup_root = openat(root, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (agent->cgroup_root < 0)
		die("open the cgroup of containers");
	hand_down_controllers(root);
	hand_down_controllers(agent->cgroup_root);
	snprintf(limit, sizeof(limit), "%" PRIu64, memory_for_containers());
	if (!write_file_at(agent->cgroup_root, "memory.max", limit))
		note("limit the memory of containers: %s", strerror(errno));
	close(root);
}

__attribute__((format(printf, 4, 5))) static bool set(int group, const char *file, struct fault *f, const char *format, ...)
{
	char text[64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (write_file_at(group, file, text))
		return true;
	return fault_set(f, ERROR_CODE_INVALID, errno, "set %s to %s", file, text);
}

static bool set_or_max(int group, const char *file, struct fault *f, uint64_t value, bool max)
{
	return max ? set(group, file, f, "max") : set(group, file, f, "%" PRIu64, value);
}

bool cgroup_limit(int group, const struct wire_resources *r, struct fault *f)
{
	uint64_t period = r->cpu_period_us ? r->cpu_period_us : 100000;

	return set_or_max(group, "memory.max", f, r->memory_max, r->memory_max == 0) &&
	       set(group, "memory.low", f, "%" PRIu64, r->memory_low) &&
	       set_or_max(group, "memory.swap.max", f, (uint64_t)r->swap_max, r->swap_max < 0) &&
	       (r->cpu_quota_us > 0 ? set(group, "cpu.max", f, "%" PRId64 " %" PRIu64, r->cpu_quota_us, period)
				    : set(group, "cpu.max", f, "max %" PRIu64, period)) &&
	       set(group, "cpu.weight", f, "%" PRIu32, r->cpu_weight ? r->cpu_weight : 100) &&
	       set_or_max(group, "pids.max", f, r->pids_max, r->pids_max == 0);
}

/* A new group has no limits: only those that are asked for are written. */
static bool limit_new(int group, const struct wire_resources *r, struct fault *f)
{
	uint64_t period = r->cpu_period_us ? r->cpu_period_us : 100000;

	return (r->memory_max == 0 || set(group, "memory.max", f, "%" PRIu64, r->memory_max)) &&
	       (r->memory_low == 0 || set(group, "memory.low", f, "%" PRIu64, r->memory_low)) &&
	       (r->swap_max < 0 || r->memory_max == 0 || set(group, "memory.swap.max", f, "%" PRId64, r->swap_max)) &&
	       (r->cpu_quota_us <= 0 || set(group, "cpu.max", f, "%" PRId64 " %" PRIu64, r->cpu_quota_us, period)) &&
	       (r->cpu_weight == 0 || set(group, "cpu.weight", f, "%" PRIu32, r->cpu_weight)) &&
	       (r->pids_max == 0 || set(group, "pids.max", f, "%" PRIu64, r->pids_max));
}

int cgroup_make(struct agent *agent, const char *name, const struct wire_resources *resources, struct fault *f)
{
	int group;

	if (mkdirat(agent->cgroup_root, name, 0755) < 0) {
		fault_set(f, errno == EEXIST ? ERROR_CODE_EXISTS : ERROR_CODE_INTERNAL, errno, "make cgroup %s", name);
		return -1;
	}
	group = openat(agent->cgroup_root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0) {
		fault_set(f, ERROR_CODE_INTERNAL, errno, "open cgroup %s", name);
		unlinkat(agent->cgroup_root, name, AT_REMOVEDIR);
		return -1;
	}
	if (!limit_new(group, resources, f)) {
		cgroup_remove(agent, group, name);
		return -1;
	}
	return group;
}

/* A container may have made groups of its own inside its (privileged: its hierarchy is writable). */
static void remove_below(int directory)
{
	DIR *entries = fdopendir(fcntl(directory, F_DUPFD_CLOEXEC, FD_FREE));
	struct dirent *entry;

	if (!entries)
		return;
	rewinddir(entries);
	while ((entry = readdir(entries))) {
		int below;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			continue;
		remove_below(below);
		close(below);
		unlinkat(directory, entry->d_name, AT_REMOVEDIR);
	}
	closedir(entries);
}

void cgroup_remove(struct agent *agent, int group, const char *name)
{
	if (unlinkat(agent->cgroup_root, name, AT_REMOVEDIR) < 0) {
		remove_below(group);
		if (unlinkat(agent->cgroup_root, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			note("remove cgroup %s: %s", name, strerror(errno));
	}
	close(group);
}

bool cgroup_kill(int group)
{
	return write_file_at(group, "cgroup.kill", "1");
}

bool cgroup_freeze(int group, bool frozen)
{
	return write_file_at(group, "cgroup.freeze", frozen ? "1" : "0");
}

uint64_t cgroup_value(int group, const char *file, const char *key)
{
	char text[4096];
	size_t length = strlen(key);

	if (read_file_at(group, file, text, sizeof(text)) < 0)
		return 0;
	for (char *line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoull(line + length + 1, NULL, 10);
	}
	return 0;
}

uint64_t cgroup_number(int group, const char *file)
{
	char text[64];

	if (read_file_at(group, file, text, sizeof(text)) <= 0)
		return 0;
	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}
