/* config.md: "POSIX-platform Hooks". */
#include "config_internal.h"

static const struct json_field hook_fields[] = {
    FIELD(config_hook, path, "path", JSON_STRING, .flags = JSON_REQUIRED | JSON_ABSOLUTE),
    FIELD(config_hook, args, "args", JSON_STRING_LIST),
    FIELD(config_hook, env, "env", JSON_STRING_LIST),
    FIELD(config_hook, timeout, "timeout", JSON_OPT_I64, .min = 1, .max = INT32_MAX),
    FIELDS_END,
};

static const struct json_table hook_table = TABLE(config_hook, hook_fields);

#define HOOKS(items_, n_, key) OBJECTS(config_hooks, items_, n_, key, JSON_OBJECT_LIST, &hook_table)

static const struct json_field hooks_fields[] = {
    HOOKS(prestart.items, prestart.n, "prestart"),
    HOOKS(create_runtime.items, create_runtime.n, "createRuntime"),
    HOOKS(create_container.items, create_container.n, "createContainer"),
    HOOKS(start_container.items, start_container.n, "startContainer"),
    HOOKS(poststart.items, poststart.n, "poststart"),
    HOOKS(poststop.items, poststop.n, "poststop"),
    FIELDS_END,
};

const struct json_table config_hooks_table = TABLE(config_hooks, hooks_fields);

const char *const *config_hook_names(void)
{
	static const char *names[sizeof(hooks_fields) / sizeof(hooks_fields[0])];

	for (size_t i = 0; hooks_fields[i].key; i++)
		names[i] = hooks_fields[i].key;
	return names;
}

int config_check_hooks(const struct config_check *c, const struct config_hooks *hooks)
{
	for (const struct json_field *field = hooks_fields; field->key; field++) {
		const struct config_hook_list *list =
		    (const void *)((const char *)hooks + field->offset);

		for (size_t i = 0; i < list->n; i++) {
			const char *key =
			    arena_printf(c->arena, "hooks.%s[%zu].env", field->key, i);

			if (config_check_env(c, key, &list->items[i].env) < 0)
				return -1;
		}
	}
	return 0;
}
