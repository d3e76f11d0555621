/* From the kernel's first program to an agent with a root, descriptors and kernel file systems of its own. */
#pragma once

struct agent;

/* Moves to a tmpfs: pivot_root, which every container needs, does not work from the initramfs. */
void boot_root(struct agent *agent);
void boot_mounts(void);
void boot_descriptors(struct agent *agent);
/* Of a modular kernel: what the initramfs carries, in its order. */
void boot_modules(void);
void boot_limits(void);
void boot_quiet(void);
void boot_network(void);
