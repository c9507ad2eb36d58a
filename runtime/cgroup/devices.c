/*
 * linux.resources.devices as a BPF_PROG_TYPE_CGROUP_DEVICE program. cgroup v2 has no devices
 * controller; the kernel asks such a program at each open(2) and mknod(2) of a device
 * (cgroup-v2.rst, Device controller).
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "fd.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)
#define ANY	   (-1)

/* A rule with its words turned into numbers. */
struct rule {
	bool allow;
	int type; /* BPF_DEVCG_DEV_CHAR, _BLOCK or ANY */
	int64_t major;
	int64_t minor;
	int access;
};

/* The set that every container has, config-linux.md "Default Devices", with the console and the
 * pseudo terminals: Documentation/admin-guide/devices.txt. */
static const struct rule default_set[] = {
    {true, BPF_DEVCG_DEV_CHAR, 1, 3, ACCESS_ALL},     /* null */
    {true, BPF_DEVCG_DEV_CHAR, 1, 5, ACCESS_ALL},     /* zero */
    {true, BPF_DEVCG_DEV_CHAR, 1, 7, ACCESS_ALL},     /* full */
    {true, BPF_DEVCG_DEV_CHAR, 1, 8, ACCESS_ALL},     /* random */
    {true, BPF_DEVCG_DEV_CHAR, 1, 9, ACCESS_ALL},     /* urandom */
    {true, BPF_DEVCG_DEV_CHAR, 5, 0, ACCESS_ALL},     /* tty */
    {true, BPF_DEVCG_DEV_CHAR, 5, 1, ACCESS_ALL},     /* console */
    {true, BPF_DEVCG_DEV_CHAR, 5, 2, ACCESS_ALL},     /* ptmx */
    {true, BPF_DEVCG_DEV_CHAR, 136, ANY, ACCESS_ALL}, /* pts */
};

static const struct rule any_mknod[] = {
    {true, BPF_DEVCG_DEV_CHAR, ANY, ANY, BPF_DEVCG_ACC_MKNOD},
    {true, BPF_DEVCG_DEV_BLOCK, ANY, ANY, BPF_DEVCG_ACC_MKNOD},
};

struct rules {
	struct arena *arena;
	struct rule *items;
	size_t n;
};

static void rules_add(struct rules *rules, const struct rule *rule)
{
	rules->items = arena_grow(rules->arena, rules->items, rules->n, sizeof(*rules->items));
	rules->items[rules->n++] = *rule;
}

static int number_of(const char *where, const char *what, struct opt_i64 in, int64_t *out,
		     struct error *err)
{
	*out = in.set ? in.value : ANY;
	if (*out >= ANY && *out <= UINT32_MAX)
		return 0;
	return error_set(err,
			 "%s.%s: expected a device number from 0 up, or -1 for all, got %" PRId64,
			 where, what, *out);
}

static int type_of(const char *where, const char *type, int *out, struct error *err)
{
	if (!type || strcmp(type, "a") == 0)
		*out = ANY;
	else if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		*out = BPF_DEVCG_DEV_CHAR;
	else if (strcmp(type, "b") == 0)
		*out = BPF_DEVCG_DEV_BLOCK;
	else
		return error_set(err, "%s.type: expected \"a\", \"b\" or \"c\", got \"%s\"", where,
				 type);
	return 0;
}

static int access_of(const char *where, const char *text, int *out, struct error *err)
{
	*out = text && *text ? 0 : ACCESS_ALL;
	for (; text && *text; text++) {
		if (*text == 'r')
			*out |= BPF_DEVCG_ACC_READ;
		else if (*text == 'w')
			*out |= BPF_DEVCG_ACC_WRITE;
		else if (*text == 'm')
			*out |= BPF_DEVCG_ACC_MKNOD;
		else
			return error_set(err, "%s.access: expected letters of \"rwm\", got \"%c\"",
					 where, *text);
	}
	return 0;
}

