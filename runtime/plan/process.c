#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "plan_internal.h"

static const struct {
	const char *name;
	int resource;
} rlimit_words[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

static int plan_rlimits(struct planner *p)
{
	const struct config_process *process = &p->config->process;
	struct plan *plan = p->plan;

	for (size_t i = 0; i < process->n_rlimits; i++) {
		const struct config_rlimit *r = &process->rlimits[i];
		size_t w = 0;

		while (w < sizeof(rlimit_words) / sizeof(rlimit_words[0]) &&
		       strcmp(rlimit_words[w].name, r->type) != 0)
			w++;
		if (w == sizeof(rlimit_words) / sizeof(rlimit_words[0]))
			return error_set(p->err, "process.rlimits[%zu].type: unknown \"%s\"", i,
					 r->type);
		plan->rlimits =
		    arena_grow(p->arena, plan->rlimits, plan->n_rlimits, sizeof(*plan->rlimits));
		plan->rlimits[plan->n_rlimits++] = (struct plan_rlimit){
		    .resource = rlimit_words[w].resource,
		    .name = rlimit_words[w].name,
		    .limit = {.rlim_cur = r->soft, .rlim_max = r->hard},
		};
	}
	return 0;
}

static int plan_personality(struct planner *p)
{
	const struct config_personality *wanted = p->config->linux_.personality;

	if (!wanted)
		return 0;
	if (wanted->flags.n)
		return error_set(p->err,
				 "linux.personality.flags: expected an empty list (the "
				 "specification defines no flag), got \"%s\"",
				 wanted->flags.items[0]);
	p->plan->personality_set = true;
	p->plan->personality =
	    wanted->domain && strcmp(wanted->domain, "LINUX32") == 0 ? PER_LINUX32 : PER_LINUX;
	return 0;
}

int plan_process(struct planner *p)
{
	const struct config_process *process = &p->config->process;
	struct plan *plan = p->plan;

	if (!process->present || process->args.n == 0)
		return error_set(p->err, "process.args: expected at least the program to run");
	plan->terminal = process->terminal;
	plan->console_size_set = process->console_size.present;
	if (process->console_size.height > 65535 || process->console_size.width > 65535)
		return error_set(p->err,
				 "process.consoleSize: expected height and width up to 65535");
	plan->rows = (unsigned short)process->console_size.height;
	plan->columns = (unsigned short)process->console_size.width;
	plan->argv = process->args.items;
	plan->cwd = process->cwd;
	plan->no_new_privileges = process->no_new_privileges;
	plan->new_keyring = p->hardening->new_keyring;
	plan->oom_score_adj_set = process->oom_score_adj.set;
	plan->oom_score_adj = (int)process->oom_score_adj.value;
	if (plan_rlimits(p) < 0 || plan_personality(p) < 0 || plan_attributes(p) < 0)
		return -1;
	return plan_lsm(p);
}
