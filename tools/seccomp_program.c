/* The program of a built-in profile: one architecture's tree, and no other way in. */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <errno.h>
#include <stddef.h>

#include "seccomp_build.h"

int program_build(struct arena *arena, const struct calls *calls, uint32_t arch,
		  struct program *out, struct error *err)
{
	static const struct call x32 = {.otherwise = SECCOMP_RET_ERRNO | ENOSYS};
	struct call unknown = {.otherwise = calls->unknown};
	struct tree t = {.arena = arena};
	struct bpf_writer w = {.n = 0};
	place root;

	for (uint32_t i = 0; i < MAX_NUMBER; i++)
		tree_add(&t, i, &calls->by_number[i]);
	tree_add(&t, MAX_NUMBER, &unknown);
	/* Whatever the default action is: the x32 door stays shut. */
	if (arch == AUDIT_ARCH_X86_64)
		tree_add(&t, X32_BIT, &x32);

	root = tree_write(&w, &t);
	/* int 0x80 and AArch32 have other numbers and other doors (socketcall). */
	write_jump(&w, OP_EQ, arch, root, write_answer(&w, SECCOMP_RET_KILL_PROCESS));
	write_push(&w, OP_LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	if (w.full)
		return error_set(err, "the program is longer than the kernel's %d instructions",
				 BPF_MAXINSNS);

	out->length = w.n;
	write_forwards(&w, out->code);
	return 0;
}
