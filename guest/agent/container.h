/* Containers: from the disks they wait for to the unmounting of their roots. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "protocol.gen.h"
#include "report.h"

struct agent;
struct disk;
struct process;
struct request;

enum stage {
	STAGE_WAITING,	/* for disks */
	STAGE_STARTING, /* its first process has not called exec yet */
	STAGE_RUNNING,
	STAGE_STOPPED,	  /* its first process has exited */
	STAGE_UNMOUNTING, /* a child of the agent's writes it out */
};

struct container {
	struct container *next;
	uint32_t handle;
	char id[65];
	enum stage stage;
	const struct wire_container *spec; /* until it has started */
	struct process *main;		   /* NULL once released */
	pid_t pid;
	int cgroup, mount_ns, devpts;
	struct source events; /* cgroup.events */
	struct disk **disks;
	unsigned disk_count;
	uint64_t deadline_ns;
	bool share_pid, frozen;
	struct request *freeze, *removal; /* to be answered when it has happened */
};

struct container *container_find(struct agent *agent, uint32_t handle);
/* Handlers; a request they keep is answered later. */
void container_start(struct agent *agent, struct request *request);
void container_exec(struct agent *agent, struct request *request);
void container_signal(struct agent *agent, struct request *request);
void container_freeze(struct agent *agent, struct request *request);
void container_update(struct agent *agent, struct request *request);
void container_delete(struct agent *agent, struct request *request);

/* Starts those whose disks have come; gives up those whose deadline has passed. */
void containers_try(struct agent *agent);
/* Nanoseconds of CLOCK_MONOTONIC; 0 = nobody waits. */
uint64_t containers_deadline(struct agent *agent);

/* The first process runs, could not be started, or has exited. */
void container_started(struct agent *agent, struct container *c);
void container_failed(struct agent *agent, struct container *c);
void container_exited(struct agent *agent, struct container *c);
/* Answers whoever waits for its end, and lets go of everything it had. */
void container_free(struct agent *agent, struct container *c);
/* Ends one that waits for disks. */
void container_give_up(struct agent *agent, struct container *c, const struct fault *f);
/* Goes on with a deletion when its last process has been collected. */
void container_check_empty(struct agent *agent, struct container *c);
