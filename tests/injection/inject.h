/* What inject needs to know of calls and of the machine. */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/types.h>

/* At the entry of a call: it will not be made. Returns false when the process is gone. */
bool inject_skip_call(pid_t pid);

/* At the exit of a call: what it returns, a negative errno. */
bool inject_set_result(pid_t pid, int result);

/* The caller frees it. */
char *inject_call_name(const struct __ptrace_syscall_info *info);

/* The path that the call is about, or that its descriptor leads to, where there is one. */
void inject_print_path(FILE *out, pid_t pid, const char *name,
		       const struct __ptrace_syscall_info *info);

/* The letter of /proc/PID/stat; 0: it is gone. */
char inject_task_state(pid_t pid);

/* Whether name is among the names of a list with commas. */
bool inject_is_listed(const char *list, const char *name);

/* Exchanges two names of files for each other; false: errno says why not. */
bool inject_exchange(const char *a, const char *b);

/* A name or a number; -1: neither. */
int inject_errno(const char *text);

#endif
