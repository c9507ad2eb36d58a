#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "fd.h"
#include "json_write.h"
#include "utc.h"

static struct {
	int fd;
	bool json;
	bool debug;
} log_state = {.fd = -1};

int log_open(const char *path, const char *format, bool debug, struct error *err)
{
	bool json = format && strcmp(format, "json") == 0;
	int fd = -1;

	if (format && !json && strcmp(format, "text") != 0)
		return error_set(err, "--log-format %s: expected text or json", format);
	if (path && *path) {
		/* Without waiting for who reads a FIFO. */
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			  0600);
		if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
			return error_errno(err, errno, "open the log file %s", path);
	}
	fd_cleanup(&log_state.fd);
	log_state.fd = fd;
	log_state.json = json;
	log_state.debug = debug;
	return 0;
}

/* Bytes that would break the line or steer a terminal become escapes: parts of a message come
 * from config.json and from the image. */
static char *without_control_bytes(struct arena *arena, const char *text, bool quotes)
{
	char *safe = arena_alloc(arena, 4 * strlen(text) + 1);
	char *next = safe;

	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '\n')
			next = stpcpy(next, "\\n");
		else if (log_control(text)) {
			/* Of two bytes the second one is its number. */
			text += log_control(text) - 1;
			next += sprintf(next, "\\x%02x", (unsigned char)*text);
		} else if (quotes && (byte == '"' || byte == '\\'))
			next += sprintf(next, "\\%c", byte);
		else
			*next++ = *text;
	}
	*next = '\0';
	return safe;
}

static const char *json_line(struct arena *arena, const char *level, const char *text,
			     const char *time_text)
{
	struct json_writer w;

	json_start(&w, arena, false);
	json_object_begin(&w, NULL);
	json_string(&w, "level", level);
	json_string(&w, "msg", text);
	json_string(&w, "time", time_text);
	json_object_end(&w);
	return arena_printf(arena, "%s\n", json_finish(&w));
}

static const char *text_line(struct arena *arena, const char *level, const char *text,
			     const char *time_text)
{
	return arena_printf(arena, "time=\"%s\" level=%s msg=\"%s\"\n", time_text, level,
			    without_control_bytes(arena, text, true));
}

/* One write a line, so that the lines of two commands do not mix. */
static void write_line(struct arena *arena, int fd, const char *level, const char *text)
{
	char now[UTC_TEXT_SIZE];
	const char *time_text;
	const char *line;

	utc_text(now, time(NULL));
	time_text = arena_printf(arena, "%sZ", now);
	line = log_state.json ? json_line(arena, level, text, time_text)
			      : text_line(arena, level, text, time_text);
	/* There is nobody left to tell when the log itself fails. */
	(void)fd_write_all(fd, line, strlen(line));
}

void log_failure(const char *text)
{
	struct arena arena = ARENA_INIT;
	const char *line;

	if (log_state.fd >= 0)
		write_line(&arena, log_state.fd, "error", text);
	line = arena_printf(&arena, "runsafe: %s\n", without_control_bytes(&arena, text, false));
	(void)fd_write_all(STDERR_FILENO, line, strlen(line));
	arena_free(&arena);
}

void log_debug(const char *format, ...)
{
	struct arena arena = ARENA_INIT;
	va_list args;
	char *text;

	if (!log_state.debug)
		return;
	va_start(args, format);
	text = arena_vprintf(&arena, format, args);
	va_end(args);
	write_line(&arena, log_state.fd >= 0 ? log_state.fd : STDERR_FILENO, "debug", text);
	arena_free(&arena);
}
