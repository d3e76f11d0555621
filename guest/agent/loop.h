/* The one event loop. Everything is edge triggered: a source that nobody serves right now costs nothing. */
#pragma once
#include <stdint.h>
#include <sys/epoll.h>

struct agent;

/* A descriptor somebody waits for; part of a larger struct, which `ready` finds with container_of. */
struct source {
	int fd;
	void (*ready)(struct agent *agent, struct source *source, uint32_t events);
};

#define container_of(pointer_, type_, member_) ((type_ *)((char *)(pointer_) - offsetof(type_, member_)))

/* Watches `fd` (already non-blocking) for `events`; dies when the kernel refuses, which only lack of memory makes it do. */
void source_watch(struct agent *agent, struct source *source, int fd, uint32_t events);
/* Stops watching and closes. Safe to repeat; a source starts with fd -1. */
void source_close(struct agent *agent, struct source *source);
/* Frees memory that holds sources once no event of the current batch can point into it any more. */
void free_later(struct agent *agent, void *memory);
/* Never returns. */
_Noreturn void loop_run(struct agent *agent);
