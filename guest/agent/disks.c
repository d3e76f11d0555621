#include "disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"

enum { MOST_SLOTS = 512 };

/* The serial number: page 0x80 of a SCSI disk, an attribute of a virtio one. */
static bool read_serial(const char *name, char *serial, size_t size)
{
	char path[96];
	char page[64];
	ssize_t n;
	size_t length = 0, from = 0;

	snprintf(path, sizeof(path), "/sys/block/%s/device/vpd_pg80", name);
	n = read_file(path, page, sizeof(page));
	if (n >= 4) {
		from = 4;
	} else {
		snprintf(path, sizeof(path), "/sys/block/%s/serial", name);
		n = read_file(path, page, sizeof(page));
		if (n <= 0)
			return false;
	}
	for (size_t i = from; i < (size_t)n && length < size - 1; i++)
		if (page[i] > ' ' && page[i] < 0x7f)
			serial[length++] = page[i];
	serial[length] = 0;
	return length > 0;
}

static void disk_forget(struct agent *agent, const char *name)
{
	for (struct disk **at = &agent->disks; *at; at = &(*at)->next) {
		struct disk *disk = *at;

		if (strcmp(disk->name, name) != 0)
			continue;
		if (disk->users > 0) { /* gone from under its containers: not to be found again, freed by the last of them */
			disk->serial[0] = disk->name[0] = 0;
			return;
		}
		*at = disk->next;
		free(disk);
		return;
	}
}

static void disk_seen(struct agent *agent, const char *name)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk || !read_serial(name, disk->serial, sizeof(disk->serial))) {
		free(disk);
		return;
	}
	disk_forget(agent, name);
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->slot = -1;
	disk->next = agent->disks;
	agent->disks = disk;
}

static void scan(struct agent *agent)
{
	DIR *block = opendir("/sys/block");
	struct dirent *entry;

	if (!block)
		return;
	while ((entry = readdir(block)))
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, "loop", 4) != 0 && strlen(entry->d_name) < 32)
			disk_seen(agent, entry->d_name);
	closedir(block);
}

/* "add@/devices/…/block/sda" and then NUL-terminated KEY=value lines. */
static void uevent(struct agent *agent, const char *text, size_t length)
{
	const char *name = strrchr(text, '/');
	bool block = false;

	for (size_t at = 0; at < length; at += strlen(text + at) + 1)
		block |= strcmp(text + at, "SUBSYSTEM=block") == 0;
	if (!name || strlen(name + 1) >= 32)
		return;
	if (!block) {
		if (agent->channel.port.fd < 0)
			channel_find(agent);
		return;
	}
	if (strncmp(text, "add@", 4) == 0)
		disk_seen(agent, name + 1);
	else if (strncmp(text, "remove@", 7) == 0)
		disk_forget(agent, name + 1);
	else
		return;
	containers_try(agent);
}

static void uevents_ready(struct agent *agent, struct source *source, uint32_t events)
{
	(void)events;
	for (;;) {
		char text[4097];
		struct sockaddr_nl from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(source->fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &size);

		if (n < 0 && errno == ENOBUFS) { /* events were lost: look for ourselves */
			scan(agent);
			containers_try(agent);
			continue;
		}
		if (n < 0)
			return;
		text[n] = 0;
		if (from.nl_pid == 0) /* only the kernel is believed */
			uevent(agent, text, (size_t)n);
	}
}

void disks_begin(struct agent *agent)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("listen for kernel events");
	agent->uevents.ready = uevents_ready;
	source_watch(agent, &agent->uevents, fd, EPOLLIN);
	scan(agent);
}

struct disk *disk_find(struct agent *agent, const char *serial)
{
	for (struct disk *disk = agent->disks; disk; disk = disk->next)
		if (strcmp(disk->serial, serial) == 0)
			return disk;
	return NULL;
}

static int free_slot(struct agent *agent)
{
	for (int slot = 0; slot < MOST_SLOTS; slot++) {
		struct disk *disk = agent->disks;

		while (disk && disk->slot != slot)
			disk = disk->next;
		if (!disk)
			return slot;
	}
	return -1;
}

bool disk_use(struct agent *agent, struct disk *disk, bool layer, struct fault *f)
{
	char from[48], to[16];
	int slot;

	if (!layer || disk->slot >= 0) {
		disk->users++;
		return true;
	}
	slot = free_slot(agent);
	if (slot < 0)
		return fault_set(f, ERROR_CODE_MOUNT_FAILED, 0, "more than %d layers are mounted", MOST_SLOTS);
	snprintf(from, sizeof(from), "/dev/%s", disk->name);
	snprintf(to, sizeof(to), "/l/%d", slot);
	if (mkdir(to, 0700) < 0 && errno != EEXIST)
		return fault_set(f, ERROR_CODE_MOUNT_FAILED, errno, "make %s", to);
	if (mount(from, to, "erofs", MS_RDONLY | MS_NODEV, NULL) < 0)
		return fault_set(f, ERROR_CODE_MOUNT_FAILED, errno, "mount layer %s (EROFS on %s)", disk->serial, disk->name);
	disk->slot = slot;
	disk->users++;
	return true;
}

void disk_unuse(struct agent *agent, struct disk *disk)
{
	char path[16];

	if (--disk->users > 0)
		return;
	if (disk->slot >= 0) {
		snprintf(path, sizeof(path), "/l/%d", disk->slot);
		if (umount2(path, MNT_DETACH) < 0)
			note("unmount layer %s: %s", disk->serial, strerror(errno));
		disk->slot = -1;
	}
	if (!disk->name[0])
		disk_forget(agent, "");
}

bool disk_release(struct agent *agent, const char *serial, struct fault *f)
{
	struct disk *disk = disk_find(agent, serial);
	char path[64];
	int fd, number;
	bool ok;

	if (!disk)
		return true;
	if (disk->users > 0)
		return fault_set(f, ERROR_CODE_INVALID, EBUSY, "release disk %s: %u containers use it", serial, disk->users);
	snprintf(path, sizeof(path), "/dev/%s", disk->name);
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return fault_set(f, ERROR_CODE_INVALID, errno, "release disk %s", serial);
	/* What is read from it later may be another disk's: nothing of this one stays in memory. */
	ok = ioctl(fd, BLKFLSBUF) == 0;
	number = errno;
	close(fd);
	if (!ok)
		return fault_set(f, ERROR_CODE_INTERNAL, number, "release disk %s", serial);
	return true;
}
