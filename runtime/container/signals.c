#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "container.h"

/* Digits only, at most limit; -1 for anything else. */
static int parse_number(const char *text, int limit)
{
	int number = 0;

	if (!isdigit((unsigned char)*text))
		return -1;
	for (; isdigit((unsigned char)*text); text++) {
		number = number * 10 + (*text - '0');
		if (number > limit)
			return -1;
	}
	return *text ? -1 : number;
}

/* RTMIN, RTMIN+N, RTMAX, RTMAX-N: glibc's numbers, as kill(1) has them. */
static int parse_realtime(const char *text)
{
	bool from_min = strncasecmp(text, "RTMIN", 5) == 0;
	int room = SIGRTMAX - SIGRTMIN;
	int offset;

	if (!from_min && strncasecmp(text, "RTMAX", 5) != 0)
		return -1;
	text += 5;
	if (!*text)
		return from_min ? SIGRTMIN : SIGRTMAX;
	if (*text != (from_min ? '+' : '-'))
		return -1;
	offset = parse_number(text + 1, room);
	if (offset < 0)
		return -1;
	return from_min ? SIGRTMIN + offset : SIGRTMAX - offset;
}

int signal_parse(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} aliases[] = {{"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"IO", SIGIO}, {"POLL", SIGPOLL}};

	/* 0 asks whether the process is there (kill(2)); 64 is the kernel's last. */
	if (isdigit((unsigned char)*text))
		return parse_number(text, 64);
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcasecmp(text, aliases[i].name) == 0)
			return aliases[i].number;
	}
	for (int number = 1; number < 32; number++) {
		const char *name = sigabbrev_np(number);

		if (name && strcasecmp(text, name) == 0)
			return number;
	}
	return parse_realtime(text);
}
