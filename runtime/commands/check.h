/* What check found out, and the part of it that is printed about the workload. */
#ifndef RUNSAFE_COMMANDS_CHECK_H
#define RUNSAFE_COMMANDS_CHECK_H

#include "arena.h"
#include "container.h"

enum check_status { CHECK_AS_WRITTEN = 0, CHECK_CHANGED = 1, CHECK_REFUSED = 2 };

/* One line a fact: user, capabilities, filters, files, namespaces, limits. */
void check_print_effective(struct arena *arena, const struct container_state *check);

#endif
