#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "disks.h"
#include "handlers.h"
#include "mountfd.h"
#include "process.h"
#include "removal.h"

enum { DISK_SECONDS = 5 };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct container *container_find(struct agent *agent, uint32_t handle)
{
	struct container *c = agent->containers;

	while (c && c->handle != handle)
		c = c->next;
	return c;
}

static void answer_fault(struct agent *agent, struct request *request, const struct fault *f)
{
	channel_error(agent, request->id, f);
	request_free(request);
}

/* --- starting */

static bool check_spec(struct agent *agent, const struct wire_container *spec, struct fault *f)
{
	if (spec->container == 0 || container_find(agent, spec->container))
		return fault_set(f, ERROR_CODE_EXISTS, 0, "container %u exists", spec->container);
	if (spec->process.process == 0 || process_find(agent, spec->process.process))
		return fault_set(f, ERROR_CODE_EXISTS, 0, "process %u exists", spec->process.process);
	/* It becomes the name of a directory. */
	if (strlen(spec->id) != 64 || strspn(spec->id, "0123456789abcdef") != 64)
		return fault_set(f, ERROR_CODE_INVALID, 0, "\"%s\" is not an identifier of 64 hexadecimal digits", spec->id);
	if (spec->layers.count == 0)
		return fault_set(f, ERROR_CODE_INVALID, 0, "a container needs at least one layer");
	if (spec->process.args.count == 0)
		return fault_set(f, ERROR_CODE_INVALID, 0, "a process needs at least one argument");
	if (spec->privilege == PRIVILEGE_STANDARD && agent->device_filter < 0)
		return fault_set(f, ERROR_CODE_UNSUPPORTED, 0,
				 "the guest kernel has no device filter (CONFIG_CGROUP_BPF): only privileged containers");
	return true;
}

/* The n-th disk a container needs: its layers, the writable one, those of its mounts; NULL behind the last. */
static const char *serial_of(const struct wire_container *spec, unsigned n)
{
	if (n < spec->layers.count)
		return spec->layers.items[n].serial;
	n -= spec->layers.count;
	if (*spec->upper && n-- == 0)
		return spec->upper;
	for (uint32_t i = 0; i < spec->mounts.count; i++)
		if (spec->mounts.items[i].type == MOUNT_TYPE_DISK && n-- == 0)
			return spec->mounts.items[i].source;
	return NULL;
}

static void unuse_disks(struct agent *agent, struct container *c)
{
	while (c->disk_count > 0)
		disk_unuse(agent, c->disks[--c->disk_count]);
}

static bool use_disks(struct agent *agent, struct container *c, struct fault *f)
{
	unsigned count = 0;

	while (serial_of(c->spec, count))
		count++;
	c->disks = calloc(count, sizeof(*c->disks));
	if (!c->disks)
		return fault_set(f, ERROR_CODE_NO_MEMORY, 0, "no memory for %u disks", count);
	while (c->disk_count < count) {
		struct disk *disk = disk_find(agent, serial_of(c->spec, c->disk_count));

		if (!disk_use(agent, disk, c->disk_count < c->spec->layers.count, f))
			return false;
		c->disks[c->disk_count++] = disk;
	}
	return true;
}

static bool begin(struct agent *agent, struct container *c, struct fault *f)
{
	if (!use_disks(agent, c, f))
		return false;
	c->cgroup = cgroup_make(agent, c->id, &c->spec->resources, f);
	if (c->cgroup < 0)
		return false;
	c->devpts = make_devpts();
	if (c->devpts < 0)
		return fault_set(f, ERROR_CODE_MOUNT_FAILED, errno, "make a devpts");
	c->stage = STAGE_STARTING;
	return process_start(agent, c->main, &c->spec->process, f);
}

void container_free(struct agent *agent, struct container *c)
{
	struct container **at = &agent->containers;
	struct fault f;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	for (struct process *p = agent->processes; p; p = p->next)
		if (p->container == c)
			p->container = NULL;
	if (c->removal) {
		struct msg_delete_container_reply done = { 0 };

		reply(agent, c->removal, &done);
		request_free(c->removal);
	}
	if (c->freeze) {
		fault_set(&f, ERROR_CODE_NOT_RUNNING, 0, "container %s was deleted", c->id);
		answer_fault(agent, c->freeze, &f);
	}
	source_close(agent, &c->events);
	if (c->mount_ns >= 0)
		close(c->mount_ns);
	if (c->devpts >= 0)
		close(c->devpts);
	if (c->cgroup >= 0)
		cgroup_remove(agent, c->cgroup, c->id);
	unuse_disks(agent, c);
	free(c->disks);
	free_later(agent, c);
}

void container_give_up(struct agent *agent, struct container *c, const struct fault *f)
{
	struct process *p = c->main;
	struct request *request = p->start;

	process_free(agent, p);
	container_free(agent, c);
	answer_fault(agent, request, f);
}

void container_failed(struct agent *agent, struct container *c)
{
	struct fault f = c->main->fault;

	container_give_up(agent, c, &f);
}

