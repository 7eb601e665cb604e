/* clast help: help texts, manual pages, completions. */
#include "help_text.h"

#include "emit.h"
#include "report.h"

static void write_option(emitter *j, const option_spec *s)
{
	emit_object(j, NULL);
	emit_string(j, "name", s->name);
	emit_string(j, "argument", s->argument ? s->argument : s->kind == OPTION_CHOICE ? s->words : NULL);
	emit_boolean(j, "repeatable", s->kind == OPTION_LIST);
	emit_string(j, "help", s->help);
	emit_end_object(j);
}

static void write_command(emitter *j, const command *c)
{
	emit_object(j, NULL);
	emit_string(j, "name", c->name);
	emit_string(j, "arguments", c->arguments);
	emit_string(j, "summary", c->summary);
	emit_array(j, "options");
	for (size_t i = 0; i < option_spec_count; i++)
		if (option_applies(&option_specs[i], c))
			write_option(j, &option_specs[i]);
	emit_end_array(j);
	emit_end_object(j);
}

static int help_json(const options *o, const command *c)
{
	emitter j;
	if (!emit_open(&j, o))
		return EXIT_IO;
	emit_object(&j, NULL);
	emit_array(&j, "commands");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!c || c == &commands[i])
			write_command(&j, &commands[i]);
	emit_end_array(&j);
	emit_end_object(&j);
	return emit_close(&j) ? EXIT_FINE : EXIT_IO;
}

int command_help(const options *o)
{
	const command *c = o->argument_count ? command_find(o->arguments[0]) : NULL;
	if (o->argument_count > 1 || (o->argument_count && !c)) {
		report_error(NULL, "there is no command '%s'", o->arguments[o->argument_count - 1]);
		report_hint("'clast help' lists the commands");
		return EXIT_USAGE;
	}
	if (o->json.count)
		return help_json(o, c);
	if (o->completion.count)
		help_completion(stdout, o->completion.text);
	else if (o->man.count)
		help_man(stdout, c);
	else if (c)
		help_command(stdout, c);
	else
		help_program(stdout);
	return EXIT_FINE;
}
