/* The workload's exec by way of the stub (runtime/stub): made by the runtime, used by the child. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../stub/stub.h"
#include "fd.h"
#include "sandbox_internal.h"

_Static_assert((int)STUB_WORDS == PLAN_STUB_WORDS, "the plan makes room for the stub's arguments");

int sandbox_make_stub(struct plan *plan)
{
	if (stub_image_size == 0) {
		errno = ENOSYS;
		return -1;
	}
	plan->stub = fd_of_program(stub_image, stub_image_size);
	return plan->stub < 0 ? -1 : 0;
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
