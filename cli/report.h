/* Messages to people on stderr, the exit codes, and what happened where. */
#ifndef CLAST_CLI_REPORT_H
#define CLAST_CLI_REPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "clast/clast.h"

enum exit_code {
	EXIT_FINE = 0,
	EXIT_MISMATCH = 1,
	EXIT_USAGE = 2,
	EXIT_MODEL = 3,
	EXIT_IO = 4,
	EXIT_DEVICE = 5,
	EXIT_CANCELLED = 130 /* what shells report for SIGINT */
};

/* A failure: the library's diagnosis and the file it is about, if any. Starts zeroed. */
typedef struct problem {
	clast_diag diag;
	char file[1024];
} problem;

/* Both return s. problem_in adds the file to what the library reported, unless s is CLAST_OK or a file is
 * named. */
clast_status problem_set(problem *p, clast_status s, const char *file, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
clast_status problem_in(problem *p, const char *file, clast_status s);
/* Status and message of the failure in one line, for lists; file names are left out. */
void problem_line(const problem *p, char *text, size_t size);
/* Prints the failure with what to do next and returns the exit code for it. */
int problem_report(const problem *p);

/* "clast: error: [FILE: ]message" and "  hint: message". */
void report_error(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_error_v(const char *file, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));
void report_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Colour for a terminal, "" where NO_COLOR is set or stdout is none. */
typedef enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_DIM } colour;
const char *colour_out(colour c);

/* One line that is rewritten in place, on a terminal only. */
void progress_show(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_clear(void);

/* SIGINT and SIGTERM set a flag that the library's progress callback and our loops ask; a second one ends the
 * process. */
void interrupt_install(void);
bool interrupted(void);

#endif
