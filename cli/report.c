#include "report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Failures ---- */

clast_status problem_set(problem *p, clast_status s, const char *file, const char *format, ...)
{
	va_list a;
	memset(p, 0, sizeof(*p));
	p->diag.status = s;
	if (file)
		snprintf(p->file, sizeof(p->file), "%s", file);
	va_start(a, format);
	vsnprintf(p->diag.message, sizeof(p->diag.message), format, a);
	va_end(a);
	return s;
}

clast_status problem_in(problem *p, const char *file, clast_status s)
{
	if (s && !p->file[0] && file)
		snprintf(p->file, sizeof(p->file), "%s", file);
	if (s)
		p->diag.status = s;
	return s;
}

static void append(char *text, size_t size, size_t *used, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void append(char *text, size_t size, size_t *used, const char *format, ...)
{
	va_list a;
	va_start(a, format);
	const int n = *used < size ? vsnprintf(text + *used, size - *used, format, a) : 0;
	va_end(a);
	*used += n > 0 ? (size_t)n : 0;
}

void problem_line(const problem *p, char *text, size_t size)
{
	const char *message = p->diag.message;
	const size_t file = strlen(p->file);
	if (file && !strncmp(message, p->file, file) && message[file] == ':')
		message += file + 1 + (message[file + 1] == ' ');
	/* Messages about arguments and files say enough by themselves. */
	const bool plain_words =
		*message && (p->diag.status == CLAST_ERROR_ARGUMENT || p->diag.status == CLAST_ERROR_IO ||
			     !strncmp(message, "not supported", 13));
	size_t n = 0;
	text[0] = 0;
	if (!plain_words)
		append(text, size, &n, "%s", clast_status_name(p->diag.status));
	if (p->diag.node[0] && !strstr(message, p->diag.node))
		append(text, size, &n, "%snode \"%s\"", n ? ", " : "", p->diag.node);
	if (p->diag.value[0] && !strstr(message, p->diag.value))
		append(text, size, &n, "%svalue \"%s\"", n ? ", " : "", p->diag.value);
	append(text, size, &n, "%s%s", n && *message ? ": " : "", message);
}

static const char *what_next(const problem *p)
{
	switch (p->diag.status) {
	case CLAST_ERROR_ARGUMENT:
		if (!strncmp(p->diag.message, "--layer", 7))
			return "'clast bench --layer help' lists the kinds of layers and what they take";
		if (!strncmp(p->diag.message, "--", 2))
			return "'clast help COMMAND' says what the options take";
		return "'clast inspect MODEL' lists the inputs and outputs with their shapes";
	case CLAST_ERROR_MODEL:
		return "the file is damaged or was exported wrongly: download or export it again, and check "
		       "it with "
		       "onnx.checker";
	case CLAST_ERROR_UNSUPPORTED:
		return "'clast ops' lists what is supported; docs/add-an-operator.md shows how to add an "
		       "operator";
	case CLAST_ERROR_LIMIT:
	case CLAST_ERROR_MEMORY:
		return "raise --max-memory if you trust the model, or give --shape smaller dims";
	case CLAST_ERROR_IO:
		return "check the path and its permissions";
	case CLAST_ERROR_DATA:
		return "an input holds a value that the model cannot use, for example an index out of range";
	case CLAST_ERROR_DEVICE:
		return "'clast devices' lists what can be used";
	case CLAST_ERROR_INTERNAL:
		return "this is a defect of Clast: please report it with the model";
	default:
		return NULL;
	}
}

static int exit_code_of(clast_status s)
{
	switch (s) {
	case CLAST_OK:
		return EXIT_FINE;
	case CLAST_ERROR_ARGUMENT:
		return EXIT_USAGE;
	case CLAST_ERROR_IO:
	case CLAST_ERROR_MEMORY:
		return EXIT_IO;
	case CLAST_ERROR_CANCELLED:
		return EXIT_CANCELLED;
	case CLAST_ERROR_DEVICE:
		return EXIT_DEVICE;
	default:
		return EXIT_MODEL;
	}
}

int problem_report(const problem *p)
{
	char line[sizeof(p->diag.message) + 512];
	problem_line(p, line, sizeof(line));
	report_error(p->file[0] ? p->file : NULL, "%s", line);
	if (what_next(p))
		report_hint("%s", what_next(p));
	return exit_code_of(p->diag.status);
}

/* ---- Messages ---- */

static bool plain(int descriptor)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	return (no_color && *no_color) || !isatty(descriptor) || (terminal && !strcmp(terminal, "dumb"));
}

void report_error_v(const char *file, const char *format, va_list arguments)
{
	progress_clear();
	fflush(stdout);
	const bool colours = !plain(STDERR_FILENO);
	fprintf(stderr, "clast: %serror%s: ", colours ? "\033[1;31m" : "", colours ? "\033[0m" : "");
	if (file)
		fprintf(stderr, "%s: ", file);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void report_error(const char *file, const char *format, ...)
{
	va_list a;
	va_start(a, format);
	report_error_v(file, format, a);
	va_end(a);
}

void report_hint(const char *format, ...)
{
	va_list a;
	fputs("  hint: ", stderr);
	va_start(a, format);
	vfprintf(stderr, format, a);
	va_end(a);
	fputc('\n', stderr);
}

const char *colour_out(colour c)
{
	static const char *const codes[] = { "\033[0m",  "\033[1m",  "\033[31m",
					     "\033[32m", "\033[33m", "\033[2m" };
	static int use = -1;
	if (use < 0)
		use = !plain(STDOUT_FILENO);
	return use ? codes[c] : "";
}

static bool progress_shown;

void progress_show(const char *format, ...)
{
	const char *terminal = getenv("TERM");
	if (!isatty(STDERR_FILENO) || (terminal && !strcmp(terminal, "dumb")))
		return;
	va_list a;
	fputs("\r\033[K", stderr);
	va_start(a, format);
	vfprintf(stderr, format, a);
	va_end(a);
	fflush(stderr);
	progress_shown = true;
}

void progress_clear(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

/* ---- Interruption ---- */

static volatile sig_atomic_t interrupt_flag;

static void on_interrupt(int number)
{
	interrupt_flag = 1;
	signal(number, SIG_DFL);
}

void interrupt_install(void)
{
	struct sigaction a = { .sa_handler = on_interrupt };
	sigemptyset(&a.sa_mask);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	signal(SIGPIPE,
	       SIG_IGN); /* main reports a closed pipe by what the command found, see finish_output */
}

bool interrupted(void)
{
	return interrupt_flag;
}
