/* clast help: help texts, manual pages, completions. */
#include "help_text.h"

#include "json.h"
#include "report.h"

static void write_option(json *j, const option_spec *s)
{
	json_object(j, NULL);
	json_string(j, "name", s->name);
	json_string(j, "argument", s->argument ? s->argument : s->kind == OPTION_CHOICE ? s->words : NULL);
	json_boolean(j, "repeatable", s->kind == OPTION_LIST);
	json_string(j, "help", s->help);
	json_end_object(j);
}

static void write_command(json *j, const command *c)
{
	json_object(j, NULL);
	json_string(j, "name", c->name);
	json_string(j, "arguments", c->arguments);
	json_string(j, "summary", c->summary);
	json_array(j, "options");
	for (size_t i = 0; i < option_spec_count; i++)
		if (option_applies(&option_specs[i], c))
			write_option(j, &option_specs[i]);
	json_end_array(j);
	json_end_object(j);
}

static int help_json(const options *o, const command *c)
{
	json j;
	if (!json_open(&j, o))
		return EXIT_IO;
	json_object(&j, NULL);
	json_array(&j, "commands");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!c || c == &commands[i])
			write_command(&j, &commands[i]);
	json_end_array(&j);
	json_end_object(&j);
	return json_close(&j) ? EXIT_FINE : EXIT_IO;
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