static int rules_from_config(struct rules *rules, const struct config_resources *resources,
			     struct error *err)
{
	for (size_t i = 0; resources && i < resources->n_devices; i++) {
		const struct config_device_rule *in = &resources->devices[i];
		const char *where = arena_printf(rules->arena, "linux.resources.devices[%zu]", i);
		struct rule rule = {.allow = in->allow};

		if (type_of(where, in->type, &rule.type, err) < 0 ||
		    number_of(where, "major", in->major, &rule.major, err) < 0 ||
		    number_of(where, "minor", in->minor, &rule.minor, err) < 0 ||
		    access_of(where, in->access, &rule.access, err) < 0)
			return -1;
		rules_add(rules, &rule);
	}
	return 0;
}

static int rules_from_nodes(struct rules *rules, const struct cgroup_request *request,
			    struct error *err)
{
	for (size_t i = 0; i < request->n_devices; i++) {
		const struct config_device *in = &request->devices[i];
		const char *where = arena_printf(rules->arena, "linux.devices[%zu]", i);
		struct rule rule = {.allow = true, .access = ACCESS_ALL};
		struct opt_i64 major = {true, in->major}, minor = {true, in->minor};

		if (in->type && strcmp(in->type, "p") == 0)
			continue; /* a fifo is no device */
		if (type_of(where, in->type, &rule.type, err) < 0 ||
		    number_of(where, "major", major, &rule.major, err) < 0 ||
		    number_of(where, "minor", minor, &rule.minor, err) < 0)
			return -1;
		rules_add(rules, &rule);
	}
	return 0;
}

struct program {
	struct arena *arena;
	struct bpf_insn *insns;
	size_t n;
};

static void emit(struct program *p, int code, int dst, int src, int offset, int32_t value)
{
	struct bpf_insn insn = {.code = (uint8_t)code, .off = (int16_t)offset, .imm = value};

	insn.dst_reg = (uint8_t)(dst & 0xf);
	insn.src_reg = (uint8_t)(src & 0xf);
	p->insns = arena_grow(p->arena, p->insns, p->n, sizeof(*p->insns));
	p->insns[p->n++] = insn;
}

static void emit_return(struct program *p, int value)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* A jump whose distance is not known yet. */
static size_t emit_jump(struct program *p, int op, int reg, int64_t value)
{
	emit(p, BPF_JMP32 | op | BPF_K, reg, 0, 0, (int32_t)(uint32_t)value);
	return p->n - 1;
}

/* r1 major and minor in one, r2 device type, r3 the accesses that are not granted yet, r4 major,
 * r5 minor. */
enum { DEVICE = BPF_REG_1, TYPE, ACCESS, MAJOR, MINOR };

/* What a dev_t has room for (linux/kdev_t.h). */
#define MINOR_BITS 20
#define MAJOR_MOST 0xfff
#define MINOR_MOST 0xfffff

static void emit_context(struct program *p)
{
	/* access_type is the access in the high 16 bits and the type in the low ones */
	emit(p, BPF_LDX | BPF_MEM | BPF_W, TYPE, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, MAJOR, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, MINOR, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, DEVICE, MAJOR, 0, 0);
	emit(p, BPF_ALU64 | BPF_LSH | BPF_K, DEVICE, 0, 0, MINOR_BITS);
	emit(p, BPF_ALU64 | BPF_OR | BPF_X, DEVICE, MINOR, 0, 0);
}

static void land(struct program *p, size_t jump)
{
	p->insns[jump].off = (int16_t)(p->n - jump - 1);
}

/* For a device of the rule's type. True when nothing behind this rule can be reached: the verifier
 * wants no dead code. */
