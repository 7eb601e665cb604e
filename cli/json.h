/* A JSON writer: values are written as they come, nothing is held. Inside objects every value has a key,
 * inside arrays key is NULL. */
#ifndef CLAST_CLI_JSON_H
#define CLAST_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct json {
	FILE *file;
	const char *path; /* NULL: stdout */
	int depth;
	bool first; /* no value was written yet at this depth */
	bool compact;
} json;

struct options;
/* Opens what --json asks for. Returns false after a message if the file cannot be opened. */
bool json_open(json *j, const struct options *o);
/* Ends the document. Returns false after a message if it could not be written. */
bool json_close(json *j);

void json_object(json *j, const char *key);
void json_array(json *j, const char *key);
void json_end_object(json *j);
void json_end_array(json *j);
/* NULL gives null. Bytes that are not UTF-8 become U+FFFD. */
void json_string(json *j, const char *key, const char *value);
void json_string_n(json *j, const char *key, const char *value, size_t length);
/* The shortest text that reads back as the same double; null if it is not finite, since JSON has no word for
 * it. */
void json_real(json *j, const char *key, double value);
void json_count(json *j, const char *key, uint64_t value);
void json_integer(json *j, const char *key, int64_t value);
void json_boolean(json *j, const char *key, bool value);
/* An array of integers on one line. */
void json_integers(json *j, const char *key, size_t count, const int64_t *values);

#endif
