/* A config.json that is right but for one thing, and the message that it must give. */
#ifndef CONFIG_WRONG_H
#define CONFIG_WRONG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"

/* What is put into it. */
#define TOP(members)	 "{'ociVersion':'1.0.0','root':{'path':'r'}," members "}"
#define PROCESS(members) TOP("'process':{'args':['a'],'cwd':'/'," members "}")
#define LINUX(members)	 TOP("'linux':{" members "}")

struct wrong {
	const char *text;    /* with ' for " */
	const char *message; /* behind "t.json: " */
};

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static const char *refused(const char *text)
{
	static struct error err;
	static struct config cfg;
	char *json = arena_strdup(&arena, text);

	for (char *c = json; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	err = (struct error)ERROR_INIT;
	if (config_parse(&arena, "t.json", json, strlen(json), &cfg, &err) == 0)
		fail_msg("not refused: %s", text);
	return err.text;
}

#define REFUSES(list)                                                                              \
	static void test_##list(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		for (size_t i = 0; i < sizeof(list) / sizeof((list)[0]); i++)                      \
			assert_string_equal(                                                       \
			    refused((list)[i].text),                                               \
			    arena_printf(&arena, "t.json: %s", (list)[i].message));                \
	}

#endif
