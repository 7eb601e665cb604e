/* Diagnostics: what failed, said once, where it was found. */
#ifndef CLAST_BASE_DIAG_H
#define CLAST_BASE_DIAG_H

#include <stdarg.h>
#include <stddef.h>

#include "clast/clast.h"

/* Writes the message and returns s. d may be NULL. Strings from a file go through quote(). */
__attribute__((format(printf, 3, 4), cold)) clast_status fail(clast_diag *d, clast_status s,
							      const char *format, ...);
__attribute__((format(printf, 3, 0), cold)) clast_status fail_list(clast_diag *d, clast_status s,
								   const char *format, va_list arguments);
/* CLAST_ERROR_MEMORY: an allocation of so many bytes failed; 0 where the number is not known. */
__attribute__((cold)) clast_status fail_memory(clast_diag *d, size_t bytes);

/* Name the node or value a failure belongs to, unless an inner function has done so. d and name may be NULL.
 */
void diag_node(clast_diag *d, const char *name);
void diag_value(clast_diag *d, const char *name);

/* A string of a file made fit for a message: control characters, quotes, backslashes and bytes that are no
 * UTF-8 are escaped, and what is too long is cut and ends in "...". Without quotation marks of its own. */
typedef struct quoted {
	char text[100];
} quoted;

quoted quote(const char *string); /* NULL gives "" */
quoted quote_bytes(const char *bytes, size_t length);

#endif
