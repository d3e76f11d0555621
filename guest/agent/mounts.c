/* What is mounted into a container's root. The process is inside that root: no path can lead out of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"
#include "mountfd.h"

enum { QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC };

/* What /dev has in every container. */
static const struct node {
	const char *path;
	unsigned major, minor;
} nodes[] = {
	{ "/dev/null", 1, 3 },	 { "/dev/zero", 1, 5 },	   { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct link {
	const char *path, *target;
} links[] = {
	{ "/dev/ptmx", "pts/ptmx" },
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

/* Docker's lists for containers of standard privilege; what this kernel does not have is passed over. */
static const char *const masked[] = {
	"/proc/asound",	    "/proc/acpi",	 "/proc/interrupts",  "/proc/kcore",
	"/proc/keys",	    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi",	 "/sys/firmware",     "/sys/devices/virtual/powercap",
};
static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

/*
 * A directory for one of the kernel's own file systems. That it is a real one is checked because a link at its place
 * would put, say, /proc elsewhere, and what is later hidden below /proc would be found there.
 */
static void kernel_directory(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno != ENOENT || mkdir(path, 0755) < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "make %s", path);
	} else if (!S_ISDIR(st.st_mode)) {
		errno = 0;
		child_fail(ERROR_CODE_MOUNT_FAILED, "the image has something else than a directory at %s", path);
	}
}

static void mount_kernel(const char *type, const char *path, unsigned long flags, const char *options)
{
	kernel_directory(path);
	if (mount(type, path, type, flags, options) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount %s on %s", type, path);
}

static void make_node(const char *path, mode_t mode, dev_t device)
{
	if (mknod(path, mode, device) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "make %s", path);
}

/* All devices of the pod's kernel, from sysfs; not the agent's port, which is open and can be opened once only. */
static void privileged_nodes(const char *classes, mode_t type)
{
	DIR *directory = opendir(classes);
	struct dirent *entry;

	if (!directory)
		child_fail(ERROR_CODE_MOUNT_FAILED, "list %s", classes);
	while ((entry = readdir(directory))) {
		char path[300], text[1024], *name;
		unsigned major, minor;

		if (sscanf(entry->d_name, "%u:%u", &major, &minor) != 2)
			continue;
		snprintf(path, sizeof(path), "%s/%s/uevent", classes, entry->d_name);
		if (read_file(path, text, sizeof(text)) <= 0 || !(name = strstr(text, "DEVNAME=")))
			continue;
		name += strlen("DEVNAME=");
		name[strcspn(name, "\n")] = 0;
		if (strncmp(name, "vport", 5) == 0 || strstr(name, "..") || strlen(name) > 200)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", name);
		if (strchr(name, '/')) {
			*strrchr(path, '/') = 0;
			make_directories(path, 0755);
			path[strlen(path)] = '/';
		}
		if (mknod(path, type | 0600, makedev(major, minor)) < 0 && errno != EEXIST)
			child_fail(ERROR_CODE_MOUNT_FAILED, "make %s", path);
	}
	closedir(directory);
}

static void make_dev(const struct birth *birth)
{
	mount_kernel("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		make_node(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor));
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (symlink(links[i].target, links[i].path) < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "make %s", links[i].path);
	if (mkdir("/dev/pts", 0755) < 0 || attach_mount(FD_DEVPTS, "/dev/pts") < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount devpts on /dev/pts");
	close(FD_DEVPTS);
	if (!birth->spec->tty)
		return;
	/* The container's console is its terminal, the first of its devpts. */
	make_node("/dev/console", S_IFREG | 0600, 0);
	if (mount("/dev/pts/0", "/dev/console", NULL, MS_BIND, NULL) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount the terminal on /dev/console");
}

static void make_target(const struct wire_mount *m)
{
	/* A file may be there already, for a file to be bound over it. */
	if (make_directories(m->target, 0755) < 0 && errno != ENOTDIR)
		child_fail(ERROR_CODE_MOUNT_FAILED, "make mount point \"%.200s\"", m->target);
}

/* The order of MountType; NULL where there is more to it. */
static const char *const types[] = {
	[MOUNT_TYPE_TMPFS] = "tmpfs",	[MOUNT_TYPE_PROC] = "proc",	[MOUNT_TYPE_SYSFS] = "sysfs",
	[MOUNT_TYPE_DEVPTS] = "devpts", [MOUNT_TYPE_MQUEUE] = "mqueue", [MOUNT_TYPE_CGROUP2] = "cgroup2",
};

static void mount_requested(const struct wire_mount *m, int prepared)
{
	make_target(m);
	if (prepared >= 0) {
		if (attach_mount(prepared, m->target) < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "mount \"%.80s\" on \"%.200s\"", m->source, m->target);
		/* A copy of a mount takes flags only afterwards. */
		if (m->type == MOUNT_TYPE_BIND && m->flags & MS_RDONLY &&
		    mount(NULL, m->target, NULL, MS_REMOUNT | MS_BIND | m->flags, NULL) < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "set the flags of \"%.200s\"", m->target);
		close(prepared);
		return;
	}
	if (mount(types[m->type], m->target, types[m->type], m->flags, m->options) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount %s (%.100s) on \"%.200s\"", types[m->type], m->options, m->target);
}

void make_mounts(const struct birth *birth, const struct sources *sources)
{
	const struct wire_container *container = birth->first;
	unsigned long guard = container->privilege == PRIVILEGE_STANDARD ? MS_RDONLY : 0;
	char shm[64];

	umask(0);
	mount_kernel("proc", "/proc", QUIET, NULL);
	mount_kernel("sysfs", "/sys", QUIET | guard, NULL);
	mount_kernel("cgroup2", "/sys/fs/cgroup", QUIET | guard, NULL);
	make_dev(birth);
	if (container->privilege == PRIVILEGE_PRIVILEGED) {
		privileged_nodes("/sys/dev/char", S_IFCHR);
		privileged_nodes("/sys/dev/block", S_IFBLK);
	}
	mount_kernel("mqueue", "/dev/mqueue", QUIET, NULL);
	snprintf(shm, sizeof(shm), "mode=1777,size=%llu", (unsigned long long)(container->shm_size ? container->shm_size : 64 << 20));
	mount_kernel("tmpfs", "/dev/shm", QUIET, shm);
	for (uint32_t i = 0; i < container->mounts.count; i++)
		mount_requested(&container->mounts.items[i], sources->mounts[i]);
	umask(022);
}

static void mask(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode) ? mount("tmpfs", path, "tmpfs", MS_RDONLY | QUIET, "size=0k") < 0
				: mount("/dev/null", path, NULL, MS_BIND, NULL) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "hide %s", path);
}

static void make_read_only(const char *path, unsigned long flags)
{
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0) {
		if (errno == ENOENT)
			return;
		child_fail(ERROR_CODE_MOUNT_FAILED, "bind %s", path);
	}
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "make %s read-only", path);
}

void protect_kernel_files(const struct wire_container *container)
{
	if (container->privilege == PRIVILEGE_STANDARD) {
		for (size_t i = 0; i < sizeof(read_only) / sizeof(*read_only); i++)
			make_read_only(read_only[i], QUIET);
		for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++)
			mask(masked[i]);
	}
	if (container->readonly_root && mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "make the root read-only");
}
