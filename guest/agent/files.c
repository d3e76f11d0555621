/* Files and directories in the container's root, made from inside it: whatever its links say, they lead nowhere else. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "mountfd.h"

enum { MOST_LINKS = 8 };

int make_directories(const char *path, mode_t mode)
{
	char prefix[PATH_MAX];
	struct stat st;
	size_t length = strlen(path);

	if (stat(path, &st) == 0) {
		errno = ENOTDIR;
		return S_ISDIR(st.st_mode) ? 0 : -1;
	}
	if (length >= sizeof(prefix)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(prefix, path, length + 1);
	for (char *at = prefix + 1; at <= prefix + length; at++) {
		if (*at != '/' && *at != 0)
			continue;
		*at = 0;
		if (mkdir(prefix, mode) < 0 && errno != EEXIST)
			return -1;
		*at = path[at - prefix];
	}
	if (stat(path, &st) < 0)
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? 0 : -1;
}

static int make_parent(const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (length == 0)
		return 0;
	if (length >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, length);
	parent[length] = 0;
	return make_directories(parent, 0755);
}

/* Where the link at `path` leads, relative to its own directory. */
static int follow(char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	size_t directory = (size_t)(strrchr(path, '/') + 1 - path);

	if (n < 0)
		return -1;
	target[n] = 0;
	if (target[0] == '/')
		directory = 0;
	if (directory + (size_t)n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path + directory, target, (size_t)n + 1);
	return 0;
}

/* Something to mount a file on: what is there, or an empty file, where a dangling link leads if there is one. */
static int make_file_target(const char *wanted)
{
	char path[PATH_MAX];

	if (strlen(wanted) >= sizeof(path) || *wanted != '/') {
		errno = EINVAL;
		return -1;
	}
	strcpy(path, wanted);
	for (int links = 0; links < MOST_LINKS; links++) {
		int fd = open(path, O_PATH | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT && make_parent(path) == 0)
			fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0)
			return close(fd);
		if (errno != EEXIST || follow(path) < 0)
			return -1;
	}
	errno = ELOOP;
	return -1;
}

static void write_plain(const struct wire_injected_file *file)
{
	int fd;

	if (make_parent(file->path) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "make the directory of \"%.200s\"", file->path);
	/* Whatever the image has there (a link, a pipe, a device) is replaced, not written to. */
	if (unlink(file->path) < 0 && errno != ENOENT)
		child_fail(ERROR_CODE_MOUNT_FAILED, "replace \"%.200s\"", file->path);
	fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, file->content.data, file->content.length) != (ssize_t)file->content.length ||
	    fchown(fd, file->uid, file->gid) < 0 || fchmod(fd, file->mode & 07777) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "write \"%.200s\"", file->path);
	close(fd);
}

/* The pod's machine id, for an image that has none: an identifier of its own in an image is left alone. */
static void place_machine_id(int mount)
{
	static const char path[] = "/etc/machine-id";
	struct stat st;

	if (stat("/etc", &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	if (lstat(path, &st) == 0 ? !S_ISREG(st.st_mode) || st.st_size > 0 : errno != ENOENT || make_file_target(path) < 0)
		return;
	if (attach_mount(mount, path) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount the machine id on %s", path);
}

void place_files(const struct birth *birth, const struct sources *sources)
{
	for (uint32_t i = 0; i < birth->first->files.count; i++) {
		const struct wire_injected_file *file = &birth->first->files.items[i];

		if (!file->overlaid)
			write_plain(file);
		else if (make_file_target(file->path) < 0 || attach_mount(sources->files[i], file->path) < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "mount an injected file on \"%.200s\"", file->path);
	}
	if (sources->machine_id >= 0)
		place_machine_id(sources->machine_id);
}
