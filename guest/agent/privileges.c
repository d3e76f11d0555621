/* Limits, groups, user and capabilities, in the order in which each is still allowed. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "syscalls.h"

void set_rlimits(const struct wire_process *spec)
{
	/* The agent's own are higher. These are what Docker's daemon gives where nobody asks for others. */
	static const struct {
		int resource;
		struct rlimit limit;
	} base[] = {
		{ RLIMIT_NOFILE, { 1024, 524288 } },
		{ RLIMIT_NPROC, { RLIM_INFINITY, RLIM_INFINITY } },
		{ RLIMIT_CORE, { 0, RLIM_INFINITY } },
	};

	for (size_t i = 0; i < sizeof(base) / sizeof(*base); i++)
		if (setrlimit(base[i].resource, &base[i].limit) < 0)
			child_fail(ERROR_CODE_INTERNAL, "set rlimit %d", base[i].resource);
	for (uint32_t i = 0; i < spec->rlimits.count; i++) {
		const struct wire_rlimit *asked = &spec->rlimits.items[i];
		struct rlimit limit = { asked->soft, asked->hard };

		if (setrlimit(asked->resource, &limit) < 0)
			child_fail(ERROR_CODE_INVALID, "set rlimit %u", asked->resource);
	}
}

static void bound_capabilities(uint64_t bounding)
{
	for (int capability = 0; capability < 64; capability++) {
		if (bounding >> capability & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* the kernel's last one is behind us */
			return;
		child_fail(ERROR_CODE_INTERNAL, "drop capability %d", capability);
	}
}

static void set_capabilities(const struct wire_capabilities *sets)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	uint64_t known = 0;

	for (int capability = 0; capability < 64 && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		known |= 1ull << capability;
	for (int half = 0; half < 2; half++) {
		data[half].effective = (uint32_t)((sets->effective & known) >> (32 * half));
		data[half].permitted = (uint32_t)((sets->permitted & known) >> (32 * half));
		data[half].inheritable = (uint32_t)((sets->inheritable & known) >> (32 * half));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		child_fail(ERROR_CODE_INVALID, "set capabilities (permitted %llx, effective %llx, inheritable %llx)",
			   (unsigned long long)sets->permitted, (unsigned long long)sets->effective,
			   (unsigned long long)sets->inheritable);
	for (int capability = 0; capability < 64; capability++)
		if (sets->ambient & known & 1ull << capability &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			child_fail(ERROR_CODE_INVALID, "raise ambient capability %d", capability);
}

void drop_privileges(const struct wire_process *spec, const struct identity *who)
{
	/* A session keyring of its own; a kernel without keys has none to share. */
	if (syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL) < 0 && errno != ENOSYS)
		child_fail(ERROR_CODE_INTERNAL, "make a session keyring");
	bound_capabilities(spec->capabilities.bounding);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(who->group_count, who->groups) < 0 ||
	    setresgid(who->gid, who->gid, who->gid) < 0 || setresuid(who->uid, who->uid, who->uid) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		child_fail(ERROR_CODE_INTERNAL, "become user %u:%u", who->uid, who->gid);
	set_capabilities(&spec->capabilities);
	if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(ERROR_CODE_INTERNAL, "forbid new privileges");
}
