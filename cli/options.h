/* Commands and options: two tables (commands.def, options.def) and the parser that they drive. */
#ifndef CLAST_CLI_OPTIONS_H
#define CLAST_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct options options;

typedef struct command {
	const char *name, *arguments, *summary, *description;
	int (*run)(const options *o); /* the exit code */
} command;

enum command_id {
#define COMMAND(id, ...) COMMAND_##id,
#include "commands.def"
#undef COMMAND
	COMMAND_COUNT
};
#define COMMAND(id, ...) int command_##id(const options *o);
#include "commands.def"
#undef COMMAND
extern const command commands[COMMAND_COUNT];
/* NULL if there is none of this name. */
const command *command_find(const char *name);

typedef enum option_kind {
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_CHOICE, /* one of the words */
	OPTION_LIST,   /* may be repeated */
	OPTION_NUMBER, /* a whole number */
	OPTION_REAL,
	OPTION_BYTES, /* a number with an optional k, M or G (powers of 1024) */
	OPTION_JSON   /* an optional file */
} option_kind;

typedef struct option_spec {
	const char *name;
	char letter; /* 0: none */
	option_kind kind;
	uint32_t commands; /* bit set of command_id */
	const char *argument, *words, *help;
	size_t offset; /* of its option_value in options */
} option_spec;
extern const option_spec option_specs[];
extern const size_t option_spec_count;

static inline bool option_applies(const option_spec *s, const command *c)
{
	return s->commands >> (c - commands) & 1;
}

typedef struct option_value {
	size_t count;       /* how often it was given */
	const char *text;   /* its last argument; NULL for flags and for --json without a file */
	const char **texts; /* all arguments */
	uint64_t number;
	double real;
} option_value;

struct options {
	const command *command;
#define OPTION(id, ...) option_value id;
#include "options.def"
#undef OPTION
	const char **arguments; /* those that are no options */
	size_t argument_count;
};

/* Reads words[0..count), which follow the name of the command. On a mistake prints it with what to do next
 * and returns false. o must be zeroed; options_free releases it. The words must live as long as o. */
bool options_parse(options *o, const command *c, size_t count, char *const *words);
void options_free(options *o);
/* Whether exactly `count` arguments were given; says what was expected otherwise. */
bool arguments_expected(const options *o, size_t count);

#endif
