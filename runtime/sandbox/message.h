/* What the child tells the runtime. The stub, which has no libc, does so too. */
#ifndef RUNSAFE_MESSAGE_H
#define RUNSAFE_MESSAGE_H

#include <stdint.h>

/* Words between child and parent, one datagram (or one write of at most PIPE_BUF) each. */
enum message_kind {
	MESSAGE_HELLO = 1,  /* the final child of two clones: its pid comes as credentials */
	MESSAGE_CGROUP,	    /* SANDBOX_CGROUP */
	MESSAGE_MAP,	    /* waits for its uid_map and gid_map */
	MESSAGE_TIME,	    /* waits for its timens_offsets */
	MESSAGE_PRIORITIES, /* waits for its scheduler and I/O priority */
	MESSAGE_LIMITS,	    /* waits for what only rights on the host can set */
	MESSAGE_CONSOLE,    /* carries the terminal's master */
	MESSAGE_NAMESPACES, /* SANDBOX_NAMESPACES */
	MESSAGE_NETWORK,    /* carries the network namespace */
	MESSAGE_LISTENER,   /* carries the notify descriptor of linux.seccomp */
	MESSAGE_READY,	    /* SANDBOX_READY */
	MESSAGE_FAILED	    /* text says what */
};

struct message {
	int32_t kind;
	int32_t number;	     /* errno */
	int32_t exit_status; /* 126, 127 or 0 */
	char text[2048];
};

#endif
