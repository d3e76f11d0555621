/* The disks the host has plugged in, by serial number, and the layers that are mounted from them. */
#pragma once
#include <stdbool.h>

#include "loop.h"
#include "report.h"

struct disk {
	struct disk *next;
	char serial[24];
	char name[32];	/* the kernel's: sda */
	int slot;	/* mounted as a layer on /l/<slot>; -1 = not */
	unsigned users; /* containers that need it */
};

/* Listens for the kernel's events and looks at the disks that are there already. */
void disks_begin(struct agent *agent);
struct disk *disk_find(struct agent *agent, const char *serial);
/* One more container uses it. As a layer: mounts it read-only, once, on /l/<slot>. */
bool disk_use(struct agent *agent, struct disk *disk, bool layer, struct fault *f);
/* One less; the last one unmounts it. */
void disk_unuse(struct agent *agent, struct disk *disk);
/*
 * Makes sure that nobody uses it and nothing of it is cached: the host may take it, or put another file behind it. The
 * kernel notices by itself when the device goes. A disk that is not there is no fault.
 */
bool disk_release(struct agent *agent, const char *serial, struct fault *f);