static bool emit_rule(struct program *p, const struct rule *rule)
{
	size_t jumps[2], n = 0;

	/* There is no such device. */
	if (rule->major > MAJOR_MOST || rule->minor > MINOR_MOST)
		return false;
	if (rule->major != ANY && rule->minor != ANY)
		jumps[n++] = emit_jump(p, BPF_JNE, DEVICE, rule->major << MINOR_BITS | rule->minor);
	else if (rule->major != ANY)
		jumps[n++] = emit_jump(p, BPF_JNE, MAJOR, rule->major);
	else if (rule->minor != ANY)
		jumps[n++] = emit_jump(p, BPF_JNE, MINOR, rule->minor);
	if (rule->access != ACCESS_ALL && rule->allow) {
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, ACCESS, 0, 0, ~rule->access);
		jumps[n++] = emit_jump(p, BPF_JNE, ACCESS, 0);
	} else if (rule->access != ACCESS_ALL) {
		emit(p, BPF_JMP | BPF_JSET | BPF_K, ACCESS, 0, 1, rule->access);
		emit(p, BPF_JMP | BPF_JA, 0, 0, 0, 0);
		jumps[n++] = p->n - 1;
	}
	emit_return(p, rule->allow);
	for (size_t i = 0; i < n; i++)
		land(p, jumps[i]);
	return n == 0;
}

/* The rules of one type that end at *left, at most as many as a jump of 16 bits leads over; the
 * type is asked for once. True as for one rule. */
static bool emit_group(struct program *p, const struct rules *rules, size_t *left)
{
	const int type = rules->items[*left - 1].type;
	const size_t most = *left > 4000 ? *left - 4000 : 0;
	const size_t jump = type == ANY ? 0 : emit_jump(p, BPF_JNE, TYPE, type);
	bool over = false;

	for (; *left > most && rules->items[*left - 1].type == type; (*left)--)
		over = over || emit_rule(p, &rules->items[*left - 1]);
	if (type != ANY)
		land(p, jump);
	return over && type == ANY;
}

/*
 * As in cgroup v1, a later rule overrides an earlier one for the accesses that it names. So they
 * are asked from the last to the first: what one allows needs no other's word, what one denies
 * is denied, and what none speaks of is denied as well.
 */
static void assemble(struct program *p, const struct rules *rules)
{
	bool end = false;

	emit_context(p);
	for (size_t left = rules->n; left > 0 && !end;)
		end = emit_group(p, rules, &left);
	if (!end)
		emit_return(p, 0);
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load_and_attach(const struct program *p, int dir)
{
	cleanup_fd int program = -1;
	union bpf_attr load, attach;

	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.expected_attach_type = BPF_CGROUP_DEVICE;
	load.insns = (uintptr_t)p->insns;
	load.insn_cnt = (uint32_t)p->n;
	load.license = (uintptr_t) "Apache-2.0";
	memcpy(load.prog_name, "runsafe_devices", 16);
	program = bpf(BPF_PROG_LOAD, &load);
	if (program < 0)
		return -1;
	memset(&attach, 0, sizeof(attach));
	attach.target_fd = (uint32_t)dir;
	attach.attach_bpf_fd = (uint32_t)program;
	attach.attach_type = BPF_CGROUP_DEVICE;
	/* A program of ours in a group below or above must hold as well: all are asked. */
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	return bpf(BPF_PROG_ATTACH, &attach);
}

int cg_devices_attach(struct arena *arena, const struct cgroup_request *request, int dir,
		      struct error *err)
{
	struct rules rules = {.arena = arena};
	struct program program = {.arena = arena};

	if (rules_from_config(&rules, request->resources, err) < 0)
		return -1;
	if (request->allow_mknod)
		for (size_t i = 0; i < sizeof(any_mknod) / sizeof(any_mknod[0]); i++)
			rules_add(&rules, &any_mknod[i]);
	if (rules_from_nodes(&rules, request, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(default_set) / sizeof(default_set[0]); i++)
		rules_add(&rules, &default_set[i]);
	assemble(&program, &rules);
	if (load_and_attach(&program, dir) == 0)
		return 0;
	error_errno(err, errno,
		    "linux.resources.devices: can not attach the BPF program that keeps the "
		    "container from other devices");
	if (err->number == EPERM)
		return error_wrap(err, "bpf(2) needs CAP_SYS_ADMIN, or CAP_BPF and CAP_NET_ADMIN");
	if (err->number == ENOSYS || err->number == EINVAL)
		return error_wrap(err, "this kernel needs CONFIG_CGROUP_BPF");
	return -1;
}
