/* Reading and writing the kernel's small files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

ssize_t read_file_at(int directory, const char *path, char *text, size_t size)
{
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC), number;
	size_t length = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (length < size - 1) {
		n = read(fd, text + length, size - 1 - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		length += (size_t)n;
		/* The kernel hands a small file out whole. */
		if (length < 4096)
			break;
	}
	number = errno;
	close(fd);
	errno = number;
	text[length] = 0;
	return n < 0 ? -1 : (ssize_t)length;
}

ssize_t read_file(const char *path, char *text, size_t size)
{
	return read_file_at(AT_FDCWD, path, text, size);
}

bool write_file_at(int directory, const char *path, const char *text)
{
	int fd = openat(directory, path, O_WRONLY | O_CLOEXEC), number;
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	number = errno;
	close(fd);
	errno = number;
	return n >= 0;
}

bool write_file(const char *path, const char *text)
{
	return write_file_at(AT_FDCWD, path, text);
}
