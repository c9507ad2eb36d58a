/* Our own profile: programs that were made when runsafe was built, chosen by machine and groups. */
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>

#include "seccomp.h"
#include "seccomp_table.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#define NATIVE_ARCH 0
#endif

const struct seccomp_table *seccomp_table_native(void)
{
	for (size_t i = 0; seccomp_tables[i].arch != 0; i++)
		if (seccomp_tables[i].arch == NATIVE_ARCH)
			return &seccomp_tables[i];
	return NULL;
}

/* "ptrace, other" */
static void list_groups(char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; seccomp_table_groups[i] && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
					 seccomp_table_groups[i]);
}

static int group_bit(const char *name, size_t *bit, struct error *err)
{
	char known[256];

	for (size_t i = 0; seccomp_table_groups[i]; i++)
		if (strcmp(seccomp_table_groups[i], name) == 0) {
			*bit = (size_t)1 << i;
			return 0;
		}
	list_groups(known, sizeof(known));
	return error_set(err,
			 "the built-in seccomp profile has no group \"%s\" to let through; it "
			 "has: %s",
			 name, known);
}

int seccomp_builtin(const struct str_list *allow, struct seccomp_program *out, struct error *err)
{
	const struct seccomp_table *table;
	size_t combination = 0, bit = 0;

	for (size_t i = 0; i < allow->n; i++) {
		if (group_bit(allow->items[i], &bit, err) < 0)
			return -1;
		combination |= bit;
	}
	table = seccomp_table_native();
	if (!table)
		return error_set(err,
				 "the built-in seccomp profile is made for x86-64 and arm64, not "
				 "for this machine; --policy oci runs without it");
	out->instructions = table->programs[combination].instructions;
	out->length = table->programs[combination].length;
	out->flags = 0;
	return 0;
}

const char *const *seccomp_builtin_groups(void)
{
	return seccomp_table_groups;
}
