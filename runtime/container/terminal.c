/* Bytes between the caller's terminal and the container's; the caller's is in raw mode meanwhile,
 * so ^C and ^Z are the inner terminal's business. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "launch.h"

static struct termios before;

static void raw_mode(struct terminal *t)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &raw) < 0)
		return;
	if (!t->raw)
		before = raw;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* other programs may still write to it */
	t->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void terminal_open(struct terminal *t, int master)
{
	*t = (struct terminal){.master = master, .input_open = true};
	if (master < 0)
		return;
	(void)fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	raw_mode(t);
	terminal_resize(t);
}

void terminal_again(struct terminal *t)
{
	if (t->raw)
		raw_mode(t);
	terminal_resize(t);
}

void terminal_resize(struct terminal *t)
{
	struct winsize size;

	if (t->master >= 0 && t->raw && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(t->master, TIOCSWINSZ, &size);
}

/* stdin, master, stdout: each only while there is room, or something, for it. */
void terminal_want(const struct terminal *t, struct pollfd polls[3])
{
	polls[0] = polls[1] = polls[2] = (struct pollfd){.fd = -1};
	if (t->master < 0)
		return;
	if (t->input_open && t->n_in < sizeof(t->in))
		polls[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = t->master};
	polls[1].events = (short)((t->n_in ? POLLOUT : 0) | (t->n_out < sizeof(t->out) ? POLLIN : 0));
	if (t->n_out)
		polls[2] = (struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT};
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

void terminal_move(struct terminal *t, const struct pollfd polls[3])
{
	ssize_t n;

	if (polls[0].revents) {
		n = read(STDIN_FILENO, t->in + t->n_in, sizeof(t->in) - t->n_in);
		if (n > 0)
			t->n_in += (size_t)n;
		else if (n == 0 || !again())
			t->input_open = false;
	}
	if (t->n_in && (polls[1].revents & POLLOUT)) {
		n = write(t->master, t->in, t->n_in);
		consume(t->in, &t->n_in, n);
	}
	if (polls[1].revents & (POLLIN | POLLHUP | POLLERR)) {
		n = read(t->master, t->out + t->n_out, sizeof(t->out) - t->n_out);
		if (n > 0)
			t->n_out += (size_t)n;
		else if (t->n_out < sizeof(t->out) && (n == 0 || !again()))
			t->master = -1; /* EIO: nobody has the other side open any more */
	}
	if (t->n_out && (polls[2].revents || t->master < 0)) {
		n = write(STDOUT_FILENO, t->out, t->n_out);
		if (n < 0 && !again())
			t->n_out = 0; /* nobody reads: the workload shall not hang for that */
		consume(t->out, &t->n_out, n);
	}
}

void terminal_close(struct terminal *t)
{
	/* What the workload wrote last is still in the terminal's buffer. */
	for (int rounds = 0; rounds < 1000 && (t->master >= 0 || t->n_out); rounds++) {
		struct pollfd polls[3];
		t->input_open = false;
		t->n_in = 0;
		terminal_want(t, polls);
		if (poll(polls, 3, 0) <= 0 && !t->n_out)
			break;
		terminal_move(t, polls);
	}
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	t->raw = false;
}
