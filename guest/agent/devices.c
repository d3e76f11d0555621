#include "devices.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

enum { ANY = -1 };

/* Making device nodes is allowed, using them only for these; `all` = read, write and mknod. */
static const struct rule {
	char type;
	int major, minor;
	bool all;
} rules[] = {
	{ 'c', ANY, ANY, false },
	{ 'b', ANY, ANY, false },
	{ 'c', 1, 3, true },	/* null */
	{ 'c', 1, 5, true },	/* zero */
	{ 'c', 1, 7, true },	/* full */
	{ 'c', 1, 8, true },	/* random */
	{ 'c', 1, 9, true },	/* urandom */
	{ 'c', 5, 0, true },	/* tty */
	{ 'c', 5, 2, true },	/* ptmx */
	{ 'c', 136, ANY, true }, /* pts */
};
enum { RULES = sizeof(rules) / sizeof(*rules), MOST_INSTRUCTIONS = 6 + 6 * RULES + 2 };

static struct bpf_insn instruction(uint8_t code, uint8_t dst, uint8_t src, int16_t offset, int32_t immediate)
{
	return (struct bpf_insn){ .code = code, .dst_reg = dst, .src_reg = src, .off = offset, .imm = immediate };
}

/* r2 = type, r3 = access, r4 = major, r5 = minor; a rule that does not fit jumps to the next. */
static int assemble(struct bpf_insn *program)
{
	struct bpf_insn *at = program;

	*at++ = instruction(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	*at++ = instruction(BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	*at++ = instruction(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	*at++ = instruction(BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16);
	*at++ = instruction(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	*at++ = instruction(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
	for (int i = 0; i < RULES; i++) {
		const struct rule *rule = &rules[i];
		int length = 3 + (rule->major != ANY) + (rule->minor != ANY) + !rule->all;
		struct bpf_insn *end = at + length;
		int type = rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;

#define OTHERWISE_NEXT(register_, value_) \
	(*at = instruction(BPF_JMP | BPF_JNE | BPF_K, register_, 0, (int16_t)(end - at - 1), value_), at++)
		OTHERWISE_NEXT(2, type);
		if (rule->major != ANY)
			OTHERWISE_NEXT(4, rule->major);
		if (rule->minor != ANY)
			OTHERWISE_NEXT(5, rule->minor);
		if (!rule->all)
			OTHERWISE_NEXT(3, BPF_DEVCG_ACC_MKNOD);
		*at++ = instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
		*at++ = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	*at++ = instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	*at++ = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return (int)(at - program);
}

void devices_begin(struct agent *agent)
{
	struct bpf_insn program[MOST_INSTRUCTIONS];
	union bpf_attr load;

	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insn_cnt = (uint32_t)assemble(program);
	load.insns = (uint64_t)(uintptr_t)program;
	load.license = (uint64_t)(uintptr_t) "Apache-2.0";
	agent->device_filter = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	if (agent->device_filter < 0)
		note("load the device filter: %s", strerror(errno));
}

bool devices_restrict(int filter, int group)
{
	union bpf_attr attach;

	memset(&attach, 0, sizeof(attach));
	attach.target_fd = (uint32_t)group;
	attach.attach_bpf_fd = (uint32_t)filter;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) == 0;
}
