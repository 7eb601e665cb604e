/* The clast program: finds the command, reads its options, runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "help_text.h"
#include "options.h"
#include "report.h"

/* A reader that closes the pipe early (clast ops | head) has what it wanted; any other failure to write
 * counts. */
static int finish_output(int code)
{
	progress_clear();
	const bool failed = fflush(stdout) != 0 || ferror(stdout);
	if (!failed || errno == EPIPE)
		return code;
	report_error(NULL, "standard output: %s", strerror(errno));
	return code ? code : EXIT_IO;
}

static int run_command(const command *c, size_t count, char *const *words)
{
	options o = { 0 };
	int code = EXIT_USAGE;
	if (options_parse(&o, c, count, words)) {
		if (o.help.count)
			help_command(stdout, c);
		code = o.help.count ? EXIT_FINE : c->run(&o);
	}
	options_free(&o);
	return code;
}

int main(int argc, char **argv)
{
	interrupt_install();
	if (argc < 2) {
		help_program(stderr);
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		help_program(stdout);
		return finish_output(EXIT_FINE);
	}
	if (!strcmp(name, "--version")) {
		printf("clast %s\n", clast_version());
		return finish_output(EXIT_FINE);
	}
	const command *c = command_find(name);
	if (!c) {
		report_error(NULL, "there is no command '%s'", name);
		report_hint("'clast --help' lists the commands");
		return EXIT_USAGE;
	}
	return finish_output(run_command(c, (size_t)argc - 2, argv + 2));
}
