#include "commands.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"

/* ps -ef of a machine with a million processes. */
#define OUTPUT_LIMIT ((size_t)256 << 20)

static void print_json(const pid_t *pids, size_t n)
{
	putchar('[');
	for (size_t i = 0; i < n; i++)
		printf("%s%d", i ? "," : "", pids[i]);
	puts("]");
}

/* In the child. What it says on stderr is the caller's to see. */
static _Noreturn void become_ps(char **argv, int out)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

	if (!getenv("PATH")) /* engines may call us with an empty environment */
		putenv(path);
	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	execvp("ps", argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static int judge(int status, struct error *err)
{
	if (WIFSIGNALED(status))
		return error_set(err, "ps: the program ps was killed by signal %d",
				 WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return error_set(err,
				 "ps: executable file not found in $PATH: the table comes from "
				 "the program ps (package procps); --format json needs none");
	if (WEXITSTATUS(status) == 126)
		return error_set(err, "ps: the program ps cannot be executed");
	if (WEXITSTATUS(status) != 0)
		return error_set(err, "ps: the program ps failed with exit status %d",
				 WEXITSTATUS(status));
	return 0;
}

static int run_ps(struct arena *arena, char **argv, char **output, struct error *err)
{
	int pipes[2];
	int status;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, errno, "ps: making a pipe");
	cleanup_fd int in = pipes[0];
	cleanup_fd int out = pipes[1];
	pid_t child = fork();
	if (child < 0)
		return error_errno(err, errno, "ps: fork");
	if (child == 0)
		become_ps(argv, out);
	fd_cleanup(&out);
	out = -1;
	int result = fd_read_all(arena, in, OUTPUT_LIMIT, output, NULL);
	int number = errno;
	if (result < 0)
		(void)kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "ps: waiting for the program ps");
	}
	if (result < 0)
		return error_errno(err, number, "ps: reading what the program ps prints");
	return judge(status, err);
}

/* The word of that number in a line, counted from 0; NULL when it has fewer. */
static const char *nth_word(const char *line, size_t n)
{
	for (;; n--) {
		line += strspn(line, " \t");
		if (!*line)
			return NULL;
		if (n == 0)
			return line;
		line += strcspn(line, " \t");
	}
}

static bool is_word(const char *at, const char *word)
{
	size_t length = strlen(word);

	return strncmp(at, word, length) == 0 &&
	       (!at[length] || isspace((unsigned char)at[length]));
}

static int find_column(const char *header, size_t *column, struct error *err)
{
	const char *word;

	for (size_t i = 0; (word = nth_word(header, i)) != NULL; i++) {
		if (is_word(word, "PID")) {
			*column = i;
			return 0;
		}
	}
	return error_set(err,
			 "ps: couldn't find PID field in ps output: its first line is \"%s\"; "
			 "choose options with which ps prints one",
			 header);
}

static int by_number(const void *a, const void *b)
{
	const pid_t one = *(const pid_t *)a, other = *(const pid_t *)b;

	return (one > other) - (one < other);
}

/* pids are in ascending order. */
static bool has_pid(const pid_t *pids, size_t n, long pid)
{
	const pid_t wanted = (pid_t)pid;

	return pid > 0 && pid <= INT_MAX && n > 0 &&
	       bsearch(&wanted, pids, n, sizeof(*pids), by_number);
}

static int print_table(struct arena *arena, char **argv, const pid_t *pids, size_t n,
		       struct error *err)
{
	char *output = NULL;
	char *save = NULL;
	size_t column = 0;

	if (run_ps(arena, argv, &output, err) < 0)
		return -1;
	char *line = strtok_r(output, "\n", &save);
	if (find_column(line ? line : "", &column, err) < 0)
		return -1;
	puts(line);
	while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
		const char *word = nth_word(line, column);
		char *end;
		long pid = word ? strtol(word, &end, 10) : 0;

		if (!word || end == word)
			return error_set(err, "ps: unable to parse pid in \"%s\"", line);
		if (has_pid(pids, n, pid))
			puts(line);
	}
	return 0;
}

int ps_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	    struct error *err)
{
	static char name[] = "ps", all[] = "-ef";
	const char *format = "table";
	bool help = false;
	const struct option_spec specs[] = {
	    {"format", 'f', OPTION_TEXT, &format, "table|json", "how to print them"},
	    {.name = NULL}};
	struct str_list words = {.n = 0};
	pid_t *pids;
	size_t n;
	int first = options_parse(arena, specs, argc, argv, &help, err);

	if (first >= 0 && help) {
		command_usage(stdout, command_find(argv[0]), specs);
		return 0;
	}
	if (first >= argc)
		error_set(err, "ps: an argument is missing: ps %s",
			  command_find(argv[0])->arguments);
	else if (first >= 0 && strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		error_set(err, "ps: option --format: expected table or json, got \"%s\"", format);
	if (err->text[0]) {
		command_usage(stderr, command_find(argv[0]), specs);
		return 1;
	}
	if (container_processes(arena, options, argv[first], &pids, &n, err) < 0)
		return 1;
	if (strcmp(format, "json") == 0) {
		print_json(pids, n);
		return 0;
	}
	/* What follows the id is for the program ps. */
	str_list_add(arena, &words, name);
	if (first + 1 < argc && strcmp(argv[first + 1], "--") == 0)
		first++;
	for (int i = first + 1; i < argc; i++)
		str_list_add(arena, &words, argv[i]);
	if (words.n == 1)
		str_list_add(arena, &words, all);
	return print_table(arena, words.items, pids, n, err) < 0;
}
