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

/* glibc's numbers, as kill(1) has them: musl keeps one more for itself. */
#define FIRST_REALTIME 34
#define LAST_REALTIME  64

/* RTMIN, RTMIN+N, RTMAX, RTMAX-N. */
static int parse_realtime(const char *text)
{
	bool from_min = strncasecmp(text, "RTMIN", 5) == 0;
	int room = LAST_REALTIME - FIRST_REALTIME;
	int offset;

	if (!from_min && strncasecmp(text, "RTMAX", 5) != 0)
		return -1;
	text += 5;
	if (!*text)
		return from_min ? FIRST_REALTIME : LAST_REALTIME;
	if (*text != (from_min ? '+' : '-'))
		return -1;
	offset = parse_number(text + 1, room);
	if (offset < 0)
		return -1;
	return from_min ? FIRST_REALTIME + offset : LAST_REALTIME - offset;
}

int signal_parse(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
	    {"HUP", SIGHUP},	   {"INT", SIGINT},	{"QUIT", SIGQUIT}, {"ILL", SIGILL},
	    {"TRAP", SIGTRAP},	   {"ABRT", SIGABRT},	{"IOT", SIGABRT},  {"BUS", SIGBUS},
	    {"FPE", SIGFPE},	   {"KILL", SIGKILL},	{"USR1", SIGUSR1}, {"SEGV", SIGSEGV},
	    {"USR2", SIGUSR2},	   {"PIPE", SIGPIPE},	{"ALRM", SIGALRM}, {"TERM", SIGTERM},
	    {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},	{"CLD", SIGCHLD},  {"CONT", SIGCONT},
	    {"STOP", SIGSTOP},	   {"TSTP", SIGTSTP},	{"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},
	    {"URG", SIGURG},	   {"XCPU", SIGXCPU},	{"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
	    {"PROF", SIGPROF},	   {"WINCH", SIGWINCH}, {"IO", SIGIO},	   {"POLL", SIGPOLL},
	    {"PWR", SIGPWR},	   {"SYS", SIGSYS},
	};

	/* 0 asks whether the process is there (kill(2)); 64 is the kernel's last. */
	if (isdigit((unsigned char)*text))
		return parse_number(text, 64);
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(text, names[i].name) == 0)
			return names[i].number;
	}
	return parse_realtime(text);
}
