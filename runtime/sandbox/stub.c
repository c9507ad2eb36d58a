/* The workload's exec by way of the stub (runtime/stub): made by the runtime, used by the child. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../stub/stub.h"
#include "fd.h"
#include "sandbox_internal.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U /* since Linux 6.3 */
#endif

_Static_assert((int)STUB_WORDS == PLAN_STUB_WORDS, "the plan makes room for the stub's arguments");

static int executable_memory(void)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("runsafe", flags | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("runsafe", flags) : fd;
}

int sandbox_make_stub(struct plan *plan)
{
	if (stub_image_size == 0) {
		errno = ENOSYS;
		return -1;
	}
	cleanup_fd int fd = executable_memory();
	if (fd < 0 || fd_write_all(fd, stub_image, stub_image_size) < 0 || fchmod(fd, 0555) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -1;
	plan->stub = fd_take(&fd);
	return 0;
}

int stub_execute(struct child *child)
{
	const struct plan *plan = child->plan;
	const bool fifo = plan->gate_kind == PLAN_GATE_FIFO;
	const int to = fifo ? plan->report : child->socket;
	/* A long name is cut off, and not the cause that the stub adds: engines look for that. */
	static char number[16], text[sizeof(((struct message *)0)->text) - 128],
	    line[sizeof(text) + 16];
	const int room = (int)(sizeof(text) - sizeof("exec: \"\": "));

	snprintf(number, sizeof(number), "%d", to);
	snprintf(text, sizeof(text), "exec: \"%.*s\": ", room, plan->argv[0]);
	child_line(text, line, sizeof(line));
	plan->stub_argv[STUB_REPORT] = number;
	plan->stub_argv[STUB_HOW] = !plan->says_itself ? "-" : fifo ? ">" : "<";
	plan->stub_argv[STUB_TEXT] = text;
	plan->stub_argv[STUB_LINE] = line;
	plan->stub_argv[STUB_FILE] = child->program;
	for (size_t i = 0; plan->argv[i]; i++)
		plan->stub_argv[STUB_WORDS + i] = plan->argv[i];
	/* The stub closes it at its own exec. */
	if (fcntl(to, F_SETFD, 0) < 0)
		return -1;
	return execveat(plan->stub, "", plan->stub_argv, plan->envp, AT_EMPTY_PATH);
}
