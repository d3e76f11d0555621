#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "report.h"

enum { QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC };

/* l: layers; u, r, f: used by children in mount namespaces of their own; pod: what containers share; modules: see below. */
static const char *const directories[] = { "proc", "sys", "dev", "l", "u", "r", "f", "pod", "modules" };

static const struct {
	const char *type, *target;
	unsigned long flags;
	const char *options;
} mounts[] = {
	{ "proc", "/proc", QUIET, NULL },
	{ "sysfs", "/sys", QUIET, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755" },
	{ "cgroup2", "/sys/fs/cgroup", QUIET, "nsdelegate,favordynmods" },
	{ "tmpfs", "/pod", MS_NOSUID | MS_NODEV, "mode=0755" },
};

void boot_root(struct agent *agent)
{
	umask(022);
	agent->self_exe = open("/init", O_RDONLY | O_CLOEXEC);
	if (agent->self_exe < 0)
		die("open /init");
	if ((mkdir("/root", 0700) < 0 && errno != EEXIST) || mount("root", "/root", "tmpfs", 0, "mode=0755") < 0 || chdir("/root") < 0)
		die("mount the root");
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (mkdir(directories[i], 0700) < 0)
			die("make /%s", directories[i]);
	if (access("/modules", F_OK) == 0 && mount("/modules", "modules", NULL, MS_BIND, NULL) < 0)
		die("bind the modules");
	/* Out of reach of everybody, also of a container that got at the initramfs. */
	if (unlink("/init") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		die("enter the root");
}

void boot_mounts(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].options) == 0)
			continue;
		/* An older kernel lacks an option. */
		if (errno != EINVAL || mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, NULL) < 0)
			die("mount %s on %s", mounts[i].type, mounts[i].target);
	}
}

void boot_descriptors(struct agent *agent)
{
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	if (log < 0 || null < 0)
		die("open /dev/kmsg and /dev/null");
	/* Before anything else stands there. A child finds its descriptors at the low numbers. */
	fd = fcntl(agent->self_exe, F_DUPFD_CLOEXEC, FD_FREE);
	if (fd < 0)
		die("move a descriptor");
	agent->self_exe = fd;
	if (dup2(log, 2) < 0)
		die("dup2");
	for (fd = 0; fd < FD_FREE; fd++)
		if (fd != 2 && fd != null && dup3(null, fd, fd < 2 ? 0 : O_CLOEXEC) < 0)
			die("dup3");
	agent->own_pid_ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	agent->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (agent->own_pid_ns < 0 || agent->epoll_fd < 0)
		die("open descriptors");
}

/* A module's parameters stand on the kernel's command line as module.parameter=value. */
static void parameters(const char *module, const char *command_line, char *text, size_t size)
{
	size_t length = strcspn(module, ".");
	const char *at = command_line;

	*text = 0;
	while (*at) {
		size_t word = strcspn(at, " \n");

		if (strncmp(at, module, length) == 0 && at[length] == '.' && strlen(text) + word + 2 < size) {
			strncat(text, at + length + 1, word - length - 1);
			strcat(text, " ");
		}
		at += word + strspn(at + word, " \n");
	}
}

void boot_modules(void)
{
	char command_line[4096], values[4096], line[128];
	FILE *order = fopen("/modules/order", "re");

	if (!order)
		return;
	if (read_file("/proc/cmdline", command_line, sizeof(command_line)) < 0)
		die("read /proc/cmdline");
	while (fgets(line, sizeof(line), order)) {
		char path[160];
		int fd;

		line[strcspn(line, "\n")] = 0;
		snprintf(path, sizeof(path), "/modules/%s", line);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		parameters(line, command_line, values, sizeof(values));
		if (fd < 0 || (syscall(SYS_finit_module, fd, values, 0) < 0 && errno != EEXIST))
			die("load module %s", line);
		close(fd);
		unlink(path); /* its memory is wanted elsewhere */
	}
	fclose(order);
	unlink("/modules/order");
}

/* Work of the kernel's own that would wake an idle machine; missing ones (an older kernel) do not matter. */
static const struct {
	const char *path, *value;
} quiet[] = {
	{ "/proc/sys/vm/compaction_proactiveness", "0" }, /* twice a second */
	{ "/proc/sys/vm/stat_interval", "30" },
};

void boot_quiet(void)
{
	for (size_t i = 0; i < sizeof(quiet) / sizeof(*quiet); i++)
		if (!write_file(quiet[i].path, quiet[i].value) && errno != ENOENT)
			note("write %s: %s", quiet[i].path, strerror(errno));
}

void boot_limits(void)
{
	struct rlimit files = { 65536, 65536 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || !write_file("/proc/self/oom_score_adj", "-1000"))
		die("set limits");
	/* A container's processes must not look into a child that has not called exec yet. */
	prctl(PR_SET_DUMPABLE, 0);
}

void boot_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die("bring lo up");
	close(fd);
}
