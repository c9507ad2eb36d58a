/* Bytes between the caller's terminal and the container's; the caller's is in raw mode meanwhile,
 * so ^C and ^Z are the inner terminal's business. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "fd.h"
#include "launch.h"

/* Two more places in the buffer are for the end of the input. */
#define ROOM_IN (sizeof(((struct terminal *)NULL)->in) - 2)

static struct termios before;
static bool before_known;

/* Whoever is in the background must leave the terminal alone: it is the shell's then. Signals are
 * blocked here, so the kernel would not stop us for it (tcsetattr(3), SIGTTOU). */
static bool in_background(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group > 0 && group != getpgrp();
}

static void raw_mode(struct terminal *t)
{
	struct termios raw;

	t->background = in_background();
	t->raw = false;
	if (t->background || tcgetattr(STDIN_FILENO, &raw) < 0)
		return;
	if (!before_known)
		before = raw;
	before_known = true;
	/* The output's side too: the inner terminal has made CR LF already where it wanted them. */
	cfmakeraw(&raw);
	t->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void terminal_size(int master)
{
	struct winsize size;

	if (master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(master, TIOCSWINSZ, &size);
}

void terminal_open(struct terminal *t, int master)
{
	*t = (struct terminal){.master = master, .slave = -1, .input_open = true, .last_in = '\n'};
	if (master < 0)
		return;
	(void)fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	/* Held open: a workload that closes its terminal and opens it again later (systemd does)
	 * has not ended, and ^C still reaches its group. */
	t->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	raw_mode(t);
	terminal_resize(t);
}

void terminal_again(struct terminal *t)
{
	if (t->master < 0)
		return;
	raw_mode(t);
	terminal_resize(t);
}

void terminal_release(struct terminal *t)
{
	if (t->raw && !in_background())
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	t->raw = false;
}

void terminal_resize(struct terminal *t)
{
	if (t->raw)
		terminal_size(t->master);
}

/* stdin, master, stdout: each only while there is room, or something, for it. */
void terminal_want(const struct terminal *t, struct pollfd polls[3])
{
	for (size_t i = 0; i < 3; i++)
		polls[i] = (struct pollfd){.fd = -1};
	if (t->input_open && !t->background && t->n_in < ROOM_IN)
		polls[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	polls[1].events =
	    (short)((t->n_in ? POLLOUT : 0) | (t->n_out < sizeof(t->out) ? POLLIN : 0));
	/* Asked for nothing, poll(2) would still report a hang-up, again and again. */
	if (polls[1].events)
		polls[1].fd = t->master;
	if (t->n_out)
		polls[2] = (struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT};
	if (t->master < 0)
		polls[0].fd = -1;
}

static void consume(char *buffer, size_t *n, ssize_t written)
{
	if (written <= 0)
		return;
	*n -= (size_t)written;
	memmove(buffer, buffer + written, *n);
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* The end of a pipe or file is typed as a terminal's user would: ^D, or whatever it is there. In
 * the middle of a line the first one only hands the line over (termios(3), VEOF). */
static void type_end(struct terminal *t)
{
	struct termios inner;

	t->input_open = false;
	if (tcgetattr(t->master, &inner) < 0)
		return;
	if (t->last_in != '\n' && t->last_in != '\r')
		t->in[t->n_in++] = (char)inner.c_cc[VEOF];
	t->in[t->n_in++] = (char)inner.c_cc[VEOF];
}

/* The signal that the inner terminal would make of this byte for the workload itself. */
static int signal_of(const struct termios *inner, char byte)
{
	cc_t key = (cc_t)byte;

	if (key == _POSIX_VDISABLE)
		return 0;
	return key == inner->c_cc[VINTR]   ? SIGINT
	       : key == inner->c_cc[VQUIT] ? SIGQUIT
	       : key == inner->c_cc[VSUSP] ? SIGTSTP
					   : 0;
}

/* Takes out the bytes that t->typed has acted upon. */
static void notice_keys(struct terminal *t, size_t from)
{
	struct termios inner;
	size_t kept = from;

	/* Only where the workload itself is in the foreground: what a shell started gets them by
	 * the terminal. */
	if (!t->typed || tcgetattr(t->master, &inner) < 0 || !(inner.c_lflag & ISIG) ||
	    tcgetpgrp(t->master) != t->workload)
		return;
	for (size_t i = from; i < t->n_in; i++) {
		int sig = signal_of(&inner, t->in[i]);
		if (!sig || !t->typed(t->context, sig))
			t->in[kept++] = t->in[i];
	}
	t->n_in = kept;
}

static void read_input(struct terminal *t)
{
	size_t had = t->n_in;
	ssize_t n = read(STDIN_FILENO, t->in + had, ROOM_IN - had);

	if (n > 0) {
		t->n_in += (size_t)n;
		t->last_in = t->in[t->n_in - 1];
		notice_keys(t, had);
	} else if (n == 0 || !again()) {
		type_end(t);
	}
}

void terminal_move(struct terminal *t, const struct pollfd polls[3])
{
	ssize_t n;

	if (polls[0].revents)
		read_input(t);
	if (t->n_in && (polls[1].revents & POLLOUT)) {
		n = write(t->master, t->in, t->n_in);
		consume(t->in, &t->n_in, n);
	}
	if (t->n_out < sizeof(t->out) && (polls[1].revents & (POLLIN | POLLHUP | POLLERR))) {
		n = read(t->master, t->out + t->n_out, sizeof(t->out) - t->n_out);
		if (n > 0) {
			t->n_out += (size_t)n;
		} else if (n == 0 || !again()) {
			/* EIO, by vhangup(2). ^C shall reach us now. */
			t->master = -1;
			terminal_release(t);
		}
	}
	if (t->n_out && (polls[2].revents || t->master < 0)) {
		n = write(STDOUT_FILENO, t->out, t->n_out);
		if (n < 0 && !again())
			t->n_out = 0; /* nobody reads: the workload shall not hang for that */
		consume(t->out, &t->n_out, n);
	}
}

/* Whether somebody wants us to end now, output or not. */
static bool hurried(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGINT ||
		    info.ssi_signo == SIGQUIT || info.ssi_signo == SIGTERM)
			return true;
	}
	return false;
}

void terminal_close(struct terminal *t, int signals)
{
	/* What the workload wrote last is still in the terminal's buffer. The limit is for what
	 * outlives it, in a shared pid namespace, and never stops writing. */
	for (int rounds = 0; rounds < 1000 && (t->master >= 0 || t->n_out); rounds++) {
		struct pollfd polls[4];
		t->input_open = false;
		t->n_in = 0;
		terminal_want(t, polls);
		polls[3] = (struct pollfd){.fd = signals, .events = POLLIN};
		if (poll(polls, 4, t->n_out ? -1 : 0) < 0 && errno != EINTR)
			break;
		if ((polls[3].revents && hurried(signals)) || (!t->n_out && !polls[1].revents))
			break;
		terminal_move(t, polls);
	}
	terminal_release(t);
	fd_cleanup(&t->slave);
}
