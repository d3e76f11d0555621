/* The context of everything: one per machine, passed along, never global. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "disks.h"
#include "loop.h"

/* Descriptors a child finds at fixed places between fork and exec; the agent's own are all above FD_FREE. */
enum { FD_ERROR = 3, FD_CONTAINER = 4, FD_DEVPTS = 5, FD_AGENT = 6, FD_CGROUP = 7, FD_FILTER = 8, FD_FREE = 16 };

/* How output comes in: see streams_gather. */
struct flow {
	uint64_t last_ns;
	size_t read;   /* bytes since the last flush */
	size_t streak; /* bytes without a pause */
	bool gathering;
};

struct agent {
	int epoll_fd;
	void *graves;
	struct channel channel;
	struct source signals;
	struct source uevents;
	struct disk *disks;
	struct container *containers;
	struct process *processes;
	struct process *next_served; /* whose stream gives the next data frame */
	struct flow flow;
	struct job *jobs;
	pid_t pod_init; /* PID 1 of the PID namespace that containers share; 0 = none yet */
	int own_pid_ns;
	int self_exe; /* the agent's executable, for its other roles */
	int cgroup_root;
	int device_filter; /* the BPF program for containers of standard privilege */
	bool personalised;
	char machine_id[34]; /* 32 hex digits and a line feed; empty before `personalise` */
};

/* How long epoll may wait: until the next deadline of a container that waits for its disks; -1 = for ever. */
int agent_deadline_ms(struct agent *agent);
/* What is due once a batch of events has been handled. */
void agent_after_events(struct agent *agent);

/* Reads a small file and puts a NUL behind it; its length, or -1 with errno. */
ssize_t read_file(const char *path, char *text, size_t size);
ssize_t read_file_at(int directory, const char *path, char *text, size_t size);
/* Writes a file of the kernel's in one go; false with errno. */
bool write_file(const char *path, const char *text);
bool write_file_at(int directory, const char *path, const char *text);
