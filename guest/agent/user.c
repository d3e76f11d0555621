/* Who a process runs as: Docker's rules for USER, with the image's own /etc/passwd and /etc/group. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "syscalls.h"

enum { MOST_FILE = 1 << 20, FIELDS = 7 };

/* A whole file of the container's, bounded; "" when it has none that is a plain file. Freed with the process. */
static char *slurp(int root, const char *path)
{
	static char nothing[1];
	/* Not onto another file system: a container could have one that never answers. */
	int fd = openat2(root, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0,
			 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (root == AT_FDCWD ? 0 : RESOLVE_NO_XDEV));
	char *text = nothing;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return text;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= MOST_FILE) {
		text = malloc((size_t)st.st_size + 1);
		n = text ? read(fd, text, (size_t)st.st_size) : -1;
		if (n < 0)
			text = nothing;
		else
			text[n] = 0;
	}
	close(fd);
	return text;
}

/* The next line's fields, between colons; NULL at the end. Takes `*rest` apart. */
static char **next_entry(char **rest, char *fields[FIELDS])
{
	static char empty[1];
	char *line = strsep(rest, "\n");

	if (!line)
		return NULL;
	for (int i = 0; i < FIELDS; i++) {
		char *field = line ? strsep(&line, ":") : NULL;

		fields[i] = field ? field : empty;
	}
	return fields;
}

static bool parse_id(const char *text, unsigned *id)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end || errno || value > 0x7fffffff)
		return false;
	*id = (unsigned)value;
	return true;
}

static bool is_member(char *members, const char *name)
{
	char *member;

	while ((member = strsep(&members, ",")))
		if (strcmp(member, name) == 0)
			return true;
	return false;
}

static void add_group(struct identity *who, gid_t gid)
{
	for (unsigned i = 0; i < who->group_count; i++)
		if (who->groups[i] == gid)
			return;
	if (who->group_count == MOST_GROUPS) {
		errno = 0;
		child_fail(ERROR_CODE_INVALID, "more than %d groups", MOST_GROUPS);
	}
	who->groups[who->group_count++] = gid;
}

/* By number or name; false when the file has no such group and it is not a number. */
static bool find_group(const char *groups, const char *wanted, gid_t *gid)
{
	char *copy = strdup(groups), *rest = copy, *fields[FIELDS];
	unsigned id;
	bool found = parse_id(wanted, gid);

	while (copy && !found && next_entry(&rest, fields))
		if (strcmp(fields[0], wanted) == 0 && parse_id(fields[2], &id)) {
			*gid = id;
			found = true;
		}
	free(copy);
	return found;
}

/* Finds the user; its name, or "" when the image does not know it. */
static const char *find_user(const char *wanted, char *passwd, struct identity *who)
{
	char *fields[FIELDS];
	unsigned number = 0, uid, gid;
	bool by_number = !*wanted || parse_id(wanted, &number);

	while (next_entry(&passwd, fields)) {
		if (!parse_id(fields[2], &uid) || !parse_id(fields[3], &gid))
			continue;
		if (by_number ? uid != number : strcmp(fields[0], wanted) != 0)
			continue;
		who->uid = uid;
		who->gid = gid;
		if (*fields[5])
			snprintf(who->home, sizeof(who->home), "%s", fields[5]);
		return fields[0];
	}
	if (!by_number) {
		errno = 0;
		child_fail(ERROR_CODE_USER_NOT_FOUND, "unable to find user %.80s: no matching entries in passwd file", wanted);
	}
	who->uid = number;
	return "";
}

void find_identity(const struct wire_process *spec, struct identity *who)
{
	char *user = strdup(spec->user), *group = user ? strchr(user, ':') : NULL;
	char *groups = slurp(AT_FDCWD, "/etc/group"), *copy = strdup(groups), *rest = copy, *fields[FIELDS];
	const char *name;
	gid_t gid;

	memset(who, 0, sizeof(*who));
	strcpy(who->home, "/");
	if (!user || !copy)
		child_fail(ERROR_CODE_NO_MEMORY, "look up user %.80s", spec->user);
	if (group)
		*group++ = 0;
	name = find_user(user, slurp(AT_FDCWD, "/etc/passwd"), who);
	if (group && *group && !find_group(groups, group, &who->gid)) {
		errno = 0;
		child_fail(ERROR_CODE_USER_NOT_FOUND, "unable to find group %.80s: no matching entries in group file", group);
	}
	add_group(who, who->gid);
	while (!(group && *group) && *name && next_entry(&rest, fields))
		if (is_member(fields[3], name) && parse_id(fields[2], &gid))
			add_group(who, gid);
	for (uint32_t i = 0; i < spec->additional_groups.count; i++) {
		if (!find_group(groups, spec->additional_groups.items[i], &gid)) {
			errno = 0;
			child_fail(ERROR_CODE_USER_NOT_FOUND, "unable to find group %.80s", spec->additional_groups.items[i]);
		}
		add_group(who, gid);
	}
}

bool user_name(int root, uid_t uid, char *name, size_t size)
{
	char *rest = slurp(root, "etc/passwd"), *fields[FIELDS];
	unsigned id;
	bool found = false;

	while (!found && next_entry(&rest, fields))
		if (parse_id(fields[2], &id) && id == uid) {
			snprintf(name, size, "%s", fields[0]);
			found = true;
		}
	return found;
}
