/* File systems and mounts as descriptors: made before they have a place, and moved to it without a path of the agent's. */
#pragma once
#include <stdint.h>

/* A devpts instance of its own, not attached anywhere yet; -1 with errno. */
int make_devpts(void);
/* An ext4 on a disk, not attached; -1 with errno. `flags` are MS_* bits, `options` the file system's, separated by commas. */
int make_disk_mount(const char *device, uint64_t flags, const char *options);
/* A copy of what is at `path`, with what is mounted below it when `recursive`; -1 with errno. */
int copy_mount(const char *path, int recursive);
/* Puts a detached mount at `path`; 0, or -1 with errno. */
int attach_mount(int mount, const char *path);
