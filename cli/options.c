#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

const command commands[COMMAND_COUNT] = {
#define COMMAND(id, arguments, summary, description) { #id, arguments, summary, description, command_##id },
#include "commands.def"
#undef COMMAND
};

#define ON(command) (UINT32_C(1) << COMMAND_##command)
#define ANY UINT32_MAX
#define MODEL (ON(run) | ON(verify) | ON(inspect) | ON(bench))
const option_spec option_specs[] = {
#define OPTION(id, name, letter, kind, on, argument, words, text)                                            \
	{ name, letter, OPTION_##kind, on, argument, words, text, offsetof(options, id) },
#include "options.def"
#undef OPTION
};
const size_t option_spec_count = sizeof(option_specs) / sizeof(*option_specs);

const command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static option_value *value_of(options *o, const option_spec *s)
{
	return (option_value *)((char *)o + s->offset);
}

static bool usage(const command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool usage(const command *c, const char *format, ...)
{
	va_list a;
	va_start(a, format);
	report_error_v(NULL, format, a);
	va_end(a);
	report_hint("'clast %s --help' lists the options", c->name);
	return false;
}

/* An option by its name, which may be shortened as long as it stays unique. */
static const option_spec *find_long(const command *c, const char *name, size_t length)
{
	const option_spec *found = NULL;
	for (size_t i = 0; i < option_spec_count; i++) {
		const option_spec *s = &option_specs[i];
		if (!option_applies(s, c) || strncmp(s->name, name, length))
			continue;
		if (!s->name[length])
			return s;
		if (found) {
			usage(c, "--%.*s may be --%s or --%s", (int)length, name, found->name, s->name);
			return NULL;
		}
		found = s;
	}
	if (!found)
		usage(c, "'clast %s' has no option --%.*s", c->name, (int)length, name);
	return found;
}

static const option_spec *find_letter(const command *c, char letter)
{
	for (size_t i = 0; i < option_spec_count; i++)
		if (option_specs[i].letter == letter && option_applies(&option_specs[i], c))
			return &option_specs[i];
	usage(c, "'clast %s' has no option -%c", c->name, letter);
	return NULL;
}

static bool among(const char *words, const char *text)
{
	const size_t length = strlen(text);
	for (const char *w = words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
		if (length && !strncmp(w, text, length) && (!w[length] || w[length] == '|'))
			return true;
	return false;
}

static bool read_number(const char *text, option_kind kind, option_value *v)
{
	char *end;
	errno = 0;
	if (kind == OPTION_REAL) {
		v->real = strtod(text, &end);
		return end != text && !*end && !errno && v->real >= 0;
	}
	if (*text < '0' || *text > '9') /* strtoull takes signs and blanks */
		return false;
	v->number = strtoull(text, &end, 10);
	if (errno || kind == OPTION_NUMBER)
		return !errno && !*end;
	static const char units[] = "kMGT";
	const char *unit = *end ? strchr(units, *end) : NULL;
	const int shift = unit ? (int)(unit - units + 1) * 10 : 0;
	if (unit)
		end++;
	if (unit && *end == 'i')
		end++;
	if (*end == 'B')
		end++;
	if (*end || (shift && v->number >> (64 - shift)))
		return false;
	v->number <<= shift;
	return true;
}

static bool store(options *o, const option_spec *s, const char *text)
{
	option_value *v = value_of(o, s);
	const char **texts = realloc(v->texts, (v->count + 1) * sizeof(*texts));
	if (!texts)
		return usage(o->command, "out of memory");
	v->texts = texts;
	texts[v->count++] = text;
	v->text = text;
	switch (s->kind) {
	case OPTION_CHOICE:
		return among(s->words, text) ||
		       usage(o->command, "--%s: '%s' is none of %s", s->name, text, s->words);
	case OPTION_NUMBER:
	case OPTION_REAL:
	case OPTION_BYTES:
		return read_number(text, s->kind, v) ||
		       usage(o->command, "--%s: '%s' is no %s", s->name, text,
			     s->kind == OPTION_NUMBER ? "whole number"
			     : s->kind == OPTION_REAL ? "number from 0 on"
						      : "number of bytes");
	default:
		return true;
	}
}

static bool ends_with(const char *text, const char *end)
{
	const size_t n = strlen(text), m = strlen(end);
	return n >= m && !strcmp(text + n - m, end);
}

/* Reads one option and its argument, which is `attached` if not NULL, else the next word. */
static bool read_option(options *o, const option_spec *s, const char *attached, size_t count,
			char *const *words, size_t *i)
{
	if (s->kind == OPTION_FLAG)
		return attached ? usage(o->command, "--%s takes no argument", s->name) : store(o, s, NULL);
	if (!attached && s->kind == OPTION_JSON && (*i + 1 >= count || !ends_with(words[*i + 1], ".json")))
		return store(o, s, NULL);
	if (!attached && *i + 1 >= count)
		return usage(o->command, "--%s needs an argument: %s", s->name, s->argument);
	return store(o, s, attached ? attached : words[++*i]);
}

static bool read_letters(options *o, const char *letters, size_t count, char *const *words, size_t *i)
{
	for (; *letters; letters++) {
		const option_spec *s = find_letter(o->command, *letters);
		if (!s)
			return false;
		if (s->kind != OPTION_FLAG)
			return read_option(o, s, letters[1] ? letters + 1 : NULL, count, words, i);
		store(o, s, NULL);
	}
	return true;
}

bool options_parse(options *o, const command *c, size_t count, char *const *words)
{
	o->command = c;
	o->arguments = calloc(count + 1, sizeof(*o->arguments));
	if (!o->arguments)
		return usage(c, "out of memory");
	bool only_arguments = false;
	for (size_t i = 0; i < count; i++) {
		const char *w = words[i];
		if (only_arguments || w[0] != '-' || !w[1]) {
			o->arguments[o->argument_count++] = w;
		} else if (!strcmp(w, "--")) {
			only_arguments = true;
		} else if (w[1] == '-') {
			const char *equals = strchr(w, '=');
			const option_spec *s =
				find_long(c, w + 2, equals ? (size_t)(equals - w - 2) : strlen(w + 2));
			if (!s || !read_option(o, s, equals ? equals + 1 : NULL, count, words, &i))
				return false;
		} else if (!read_letters(o, w + 1, count, words, &i)) {
			return false;
		}
	}
	return true;
}

void options_free(options *o)
{
	for (size_t i = 0; i < option_spec_count; i++)
		free(value_of(o, &option_specs[i])->texts);
	free(o->arguments);
	*o = (options){ 0 };
}

bool arguments_expected(const options *o, size_t count)
{
	if (o->argument_count == count)
		return true;
	if (!count)
		return usage(o->command, "'clast %s' takes no arguments, found '%s'", o->command->name,
			     o->arguments[0]);
	return usage(o->command, "'clast %s' expects %s, found %zu argument%s", o->command->name,
		     o->command->arguments, o->argument_count, o->argument_count == 1 ? "" : "s");
}
