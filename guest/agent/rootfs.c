/* The container's root: an overlay of its layers and its writable disk, entered with pivot_root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "container.h"
#include "disks.h"
#include "syscalls.h"

/* In the agent's root, where nobody but children on their way to a container of their own mounts anything. */
static const char upper_mount[] = "/u", upper[] = "/u/upper", work[] = "/u/work", root[] = "/r";

/*
 * Options that stay off are named because a kernel of the user's own may have other defaults: an index and metacopy make
 * the upper disk's contents depend on the lower layers'. redirect_dir lets directories of the image be renamed, xino
 * gives all files of the root one device number, as with a single file system.
 */
static const char overlay_options[] = "redirect_dir=on,xino=on,index=off,metacopy=off,nfs_export=off";
/* Without discard a deleted file would keep its room on the host; the tables are initialised when needed, not while idle. */
static const char upper_options[] = "errors=remount-ro,discard,noinit_itable";

/* What a root without a writable disk must already have, because nobody can make it there. */
static const char *const needed[] = { "proc", "sys", "dev" };

static bool exists_below(int directory, const char *path)
{
	int fd = openat2(directory, path, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_all_targets(const struct wire_container *container, const char *layer)
{
	int directory = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool all = directory >= 0;

	for (size_t i = 0; all && i < sizeof(needed) / sizeof(*needed); i++)
		all = exists_below(directory, needed[i]);
	for (uint32_t i = 0; all && i < container->mounts.count; i++)
		all = exists_below(directory, container->mounts.items[i].target);
	for (uint32_t i = 0; all && i < container->files.count; i++)
		all = container->files.items[i].overlaid && exists_below(directory, container->files.items[i].path);
	if (directory >= 0)
		close(directory);
	return all;
}

/* A fresh writable layer shows the owner and mode that the image gave its root. */
static void make_upper(const char *top_layer)
{
	struct stat st;

	if (mkdir(work, 0700) < 0 && errno != EEXIST)
		child_fail(ERROR_CODE_MOUNT_FAILED, "make the overlay's work directory");
	if (mkdir(upper, 0755) < 0) {
		if (errno != EEXIST)
			child_fail(ERROR_CODE_MOUNT_FAILED, "make the overlay's upper directory");
		return;
	}
	if (stat(top_layer, &st) == 0 && (st.st_uid || st.st_gid || (st.st_mode & 07777) != 0755) &&
	    (chown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0))
		child_fail(ERROR_CODE_MOUNT_FAILED, "take over the owner of the image's root");
}

/* Whether the file system was unmounted properly: no transaction waits in its journal. */
static bool is_clean(const char *device)
{
	enum { MAGIC_AT = 0x38, INCOMPAT_AT = 0x60, NEEDS_RECOVERY = 0x4 };
	uint8_t superblock[1024];
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	bool clean = fd >= 0 && pread(fd, superblock, sizeof(superblock), 1024) == sizeof(superblock) &&
		     superblock[MAGIC_AT] == 0x53 && superblock[MAGIC_AT + 1] == 0xef &&
		     !(superblock[INCOMPAT_AT] & NEEDS_RECOVERY);

	if (fd >= 0)
		close(fd);
	return clean;
}

/*
 * Mounting writes the superblock and makes the host's disk flush it, which is the longest wait of a container's start. On a
 * clean file system nothing depends on that flush: the next one, before the journal's first commit, covers it. So
 * flushing is off for the mount alone. A file system with a journal to replay is mounted as usual.
 */
static bool mount_clean(const char *device)
{
	char options[128];

	snprintf(options, sizeof(options), "%s,nobarrier", upper_options);
	if (!is_clean(device) || mount(device, upper_mount, "ext4", MS_NODEV, options) < 0)
		return false;
	if (mount(NULL, upper_mount, NULL, MS_REMOUNT | MS_NODEV, "barrier") < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "switch on flushing");
	return true;
}

static void mount_upper(const struct container *c, const struct wire_container *spec)
{
	char device[48];

	if (!*spec->upper) { /* nothing outlives the container, but there is a place for what it needs at start */
		if (mount("upper", upper_mount, "tmpfs", MS_NODEV, "mode=0755") < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "mount a tmpfs for the writable layer");
		return;
	}
	snprintf(device, sizeof(device), "/dev/%s", c->disks[spec->layers.count]->name);
	if (mount_clean(device) || mount(device, upper_mount, "ext4", MS_NODEV, upper_options) == 0)
		return;
	/* A stock kernel's ext4 may lack an option. */
	if (errno != EINVAL || mount(device, upper_mount, "ext4", MS_NODEV, NULL) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount writable disk %s (ext4)", spec->upper);
}

static void mount_overlay(const struct container *c, const struct wire_container *spec, const char *top_layer)
{
	/* 500 layers, the most overlayfs takes, fit into the page that mount(2) copies. */
	char options[4096] = "lowerdir=";
	size_t length = strlen(options);

	mount_upper(c, spec);
	make_upper(top_layer);
	for (uint32_t i = 0; i < spec->layers.count; i++) {
		length += (size_t)snprintf(options + length, sizeof(options) - length, "%s/l/%d", i ? ":" : "", c->disks[i]->slot);
		if (length >= sizeof(options)) {
			errno = 0;
			child_fail(ERROR_CODE_MOUNT_FAILED, "%u layers are too many for an overlay", spec->layers.count);
		}
	}
	snprintf(options + length, sizeof(options) - length, ",upperdir=%s,workdir=%s,%s", upper, work, overlay_options);
	if (mount("overlay", root, "overlay", 0, options) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount the overlay of %u layers and disk \"%s\"", spec->layers.count, spec->upper);
}

void enter_root(const struct birth *birth)
{
	const struct container *c = birth->container;
	const struct wire_container *spec = birth->first;
	char top_layer[16];

	snprintf(top_layer, sizeof(top_layer), "/l/%d", c->disks[0]->slot);
	if (!*spec->upper && spec->readonly_root && spec->layers.count == 1 && has_all_targets(spec, top_layer)) {
		if (mount(top_layer, root, NULL, MS_BIND, NULL) < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "bind the only layer");
	} else {
		mount_overlay(c, spec, top_layer);
	}
	/* The old root ends up on top of the new one and is taken away: no path leads back to the agent's files. */
	if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "enter the container's root");
}
