/* Mounts of disks, of the pod's directories and of single files, made before the agent's root goes out of sight. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"
#include "container.h"
#include "disks.h"
#include "mountfd.h"

static int prepare_mount(const struct birth *birth, const struct wire_mount *m, struct disk *const *disks, unsigned *used)
{
	char path[300];
	int result;

	switch (m->type) {
	case MOUNT_TYPE_DISK:
		snprintf(path, sizeof(path), "/dev/%s", disks[(*used)++]->name);
		result = make_disk_mount(path, m->flags, m->options);
		if (result < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "mount disk %s (ext4, %.100s)", m->source, m->options);
		return result;
	case MOUNT_TYPE_BIND:
		/* What the pod's containers share; nothing else of the agent's root can be named. */
		if (strncmp(m->source, "/pod/", 5) != 0 || strstr(m->source, "..")) {
			errno = 0;
			child_fail(ERROR_CODE_INVALID, "\"%.200s\" is not below /pod", m->source);
		}
		if (make_directories(m->source, 0777) < 0 && errno != ENOTDIR)
			child_fail(ERROR_CODE_MOUNT_FAILED, "make \"%.200s\"", m->source);
		result = copy_mount(m->source, 1);
		if (result < 0)
			child_fail(ERROR_CODE_MOUNT_FAILED, "bind \"%.200s\"", m->source);
		return result;
	default:
		(void)birth;
		return -1;
	}
}

/* A file in the tmpfs at /f, and a mount of it alone. */
static int prepare_file(unsigned number, const struct bytes *content, uid_t uid, gid_t gid, mode_t mode)
{
	char path[24];
	int fd, result;

	snprintf(path, sizeof(path), "/f/%u", number);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, content->data, content->length) != (ssize_t)content->length || fchown(fd, uid, gid) < 0 ||
	    fchmod(fd, mode) < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "write an injected file");
	close(fd);
	result = copy_mount(path, 0);
	if (result < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "bind an injected file");
	return result;
}

static int *array(unsigned count)
{
	int *items = malloc((count + 1) * sizeof(*items));

	if (!items)
		child_fail(ERROR_CODE_NO_MEMORY, "no memory for %u mounts", count);
	return items;
}

struct sources prepare_sources(const struct birth *birth)
{
	const struct wire_container *container = birth->first;
	struct sources s = { array(container->mounts.count), array(container->files.count), -1 };
	struct disk *const *disks = birth->container->disks + container->layers.count + (*container->upper ? 1 : 0);
	const char *machine_id = birth->agent->machine_id;
	bool any = *machine_id;
	unsigned used = 0;

	for (uint32_t i = 0; i < container->mounts.count; i++)
		s.mounts[i] = prepare_mount(birth, &container->mounts.items[i], disks, &used);
	for (uint32_t i = 0; i < container->files.count; i++)
		any |= container->files.items[i].overlaid;
	if (!any)
		return s;
	/* A tmpfs of this container's own: no handle or remount of it reaches the agent's. */
	if (mount("files", "/f", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") < 0)
		child_fail(ERROR_CODE_MOUNT_FAILED, "mount a tmpfs for injected files");
	for (uint32_t i = 0; i < container->files.count; i++) {
		const struct wire_injected_file *file = &container->files.items[i];

		s.files[i] = file->overlaid ? prepare_file(i, &file->content, file->uid, file->gid, file->mode & 07777) : -1;
	}
	if (*machine_id) {
		struct bytes content = { (const uint8_t *)machine_id, (uint32_t)strlen(machine_id) };

		s.machine_id = prepare_file(container->files.count, &content, 0, 0, 0444);
	}
	return s;
}
