/* The way of a child from the agent's fork to the container's exec. Whatever fails is told through FD_ERROR. */
#pragma once
#include "process.h"
#include "protocol.gen.h"

struct agent;
struct container;

struct birth {
	struct agent *agent;
	struct container *container;
	const struct wire_container *first; /* a container's first process; NULL: an exec */
	const struct wire_process *spec;
	struct stdio stdio;
	int status; /* the pipe to the agent */
	int pidfd;  /* exec: the container's first process, whose namespaces to enter */
};

_Noreturn void child_main(const struct birth *birth);
/* Ends the child: the message with errno's text, unless errno is 0. */
__attribute__((format(printf, 2, 3))) _Noreturn void child_fail(enum error_code code, const char *format, ...);

/* rootfs.c: assembles the root from layers and upper disk and makes it this process's own. */
void enter_root(const struct birth *birth);
/* sources.c: mounts that have no place yet, made while the agent's root is in sight. -1 = nothing to prepare. */
struct sources {
	int *mounts, *files; /* as many as the container's mounts and files */
	int machine_id;
};
struct sources prepare_sources(const struct birth *birth);
/* mounts.c: what Docker mounts, what the host asked for, what is hidden. */
void make_mounts(const struct birth *birth, const struct sources *sources);
void protect_kernel_files(const struct wire_container *container);
/* files.c */
void place_files(const struct birth *birth, const struct sources *sources);
/* Makes a directory and those above it; the path is resolved in this process's root. 0, or -1 with errno. */
int make_directories(const char *path, mode_t mode);

/* user.c */
enum { MOST_GROUPS = 64 };
struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[MOST_GROUPS];
	unsigned group_count;
	char home[256];
};
void find_identity(const struct wire_process *spec, struct identity *who);
/* The name of a user in the passwd file below `root`; false when it has none. */
bool user_name(int root, uid_t uid, char *name, size_t size);

/* privileges.c: from here on only what the process may keep. */
void drop_privileges(const struct wire_process *spec, const struct identity *who);
void set_rlimits(const struct wire_process *spec);

/* execute.c */
_Noreturn void execute(const struct wire_process *spec, const struct identity *who, bool first, bool under_init);
/* Also for the init role: looks the command up, tells FD_ERROR what went wrong. */
_Noreturn void execute_command(char *const arguments[], char *const environment[], bool first);
