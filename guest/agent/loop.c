#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "report.h"

void source_watch(struct agent *agent, struct source *source, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLET, .data.ptr = source };

	source->fd = fd;
	if (epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

void source_close(struct agent *agent, struct source *source)
{
	if (source->fd < 0)
		return;
	/* Explicitly: a child between fork and exec may hold the same open file and keep it in the epoll set. */
	epoll_ctl(agent->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	close(source->fd);
	source->fd = -1;
}

struct grave {
	struct grave *next;
	void *memory;
};

void free_later(struct agent *agent, void *memory)
{
	struct grave *grave = malloc(sizeof(*grave));

	if (!grave)
		return; /* leaks a few bytes rather than risk a use after free */
	*grave = (struct grave){ agent->graves, memory };
	agent->graves = grave;
}

static void bury(struct agent *agent)
{
	while (agent->graves) {
		struct grave *grave = agent->graves;

		agent->graves = grave->next;
		free(grave->memory);
		free(grave);
	}
}

void loop_run(struct agent *agent)
{
	struct epoll_event events[16];

	for (;;) {
		int n = epoll_wait(agent->epoll_fd, events, 16, agent_deadline_ms(agent));

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			/* An earlier event of this batch may have closed it. */
			if (source->fd >= 0)
				source->ready(agent, source, events[i].events);
		}
		bury(agent);
		agent_after_events(agent);
	}
}
