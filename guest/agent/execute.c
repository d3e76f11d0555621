/* The last step: finding the command as Docker does, and becoming it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *variable(char *const environment[], const char *name)
{
	size_t length = strlen(name);

	for (; *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

/* execve has refused a file that is there. */
static _Noreturn void refused(const char *command, const char *path, int number)
{
	struct stat st;

	errno = 0;
	switch (number) {
	case ENOENT: /* the file is there, but what it needs to run is not */
		child_fail(ERROR_CODE_COMMAND_NOT_FOUND,
			   "exec: \"%.200s\": no such file or directory (the interpreter or loader of %.200s is not in the image)",
			   command, path);
	case EACCES:
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			child_fail(ERROR_CODE_COMMAND_NOT_EXECUTABLE, "exec: \"%.200s\": is a directory", command);
		child_fail(ERROR_CODE_COMMAND_NOT_EXECUTABLE, "exec: \"%.200s\": permission denied", command);
	case ENOEXEC:
		child_fail(ERROR_CODE_COMMAND_NOT_EXECUTABLE, "exec: \"%.200s\": exec format error", command);
	default:
		errno = number;
		child_fail(ERROR_CODE_COMMAND_NOT_EXECUTABLE, "exec: \"%.200s\"", command);
	}
}

/*
 * A container's first program comes from a disk that nobody has read yet, and in emulation one large read costs a fraction
 * of the many small ones that page faults would make. Large programs are left to their faults: most of them is not needed.
 */
enum { MOST_READ_AHEAD = 4 << 20 };

static void read_ahead(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= MOST_READ_AHEAD) {
		uint8_t *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		/* For a mapping with this advice one fault reads 4 MB, in pages as large as can be had. */
		if (bytes != MAP_FAILED && madvise(bytes, (size_t)st.st_size, MADV_HUGEPAGE) == 0)
			(void)*(volatile uint8_t *)bytes;
	}
	close(fd);
}

static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static _Noreturn void execute_path(char *const arguments[], char *const environment[], bool first)
{
	const char *command = arguments[0];
	int number;

	if (first)
		read_ahead(command);

	execve(command, arguments, environment);
	number = errno;
	if ((number == ENOENT && !is_there(command)) || number == ENOTDIR) {
		errno = 0;
		child_fail(ERROR_CODE_COMMAND_NOT_FOUND, "exec: \"%.200s\": stat %.200s: %s", command, command, strerror(number));
	}
	refused(command, command, number);
}

void execute_command(char *const arguments[], char *const environment[], bool first)
{
	const char *command = arguments[0], *path = variable(environment, "PATH");
	char candidate[PATH_MAX], unusable[PATH_MAX] = "";
	int number = 0;

	if (strchr(command, '/'))
		execute_path(arguments, environment, first);
	if (!path)
		path = default_path;
	while (*command) {
		size_t length = strcspn(path, ":");
		struct stat st;

		/* An empty entry is the working directory. */
		if (snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)length, length ? path : "", length ? "/" : "./", command) <
		    (int)sizeof(candidate)) {
			if (first)
				read_ahead(candidate);
			execve(candidate, arguments, environment);
			if (errno == EACCES || (errno != ENOTDIR && is_there(candidate))) {
				/* A directory of that name does not count; a file that cannot be executed does, if no other can. */
				number = errno;
				if (stat(candidate, &st) == 0 && !S_ISDIR(st.st_mode))
					strcpy(unusable, candidate);
				if (*unusable && number != EACCES)
					break;
			}
		}
		path += length;
		if (!*path++)
			break;
	}
	if (*unusable)
		refused(command, unusable, number);
	errno = 0;
	child_fail(ERROR_CODE_COMMAND_NOT_FOUND, "exec: \"%.200s\": executable file not found in $PATH", command);
}

static char **pointers(const char *first, const char **items, uint32_t count, const char *last)
{
	char **result = calloc((size_t)count + 3, sizeof(*result)), **at = result;

	if (!result)
		child_fail(ERROR_CODE_NO_MEMORY, "no memory for %u arguments", count);
	/* execve does not write to what it is given. */
	if (first)
		*at++ = (char *)(uintptr_t)first;
	for (uint32_t i = 0; i < count; i++)
		*at++ = (char *)(uintptr_t)items[i];
	if (last)
		*at++ = (char *)(uintptr_t)last;
	return result;
}

void execute(const struct wire_process *spec, const struct identity *who, bool first, bool under_init)
{
	char home[sizeof(who->home) + 8];
	char **environment = pointers(NULL, spec->env.items, spec->env.count, NULL);
	const char *given = variable(environment, "HOME");

	snprintf(home, sizeof(home), "HOME=%s", who->home);
	if (!given || !*given)
		environment = pointers(given ? home : NULL, spec->env.items, spec->env.count, given ? NULL : home);
	if (!under_init)
		execute_command(pointers(NULL, spec->args.items, spec->args.count, NULL), environment, first);
	fcntl(FD_ERROR, F_SETFD, 0); /* init's child has yet to tell what became of its exec */
	prctl(PR_SET_NAME, "dvm-init");
	syscall(SYS_execveat, FD_AGENT, "", pointers("dvm-init", spec->args.items, spec->args.count, NULL), environment,
		AT_EMPTY_PATH);
	child_fail(ERROR_CODE_INTERNAL, "exec init");
}
