/*
 * seccomp-build --table ARCH=FILE... [--group NAME=PROFILE]... PROFILE OUT.c
 *
 * Makes the built-in seccomp programs when runsafe is built: for each machine, one for each
 * combination of the groups that a policy can let through. A group is a profile whose rules go
 * before the main one's.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/audit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "seccomp_build.h"

#define MAX_TABLES 4
#define MAX_GROUPS 4 /* 16 programs a machine */
#define MAX_BYTES  (1 << 20)

#define FIRST_NEWER 335

struct named_profile {
	const char *name;
	struct config_seccomp *profile;
};

struct build {
	struct arena arena;
	struct number_table tables[MAX_TABLES];
	const char *machines[MAX_TABLES]; /* "x86_64" */
	size_t n_tables;
	struct named_profile groups[MAX_GROUPS];
	size_t n_groups;
	const char *path; /* of the main profile */
	struct config_seccomp *profile;
};

static const struct {
	const char *name;
	uint32_t arch;
	const char *word; /* in a profile's architectures */
} machines[] = {
    {"x86_64", AUDIT_ARCH_X86_64, "SCMP_ARCH_X86_64"},
    {"aarch64", AUDIT_ARCH_AARCH64, "SCMP_ARCH_AARCH64"},
};

/* Splits "NAME=VALUE" of an option. */
static int split(struct build *b, const char *text, const char **name, const char **value,
		 struct error *err)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		return error_set(err, "expected NAME=FILE, got \"%s\"", text);
	*name = arena_strndup(&b->arena, text, (size_t)(equals - text));
	*value = equals + 1;
	return 0;
}

static int add_table(struct build *b, const char *text, struct error *err)
{
	const char *name = "", *path = "";

	if (b->n_tables == MAX_TABLES)
		return error_set(err, "at most %d tables", MAX_TABLES);
	if (split(b, text, &name, &path, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (strcmp(machines[i].name, name) != 0)
			continue;
		b->machines[b->n_tables] = name;
		return number_table_read(&b->arena, path, machines[i].arch,
					 &b->tables[b->n_tables++], err);
	}
	return error_set(err, "--table: unknown machine %s", name);
}

static int read_profile(struct build *b, const char *path, struct config_seccomp **out,
			struct error *err)
{
	char *text;
	size_t length;

	*out = arena_alloc(&b->arena, sizeof(**out));
	if (file_read_all(&b->arena, AT_FDCWD, path, MAX_BYTES, &text, &length) < 0)
		return error_errno(err, errno, "%s", path);
	return config_parse_seccomp(&b->arena, path, text, length, *out, err);
}

static int add_group(struct build *b, const char *text, struct error *err)
{
	struct named_profile *group = &b->groups[b->n_groups];
	const char *path = NULL;

	if (b->n_groups == MAX_GROUPS)
		return error_set(err, "at most %d groups", MAX_GROUPS);
	if (split(b, text, &group->name, &path, err) < 0)
		return -1;
	b->n_groups++;
	return read_profile(b, path, &group->profile, err);
}

static bool name_known(const struct build *b, const char *name)
{
	for (size_t i = 0; i < b->n_tables; i++)
		for (size_t j = 0; j < MAX_NUMBER; j++)
			if (b->tables[i].names[j] && strcmp(b->tables[i].names[j], name) == 0)
				return true;
	return false;
}

/* A misspelt name in our own profile must not pass. */
static int check_names(const struct build *b, const struct config_seccomp *profile,
		       struct error *err)
{
	for (size_t i = 0; i < profile->n_syscalls; i++)
		for (size_t j = 0; j < profile->syscalls[i].names.n; j++) {
			const char *name = profile->syscalls[i].names.items[j];

			if (!name_known(b, name))
				return error_set(err,
						 "syscalls[%zu].names[%zu]: %s is in no "
						 "number table",
						 i, j, name);
		}
	return 0;
}

static int check_profile(const struct build *b, struct error *err)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (!str_list_has(&b->profile->architectures, machines[i].word))
			return error_set(err, "%s: architectures: %s is missing", b->path,
					 machines[i].word);
	if (check_names(b, b->profile, err) < 0)
		return error_wrap(err, "%s", b->path);
	for (size_t i = 0; i < b->n_groups; i++)
		if (check_names(b, b->groups[i].profile, err) < 0)
			return error_wrap(err, "group %s", b->groups[i].name);
	return 0;
}

static void write_program(FILE *out, const char *machine, unsigned int combination,
			  const struct program *program)
{
	fprintf(out, "\nstatic const struct sock_filter %s_%u[%zu] = {\n", machine, combination,
		program->length);
	for (size_t i = 0; i < program->length; i++) {
		const struct sock_filter *in = &program->code[i];

		fprintf(out, "\t{0x%02x, %u, %u, 0x%08x},\n", (unsigned int)in->code,
			(unsigned int)in->jt, (unsigned int)in->jf, in->k);
	}
	fputs("};\n", out);
}

