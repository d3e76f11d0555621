#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "container.h"
#include "handlers.h"

enum { LEAST_ENTROPY = 32, MOST_ENTROPY = 512, SHUTDOWN_SECONDS = 10 };

static void answer(struct agent *agent, const struct request *request, bool ok, const struct fault *f, const void *message)
{
	if (ok)
		reply(agent, request, message);
	else
		channel_error(agent, request->id, f);
}

void sandbox_ping(struct agent *agent, struct request *request)
{
	struct timespec now;
	struct msg_ping_reply pong;

	clock_gettime(CLOCK_REALTIME, &now);
	pong.wall_clock_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	reply(agent, request, &pong);
}

/*
 * In emulation, on a busy host, the kernel may fail to measure the time-stamp counter and fall back to counting its own
 * ticks: coarse clocks, and a machine that never sleeps. One boot may run like that; a template would make it last.
 */
static bool check_clock(struct fault *f)
{
	char name[32];

	if (read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", name, sizeof(name)) > 0 && strstr(name, "jiffies"))
		return fault_set(f, ERROR_CODE_INTERNAL, 0,
				 "the guest kernel could not calibrate its clock while it booted (busy host): boot it again");
	return true;
}

void sandbox_prepare_template(struct agent *agent, struct request *request)
{
	struct msg_prepare_template_reply done = { 0 };
	struct fault f;

	if (!check_clock(&f)) {
		channel_error(agent, request->id, &f);
		return;
	}
	/* What boot has read will not be read again; every page that is free now costs no clone anything. */
	if (!write_file("/proc/sys/vm/drop_caches", "3") || !write_file("/proc/sys/vm/compact_memory", "1"))
		note("drop caches: %s", strerror(errno));
	reply(agent, request, &done);
}

/* --- making a clone unique */

static bool seed(const struct bytes *entropy, struct fault *f)
{
	struct {
		struct rand_pool_info info;
		uint8_t bytes[MOST_ENTROPY];
	} pool;
	int fd;
	bool ok;

	if (entropy->length < LEAST_ENTROPY || entropy->length > MOST_ENTROPY)
		return fault_set(f, ERROR_CODE_INVALID, 0, "%u bytes of entropy: %d to %d are needed", entropy->length,
				 LEAST_ENTROPY, MOST_ENTROPY);
	pool.info.entropy_count = (int)entropy->length * 8;
	pool.info.buf_size = (int)entropy->length;
	memcpy(pool.info.buf, entropy->data, entropy->length);
	fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	/* The second call makes every generator of the kernel's take the new seed now, not some minutes later. */
	ok = fd >= 0 && ioctl(fd, RNDADDENTROPY, &pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
	if (!ok)
		fault_set(f, ERROR_CODE_INTERNAL, errno, "seed the random number generator");
	explicit_bzero(&pool, sizeof(pool));
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool set_clock(uint64_t wall_clock_ns, struct fault *f)
{
	struct timespec now = { (time_t)(wall_clock_ns / 1000000000u), (long)(wall_clock_ns % 1000000000u) };

	return clock_settime(CLOCK_REALTIME, &now) == 0 || fault_set(f, ERROR_CODE_INVALID, errno, "set the clock");
}

static bool set_hostname(const char *name, struct fault *f)
{
	return sethostname(name, strlen(name)) == 0 || fault_set(f, ERROR_CODE_INVALID, errno, "set the host name to \"%.80s\"", name);
}

/* A network card, not something that only exists in the kernel (dummy, bridge). */
static bool is_card(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%.16s/device", name);
	return access(path, F_OK) == 0;
}

/* The first Ethernet interface there is. */
static bool set_mac(const struct bytes *mac, struct fault *f)
{
	struct if_nameindex *names = if_nameindex(), *each = names;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = false, ok = false;

	for (; names && fd >= 0 && !found && each->if_index; each++) {
		struct ifreq request = { 0 };

		strncpy(request.ifr_name, each->if_name, sizeof(request.ifr_name) - 1);
		if (ioctl(fd, SIOCGIFHWADDR, &request) < 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER ||
		    !is_card(each->if_name))
			continue;
		found = true;
		memcpy(request.ifr_hwaddr.sa_data, mac->data, 6);
		ok = ioctl(fd, SIOCSIFHWADDR, &request) == 0;
	}
	if (!found)
		fault_set(f, ERROR_CODE_NOT_FOUND, 0, "set the MAC address: there is no Ethernet interface");
	else if (!ok)
		fault_set(f, ERROR_CODE_INTERNAL, errno, "set the MAC address");
	if (names)
		if_freenameindex(names);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool check_identity(struct agent *agent, const struct msg_personalise *who, struct fault *f)
{
	if (agent->personalised)
		return fault_set(f, ERROR_CODE_EXISTS, 0, "this machine has been personalised already");
	if (strlen(who->machine_id) != 32 || strspn(who->machine_id, "0123456789abcdef") != 32)
		return fault_set(f, ERROR_CODE_INVALID, 0, "\"%.40s\" is not a machine id of 32 hexadecimal digits", who->machine_id);
	if (who->mac.length != 0 && who->mac.length != 6)
		return fault_set(f, ERROR_CODE_INVALID, 0, "a MAC address of %u bytes", who->mac.length);
	return true;
}

void sandbox_personalise(struct agent *agent, struct request *request)
{
	const struct msg_personalise *who = request->message;
	char boot_id[40] = "";
	struct msg_personalise_reply done = { boot_id };
	struct fault f;
	bool ok = check_identity(agent, who, &f) && seed(&who->entropy, &f) && set_clock(who->wall_clock_ns, &f) &&
		  set_hostname(who->hostname, &f) && (who->mac.length == 0 || set_mac(&who->mac, &f));

	if (ok) {
		agent->personalised = true;
		memcpy(agent->machine_id, who->machine_id, 32);
		strcpy(agent->machine_id + 32, "\n");
		/* The kernel makes it up when it is first read: never before this line. */
		if (read_file("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) < 0)
			ok = fault_set(&f, ERROR_CODE_INTERNAL, errno, "read the boot id");
		boot_id[strcspn(boot_id, "\n")] = 0;
	}
	answer(agent, request, ok, &f, &done);
}

void sandbox_set_clock(struct agent *agent, struct request *request)
{
	const struct msg_set_clock *message = request->message;
	struct msg_set_clock_reply done = { 0 };
	struct fault f;

	answer(agent, request, set_clock(message->wall_clock_ns, &f), &f, &done);
}

void sandbox_set_hostname(struct agent *agent, struct request *request)
{
	const struct msg_set_hostname *message = request->message;
	struct msg_set_hostname_reply done = { 0 };
	struct fault f;

	answer(agent, request, set_hostname(message->hostname, &f), &f, &done);
}

void sandbox_release_disk(struct agent *agent, struct request *request)
{
	const struct msg_release_disk *message = request->message;
	struct msg_release_disk_reply done = { 0 };
	struct fault f;

	answer(agent, request, disk_release(agent, message->serial, &f), &f, &done);
}

/* --- the end */

void sandbox_shutdown(struct agent *agent, struct request *request)
{
	struct msg_shutdown_reply done = { 0 };
	struct timespec now, end;

	for (struct container *c = agent->containers; c; c = c->next)
		if (c->cgroup >= 0)
			cgroup_kill(c->cgroup);
	reply(agent, request, &done);
	channel_flush(agent);
	/* With the last process and descriptor of a mount namespace its file systems are unmounted. */
	for (struct container *c = agent->containers; c; c = c->next) {
		if (c->mount_ns >= 0)
			close(c->mount_ns);
		c->mount_ns = -1;
	}
	if (agent->pod_init > 0)
		kill(agent->pod_init, SIGKILL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SHUTDOWN_SECONDS;
	do {
		sigset_t child;
		struct timespec wait = { 1, 0 };

		sigemptyset(&child);
		sigaddset(&child, SIGCHLD);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG) < 0) /* ECHILD: nobody is left */
			break;
		sigtimedwait(&child, NULL, &wait);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	sync();
	/* microvm has no power switch: a reboot ends it (-no-reboot). */
	reboot(RB_AUTOBOOT);
}
