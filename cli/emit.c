#include "emit.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "report.h"
#include "utf8.h"

bool emit_open(emitter *j, const options *o)
{
	*j = (emitter){ .file = stdout, .first = true };
	if (!o->json.text || !strcmp(o->json.text, "-"))
		return true;
	j->path = o->json.text;
	j->file = fopen(j->path, "w");
	if (!j->file)
		report_error(j->path, "%s", strerror(errno));
	return j->file != NULL;
}

bool emit_close(emitter *j)
{
	fputc('\n', j->file);
	if (!j->path)
		return true;
	const bool failed = ferror(j->file) != 0;
	if (!fclose(j->file) && !failed)
		return true;
	report_error(j->path, "cannot be written: %s", strerror(errno));
	return false;
}

static void write_string(emitter *j, const char *s, size_t length)
{
	fputc('"', j->file);
	for (size_t i = 0; i < length;) {
		const unsigned char c = (unsigned char)s[i];
		uint32_t code;
		const size_t n = utf8_decode(s + i, length - i, &code);
		if (c == '"' || c == '\\')
			fprintf(j->file, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(j->file, "\\u%04x", c);
		else if (!n)
			fputs("\\ufffd", j->file);
		else
			fwrite(s + i, 1, n, j->file);
		i += n ? n : 1;
	}
	fputc('"', j->file);
}

/* What stands in front of a value: comma, line, key. */
static void lead(emitter *j, const char *key)
{
	if (!j->first)
		fputc(',', j->file);
	if (j->compact)
		fputs(j->first ? "" : " ", j->file);
	else if (j->depth)
		fprintf(j->file, "\n%*s", 2 * j->depth, "");
	j->first = false;
	if (key) {
		write_string(j, key, strlen(key));
		fputs(": ", j->file);
	}
}

static void begin(emitter *j, const char *key, char bracket)
{
	lead(j, key);
	fputc(bracket, j->file);
	j->depth++;
	j->first = true;
}

static void end(emitter *j, char bracket)
{
	j->depth--;
	if (!j->first && !j->compact)
		fprintf(j->file, "\n%*s", 2 * j->depth, "");
	fputc(bracket, j->file);
	j->first = false;
}

void emit_object(emitter *j, const char *key)
{
	begin(j, key, '{');
}

void emit_array(emitter *j, const char *key)
{
	begin(j, key, '[');
}

void emit_end_object(emitter *j)
{
	end(j, '}');
}

void emit_end_array(emitter *j)
{
	end(j, ']');
}

void emit_string_n(emitter *j, const char *key, const char *value, size_t length)
{
	lead(j, key);
	write_string(j, value, length);
}

void emit_string(emitter *j, const char *key, const char *value)
{
	if (value) {
		emit_string_n(j, key, value, strlen(value));
	} else {
		lead(j, key);
		fputs("null", j->file);
	}
}

void emit_real(emitter *j, const char *key, double value)
{
	char text[40];
	lead(j, key);
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	fputs(isfinite(value) ? text : "null", j->file);
}

void emit_count(emitter *j, const char *key, uint64_t value)
{
	lead(j, key);
	fprintf(j->file, "%" PRIu64, value);
}

void emit_integer(emitter *j, const char *key, int64_t value)
{
	lead(j, key);
	fprintf(j->file, "%" PRId64, value);
}

void emit_boolean(emitter *j, const char *key, bool value)
{
	lead(j, key);
	fputs(value ? "true" : "false", j->file);
}

void emit_integers(emitter *j, const char *key, size_t count, const int64_t *values)
{
	const bool compact = j->compact;
	emit_array(j, key);
	j->compact = true;
	for (size_t i = 0; i < count; i++)
		emit_integer(j, NULL, values[i]);
	emit_end_array(j);
	j->compact = compact;
}