/* The programs of one machine, and the list of them. */
static int write_machine(struct build *b, size_t table, FILE *out, struct error *err)
{
	static struct calls calls;
	static struct program program;
	size_t lengths[1 << MAX_GROUPS];
	const char *machine = b->machines[table];
	unsigned int combinations = 1u << b->n_groups;

	for (unsigned int c = 0; c < combinations; c++) {
		if (calls_begin(b->profile, &calls, err) < 0)
			return -1;
		for (size_t g = 0; g < b->n_groups; g++)
			if ((c & (1u << g)) && calls_add(&b->arena, b->groups[g].profile,
							 &b->tables[table], &calls, err) < 0)
				return error_wrap(err, "group %s", b->groups[g].name);
		if (calls_add(&b->arena, b->profile, &b->tables[table], &calls, err) < 0)
			return error_wrap(err, "%s", b->path);
		if (program_build(&b->arena, &calls, b->tables[table].arch, &program, err) < 0)
			return -1;
		write_program(out, machine, c, &program);
		lengths[c] = program.length;
	}
	fprintf(out, "\nstatic const struct seccomp_table_program %s_programs[] = {\n", machine);
	for (unsigned int c = 0; c < combinations; c++)
		fprintf(out, "\t{%s_%u, %zu},\n", machine, c, lengths[c]);
	fputs("};\n", out);
	return 0;
}

/* The names that a libseccomp of 2018 to now may lack: 335 and on. */
static void write_newer(const struct number_table *table, const char *machine, FILE *out)
{
	fprintf(out, "\nstatic const struct seccomp_table_name %s_newer[] = {\n", machine);
	for (unsigned int i = FIRST_NEWER; i < MAX_NUMBER; i++)
		if (table->names[i])
			fprintf(out, "\t{\"%s\", %u},\n", table->names[i], i);
	fputs("\t{NULL, 0},\n};\n", out);
}

static int write_all(struct build *b, FILE *out, struct error *err)
{
	fprintf(out,
		"/* Made by tools/seccomp-build from %s. Do not edit. */\n"
		"#include <stddef.h>\n\n#include \"seccomp_table.h\"\n",
		b->path);
	for (size_t i = 0; i < b->n_tables; i++) {
		if (write_machine(b, i, out, err) < 0)
			return error_wrap(err, "%s", b->machines[i]);
		write_newer(&b->tables[i], b->machines[i], out);
	}
	fputs("\nconst struct seccomp_table seccomp_tables[] = {\n", out);
	for (size_t i = 0; i < b->n_tables; i++)
		fprintf(out, "\t{0x%08xu, %s_programs, %s_newer},\n", b->tables[i].arch,
			b->machines[i], b->machines[i]);
	fputs("\t{0, NULL, NULL},\n};\n\nconst char *const seccomp_table_groups[] = {", out);
	for (size_t i = 0; i < b->n_groups; i++)
		fprintf(out, "\"%s\", ", b->groups[i].name);
	fputs("NULL};\n", out);
	return 0;
}

static int build(struct build *b, const char *out_path, struct error *err)
{
	FILE *out;
	int r;

	if (read_profile(b, b->path, &b->profile, err) < 0 || check_profile(b, err) < 0)
		return -1;
	out = fopen(out_path, "we");
	if (!out)
		return error_errno(err, errno, "%s", out_path);
	r = write_all(b, out, err);
	if (fclose(out) != 0 && r == 0)
		r = error_errno(err, errno, "%s", out_path);
	if (r < 0)
		remove(out_path);
	return r;
}

static int parse_options(struct build *b, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
	    {"table", required_argument, NULL, 't'},
	    {"group", required_argument, NULL, 'g'},
	    {NULL, 0, NULL, 0},
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't')
			r = add_table(b, optarg, err);
		else if (option == 'g')
			r = add_group(b, optarg, err);
		else
			return error_set(err, "wrong options");
	}
	if (r == 0 && (argc - optind != 2 || b->n_tables == 0))
		r = error_set(err, "usage: seccomp-build --table ARCH=FILE... "
				   "[--group NAME=PROFILE]... PROFILE OUT.c");
	return r;
}

int main(int argc, char **argv)
{
	static struct build b;
	struct error err = ERROR_INIT;
	int r = parse_options(&b, argc, argv, &err);

	if (r == 0) {
		b.path = argv[optind];
		r = build(&b, argv[optind + 1], &err);
	}
	if (r < 0)
		fprintf(stderr, "seccomp-build: %s\n", err.text);
	arena_free(&b.arena);
	return r < 0;
}
