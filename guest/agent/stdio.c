/* Making a process's streams: pipes, or a terminal on the container's devpts. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"
#include "process.h"

static bool open_pipe(int ends[2], struct fault *f)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_set(f, ERROR_CODE_NO_MEMORY, errno, "make a pipe");
	return true;
}

static void set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static bool open_terminal(struct agent *agent, struct process *p, const struct wire_process *spec, struct stdio *stdio,
			  struct fault *f)
{
	struct winsize size = { .ws_row = spec->rows, .ws_col = spec->cols };
	int unlock = 0;
	/* Through the agent's own descriptor of the container's devpts: no path of the container's is trusted. */
	int master = openat(p->container->devpts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), slave, input;

	if (master < 0)
		return fault_set(f, ERROR_CODE_INTERNAL, errno, "open a terminal");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
	    (slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		fault_set(f, ERROR_CODE_INTERNAL, errno, "open the other side of a terminal");
		close(master);
		return false;
	}
	if (spec->rows && spec->cols)
		ioctl(master, TIOCSWINSZ, &size);
	for (int i = 0; i < 3; i++)
		stdio->fd[i] = slave;
	p->output[0].exists = !spec->discard_output;
	source_watch(agent, &p->output[0].source, master, EPOLLIN);
	if (!spec->stdin_open)
		return true;
	input = fcntl(master, F_DUPFD_CLOEXEC, FD_FREE);
	if (input < 0)
		return fault_set(f, ERROR_CODE_NO_MEMORY, errno, "duplicate a terminal");
	p->input.exists = p->input.writable = true;
	source_watch(agent, &p->input.source, input, EPOLLOUT);
	return true;
}

static bool open_pipes(struct agent *agent, struct process *p, const struct wire_process *spec, struct stdio *stdio,
		       struct fault *f)
{
	int ends[2];

	if (spec->stdin_open) {
		if (!open_pipe(ends, f))
			return false;
		stdio->fd[0] = ends[0];
		set_nonblocking(ends[1]);
		p->input.exists = p->input.writable = true;
		source_watch(agent, &p->input.source, ends[1], EPOLLOUT);
	}
	for (int i = 0; i < 2 && !spec->discard_output; i++) {
		if (!open_pipe(ends, f))
			return false;
		stdio->fd[i + 1] = ends[1];
		set_nonblocking(ends[0]);
		p->output[i].exists = true;
		source_watch(agent, &p->output[i].source, ends[0], EPOLLIN);
	}
	return true;
}

bool streams_open(struct agent *agent, struct process *p, const struct wire_process *spec, struct stdio *stdio,
		  struct fault *f)
{
	p->input.source.ready = input_ready;
	p->input.told_limit = LIMIT_STREAM_WINDOW;
	for (int i = 0; i < 2; i++) {
		p->output[i].process = p;
		p->output[i].stream = i == 0 ? STREAM_STDOUT : STREAM_STDERR;
		p->output[i].source.ready = output_ready;
		p->output[i].limit = LIMIT_STREAM_WINDOW;
	}
	p->tty = spec->tty;
	return spec->tty ? open_terminal(agent, p, spec, stdio, f) : open_pipes(agent, p, spec, stdio, f);
}

void streams_free(struct agent *agent, struct process *p)
{
	source_close(agent, &p->input.source);
	ring_free(&p->input.ring);
	for (int i = 0; i < 2; i++) {
		source_close(agent, &p->output[i].source);
		ring_free(&p->output[i].ring);
	}
}

void process_resize(struct process *p, uint16_t rows, uint16_t cols)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };

	if (p->tty && p->output[0].source.fd >= 0)
		ioctl(p->output[0].source.fd, TIOCSWINSZ, &size);
}
