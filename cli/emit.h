/* A JSON writer: values are written as they come, nothing is held. Inside objects every value has a key,
 * inside arrays key is NULL. */
#ifndef CLAST_CLI_EMIT_H
#define CLAST_CLI_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct emitter {
	FILE *file;
	const char *path; /* NULL: stdout */
	int depth;
	bool first; /* no value was written yet at this depth */
	bool compact;
} emitter;

struct options;
/* Opens what --json asks for. Returns false after a message if the file cannot be opened. */
bool emit_open(emitter *j, const struct options *o);
/* Ends the document. Returns false after a message if it could not be written. */
bool emit_close(emitter *j);

void emit_object(emitter *j, const char *key);
void emit_array(emitter *j, const char *key);
void emit_end_object(emitter *j);
void emit_end_array(emitter *j);
/* NULL gives null. Bytes that are not UTF-8 become U+FFFD. */
void emit_string(emitter *j, const char *key, const char *value);
void emit_string_n(emitter *j, const char *key, const char *value, size_t length);
/* The shortest text that reads back as the same double; null if it is not finite, since JSON has no word for
 * it. */
void emit_real(emitter *j, const char *key, double value);
void emit_count(emitter *j, const char *key, uint64_t value);
void emit_integer(emitter *j, const char *key, int64_t value);
void emit_boolean(emitter *j, const char *key, bool value);
/* An array of integers on one line. */
void emit_integers(emitter *j, const char *key, size_t count, const int64_t *values);

#endif
