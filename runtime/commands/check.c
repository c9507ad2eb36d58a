#include "commands.h"

#include <string.h>

#include "check.h"
#include "config.h"
#include "json_write.h"
#include "policy.h"

/* In the order of enum finding_kind, which begins at 1. */
static const char *const kind_words[] = {"changed", "refused", "note"};

/* The exit status of check: what a script wants to know. */
static int outcome(const struct findings *findings)
{
	if (findings_have(findings, FINDING_REFUSED))
		return CHECK_REFUSED;
	return findings_have(findings, FINDING_CHANGED) ? CHECK_CHANGED : CHECK_AS_WRITTEN;
}

static const char *json_text(struct arena *arena, const struct container_state *check)
{
	static const char *const results[] = {"as written", "changed", "refused"};
	struct json_writer w;

	json_start(&w, arena, true);
	json_object_begin(&w, NULL);
	json_string(&w, "policy", check->policy);
	json_string(&w, "result", results[outcome(&check->findings)]);
	json_list_begin(&w, "findings");
	for (size_t i = 0; i < check->findings.n; i++) {
		const struct finding *finding = &check->findings.items[i];

		json_object_begin(&w, NULL);
		json_string(&w, "kind", kind_words[finding->kind - 1]);
		json_string(&w, "path", finding->path);
		json_string(&w, "text", finding->text);
		json_object_end(&w);
	}
	json_list_end(&w);
	config_write(&w, "effective", &check->config);
	json_object_end(&w);
	return json_finish(&w);
}

static void print_findings(const struct findings *findings, enum finding_kind kind,
			   const char *title)
{
	if (!findings_have(findings, kind))
		return;
	printf("\n%s\n", title);
	for (size_t i = 0; i < findings->n; i++) {
		if (findings->items[i].kind == kind)
			printf("  %s: %s\n", findings->items[i].path, findings->items[i].text);
	}
}

static void print_for_person(struct arena *arena, const struct container_state *check)
{
	static const char *const results[] = {"it starts as config.json says",
					      "it starts with the changes below",
					      "it is refused: it would not start"};

	printf("Policy %s: %s.\n", check->policy, results[outcome(&check->findings)]);
	print_findings(&check->findings, FINDING_REFUSED, "Refused:");
	print_findings(&check->findings, FINDING_CHANGED, "Changed:");
	print_findings(&check->findings, FINDING_NOTE, "Noted:");
	printf("\n%s:\n", outcome(&check->findings) == CHECK_REFUSED
			      ? "If that were allowed, the workload would end up with"
			      : "The workload ends up with");
	check_print_effective(arena, check);
}

static int check_container(struct arena *arena, const struct runtime_options *options,
			   const char *id, struct container_state *out, struct error *err)
{
	struct container container;

	if (container_open(arena, options->root, id, false, &container, err) < 0)
		return -1;
	container_close(&container);
	*out = container.state;
	if (!out->policy)
		out->policy = arena_strdup(arena, "?");
	return 0;
}

int check_main(int argc, char **argv, const struct runtime_options *options, struct arena *arena,
	       struct error *err)
{
	bool json = false;
	struct str_list arguments = {.n = 0};
	struct container_state check = {.findings = {.arena = arena}};
	const struct option_spec specs[] = {
	    {"json", 0, OPTION_FLAG, &json, NULL, "print it as JSON, with the effective config"},
	    {.name = NULL}};
	int result = command_arguments(arena, specs, argc, argv, 1, 1, &arguments, err);
	const char *argument = arguments.n ? arguments.items[0] : NULL;

	if (result)
		return result < 0;
	if (command_means_bundle(argument))
		result = container_check(arena, options, argument, &check, err);
	else
		result = check_container(arena, options, argument, &check, err);
	if (result < 0)
		return 1;
	if (json)
		fputs(json_text(arena, &check), stdout);
	else
		print_for_person(arena, &check);
	return outcome(&check.findings);
}
