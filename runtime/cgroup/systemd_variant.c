/* Values in the text format of GVariant, as far as properties of units need it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "systemd_internal.h"

struct scan {
	struct arena *arena;
	const char *at;
};

static void skip_blanks(struct scan *s)
{
	s->at += strspn(s->at, " \t");
}

static const struct number_word {
	const char *word;
	const char *type;
	int64_t min;
	uint64_t max;
} number_words[] = {
    {"int32", "i", INT32_MIN, INT32_MAX}, {"uint32", "u", 0, UINT32_MAX},
    {"int64", "x", INT64_MIN, INT64_MAX}, {"uint64", "t", 0, UINT64_MAX},
    {"byte", "y", 0, UINT8_MAX},	  {"int16", "n", INT16_MIN, INT16_MAX},
    {"uint16", "q", 0, UINT16_MAX},
};

#define N_NUMBER_WORDS (sizeof(number_words) / sizeof(number_words[0]))

/* 'text' or "text" with backslashes before quotes and backslashes. NULL if it is none. */
static char *scan_text(struct scan *s)
{
	const char quote = *s->at;
	const char *end = s->at + (quote != '\0');
	size_t n = 0;

	if (quote != '\'' && quote != '"')
		return NULL;
	for (; *end && *end != quote; end++)
		end += *end == '\\' && end[1];
	char *out = arena_alloc(s->arena, (size_t)(end - s->at) + 1);
	for (s->at++; *s->at != quote; s->at++) {
		if (*s->at == '\\')
			s->at++;
		if (!*s->at)
			return NULL;
		out[n++] = *s->at;
	}
	s->at++;
	out[n] = '\0';
	return out;
}

static int scan_texts(struct scan *s, struct sd_property *out)
{
	out->type = "as";
	if (strncmp(s->at, "@as", 3) == 0) {
		s->at += 3;
		skip_blanks(s);
	}
	if (*s->at++ != '[')
		return -1;
	skip_blanks(s);
	if (*s->at == ']') {
		s->at++;
		return 0;
	}
	for (;;) {
		char *text = scan_text(s);

		if (!text)
			return -1;
		str_list_add(s->arena, &out->list, text);
		skip_blanks(s);
		if (*s->at == ']')
			break;
		if (*s->at++ != ',')
			return -1;
		skip_blanks(s);
	}
	s->at++;
	return 0;
}

static const struct number_word *number_word(struct scan *s, const char *wanted)
{
	const struct number_word *by_type = &number_words[0]; /* int32 is GVariant's default */

	for (size_t i = 0; i < N_NUMBER_WORDS; i++) {
		size_t length = strlen(number_words[i].word);

		if (strncmp(s->at, number_words[i].word, length) == 0 && s->at[length] == ' ') {
			s->at += length;
			skip_blanks(s);
			return &number_words[i];
		}
		if (wanted && strcmp(number_words[i].type, wanted) == 0)
			by_type = &number_words[i];
	}
	return by_type;
}

static int scan_number(struct scan *s, const char *wanted, struct sd_property *out)
{
	const struct number_word *word = number_word(s, wanted);
	const char *digits = s->at + (*s->at == '-' || *s->at == '+');
	char *end;

	if (*digits < '0' || *digits > '9')
		return -1;
	out->type = word->type;
	errno = 0;
	if (*s->at == '-') {
		out->number = strtoll(s->at, &end, 0);
		if (errno || out->number < word->min)
			return -1;
	} else {
		out->natural = strtoull(s->at, &end, 0);
		if (errno || out->natural > word->max)
			return -1;
		out->number = (int64_t)out->natural;
	}
	s->at = end;
	return 0;
}

static int scan_value(struct scan *s, const char *wanted, struct sd_property *out)
{
	if (*s->at == '\'' || *s->at == '"') {
		out->type = "s";
		out->text = scan_text(s);
		return out->text ? 0 : -1;
	}
	if (*s->at == '[' || *s->at == '@')
		return scan_texts(s, out);
	for (int flag = 0; flag < 2; flag++) {
		const char *word = flag ? "true" : "false";

		if (strncmp(s->at, word, strlen(word)) == 0) {
			s->at += strlen(word);
			out->type = "b";
			out->flag = flag;
			return 0;
		}
	}
	return scan_number(s, wanted, out);
}

static const char *example(const char *wanted)
{
	if (!wanted)
		return "uint64 5, 'text', true or ['a', 'b']";
	switch (wanted[0]) {
	case 'b':
		return "true or false";
	case 's':
		return "a text in quotes, like 'inactive-or-failed'";
	case 'a':
		return "a list of texts, like ['network.target']";
	case 't':
		return "a number from 0 up, like uint64 5000000";
	default:
		return "a number, like int32 15";
	}
}

int sd_variant_parse(struct arena *arena, const char *text, const char *wanted,
		     struct sd_property *out, struct error *err)
{
	struct scan s = {.arena = arena, .at = text ? text : ""};

	*out = (struct sd_property){.type = NULL};
	skip_blanks(&s);
	if (scan_value(&s, wanted, out) == 0) {
		skip_blanks(&s);
		if (!*s.at && (!wanted || strcmp(wanted, out->type) == 0))
			return 0;
	}
	return error_set(err, "expected %s in GVariant's text format, got \"%s\"", example(wanted),
			 text ? text : "");
}
