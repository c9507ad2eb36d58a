/* One error object, passed by pointer from main down and wrapped with context on the way up. */
#ifndef RUNSAFE_ERROR_H
#define RUNSAFE_ERROR_H

/* What went wrong, as one sentence for a person and for the engines that match parts of it. */
struct error {
	char text[2048]; /* empty while nothing failed */
	int number;	 /* errno of the cause, 0 if there is none */
	int exit_status; /* what the program should exit with; 0 means the usual 1 */
};

#define ERROR_INIT                                                                                 \
	{                                                                                          \
		.text = "", .number = 0, .exit_status = 0                                          \
	}

/* Whether it is the workload's program that can not be executed: 126 and 127, as a shell has them.
 */
static inline int error_of_program(const struct error *err)
{
	return err->exit_status == 126 || err->exit_status == 127;
}

/* Sets the message. Returns -1, so that a caller can `return error_set(...)`. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Sets the message and appends ": " and the text of errnum with its first letter in lower case
 * (engines look for "permission denied" and "no such file or directory"). Returns -1.
 */
int error_errno(struct error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the message that is there. Returns -1. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
