#include "mountfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}

static int call_fsconfig(int fs, unsigned command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

/* Creates the file system and closes its context; the mount, or -1 with errno. */
static int create(int fs, unsigned attributes)
{
	int mount = -1, number;

	if (call_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
		mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
	number = errno;
	close(fs);
	errno = number;
	return mount;
}

int make_devpts(void)
{
	static const char *const options[][2] = { { "mode", "0620" }, { "ptmxmode", "0666" }, { "gid", "5" } };
	int fs = call_fsopen("devpts");

	if (fs < 0)
		return -1;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (call_fsconfig(fs, FSCONFIG_SET_STRING, options[i][0], options[i][1]) < 0) {
			close(fs);
			return -1;
		}
	return create(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

static int set_options(int fs, const char *options)
{
	char *copy = strdup(options), *rest = copy, *option;
	int result = copy ? 0 : -1;

	while (result == 0 && (option = strsep(&rest, ","))) {
		char *value = strchr(option, '=');

		if (!*option)
			continue;
		if (value)
			*value++ = 0;
		result = call_fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, value);
	}
	free(copy);
	return result;
}

int make_disk_mount(const char *device, uint64_t flags, const char *options)
{
	static const struct {
		uint64_t flag;
		unsigned attribute;
	} table[] = {
		{ 1, MOUNT_ATTR_RDONLY },	{ 2, MOUNT_ATTR_NOSUID },    { 4, MOUNT_ATTR_NODEV },
		{ 8, MOUNT_ATTR_NOEXEC },	{ 1024, MOUNT_ATTR_NOATIME }, { 2048, MOUNT_ATTR_NODIRATIME },
	};
	unsigned attributes = 0;
	int fs = call_fsopen("ext4");

	if (fs < 0)
		return -1;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (flags & table[i].flag)
			attributes |= table[i].attribute;
	if (call_fsconfig(fs, FSCONFIG_SET_STRING, "source", device) < 0 || set_options(fs, options) < 0 ||
	    ((flags & 1) && call_fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL) < 0)) {
		int number = errno;

		close(fs);
		errno = number;
		return -1;
	}
	return create(fs, attributes);
}

int copy_mount(const char *path, int recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? 0x8000 /* AT_RECURSIVE */ : 0);

	return (int)syscall(SYS_open_tree, AT_FDCWD, path, flags);
}

int attach_mount(int mount, const char *path)
{
	/* Links are followed: the process is inside the container's root by then, they cannot lead out of it. */
	return (int)syscall(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
}