void container_start(struct agent *agent, struct request *request)
{
	const struct wire_container *spec = &((struct msg_start_container *)request->message)->container;
	struct container *c;
	struct fault f;

	if (!check_spec(agent, spec, &f)) {
		channel_error(agent, request->id, &f);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c || !(c->main = process_new(agent, c, spec->process.process))) {
		free(c);
		fault_set(&f, ERROR_CODE_NO_MEMORY, 0, "no memory for container %s", spec->id);
		channel_error(agent, request->id, &f);
		return;
	}
	request->kept = true;
	c->main->main = true;
	c->main->start = request;
	c->handle = spec->container;
	memcpy(c->id, spec->id, sizeof(c->id));
	c->spec = spec;
	c->share_pid = spec->share_pid;
	c->cgroup = c->mount_ns = c->devpts = c->events.fd = -1;
	c->deadline_ns = now_ns() + DISK_SECONDS * 1000000000ull;
	c->next = agent->containers;
	agent->containers = c;
	containers_try(agent);
}

/* The first disk that is not there yet. */
static const char *missing_disk(struct agent *agent, const struct container *c)
{
	const char *serial;

	for (unsigned n = 0; (serial = serial_of(c->spec, n)); n++)
		if (!disk_find(agent, serial))
			return serial;
	return NULL;
}

void containers_try(struct agent *agent)
{
	struct container *next;

	for (struct container *c = agent->containers; c; c = next) {
		const char *missing;
		struct fault f;

		next = c->next;
		if (c->stage != STAGE_WAITING)
			continue;
		missing = missing_disk(agent, c);
		if (!missing) {
			if (!begin(agent, c, &f))
				container_give_up(agent, c, &f);
		} else if (now_ns() >= c->deadline_ns) {
			fault_set(&f, ERROR_CODE_DISK_NOT_FOUND, 0, "disk %s did not appear within %d s", missing, DISK_SECONDS);
			container_give_up(agent, c, &f);
		}
	}
}

uint64_t containers_deadline(struct agent *agent)
{
	uint64_t earliest = 0;

	for (struct container *c = agent->containers; c; c = c->next)
		if (c->stage == STAGE_WAITING && (earliest == 0 || c->deadline_ns < earliest))
			earliest = c->deadline_ns;
	return earliest;
}

void container_started(struct agent *agent, struct container *c)
{
	struct msg_start_container_reply started = { (uint32_t)c->pid };
	struct request *request = c->main->start;

	c->stage = STAGE_RUNNING;
	c->spec = NULL;
	c->main->start = NULL;
	reply(agent, request, &started);
	request_free(request);
}

void container_exec(struct agent *agent, struct request *request)
{
	const struct msg_exec *exec = request->message;
	struct container *c = container_find(agent, exec->container);
	struct process *p;
	struct fault f;

	if (!c) {
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no container %u", exec->container);
	} else if (c->stage != STAGE_RUNNING) {
		fault_set(&f, ERROR_CODE_NOT_RUNNING, 0, "container %s is not running", c->id);
	} else if (exec->process.process == 0 || process_find(agent, exec->process.process)) {
		fault_set(&f, ERROR_CODE_EXISTS, 0, "process %u exists", exec->process.process);
	} else if (exec->process.args.count == 0) {
		fault_set(&f, ERROR_CODE_INVALID, 0, "a process needs at least one argument");
	} else if (!(p = process_new(agent, c, exec->process.process))) {
		fault_set(&f, ERROR_CODE_NO_MEMORY, 0, "no memory for a process");
	} else {
		p->start = request;
		if (process_start(agent, p, &exec->process, &f)) {
			request->kept = true;
			return;
		}
		process_free(agent, p);
	}
	channel_error(agent, request->id, &f);
}

void container_exited(struct agent *agent, struct container *c)
{
	if (c->stage == STAGE_RUNNING)
		c->stage = STAGE_STOPPED;
	c->pid = 0;
	/* In a PID namespace of its own everything else has died with it already. */
	if (c->share_pid)
		cgroup_kill(c->cgroup);
	container_check_empty(agent, c);
}

/* --- while it runs */

void container_signal(struct agent *agent, struct request *request)
{
	const struct msg_signal *message = request->message;
	struct container *c = container_find(agent, message->container);
	struct process *p = process_find(agent, message->process);
	struct msg_signal_reply done = { 0 };
	struct fault f;
	bool ok = false;

	if (message->all && c && c->cgroup >= 0)
		ok = signal_all(c, message->signal, &f);
	else if (!p || !c || p->container != c)
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no process %u in container %u", message->process, message->container);
	else if (p->life != LIFE_RUNNING)
		fault_set(&f, ERROR_CODE_NOT_RUNNING, 0, "process %u is not running", message->process);
	/* It has not been collected, so nobody else can have its number. */
	else if (kill(p->pid, message->signal) < 0)
		fault_set(&f, ERROR_CODE_INVALID, errno, "send signal %u", message->signal);
	else
		ok = true;
	if (ok)
		reply(agent, request, &done);
	else
		channel_error(agent, request->id, &f);
}

void container_update(struct agent *agent, struct request *request)
{
	const struct msg_update_resources *message = request->message;
	struct container *c = container_find(agent, message->container);
	struct msg_update_resources_reply done = { 0 };
	struct fault f;

	if (!c || c->cgroup < 0)
		fault_set(&f, ERROR_CODE_NOT_FOUND, 0, "no container %u", message->container);
	else if (cgroup_limit(c->cgroup, &message->resources, &f)) {
		reply(agent, request, &done);
		return;
	}
	channel_error(agent, request->id, &f);
}
