#include "help_text.h"

#include <stdbool.h>
#include <string.h>

#include "clast/clast.h"

enum { TEXT_WIDTH = 100, HELP_COLUMN = 8 };

/* ---- Text for terminals ---- */

/* Prints text broken at blanks, every line indented. */
static void print_wrapped(FILE *f, const char *text, size_t indent)
{
	size_t column = 0;
	while (*text) {
		const size_t word = strcspn(text, " ");
		if (column && column + 1 + word > TEXT_WIDTH) {
			fputc('\n', f);
			column = 0;
		}
		if (!column)
			column = indent + (size_t)fprintf(f, "%*s", (int)indent, "") - indent;
		else
			column += (size_t)fprintf(f, " ");
		column += fwrite(text, 1, word, f);
		text += word + (text[word] == ' ');
	}
	fputc('\n', f);
}

/* "-t, --threads N"; the argument of an option that can do without it is shown in brackets. */
static void format_option(const option_spec *s, char *text, size_t size)
{
	char letter[8] = "";
	if (s->letter)
		snprintf(letter, sizeof(letter), "-%c, ", s->letter);
	const char *argument = s->argument                            ? s->argument
			       : s->words && s->kind == OPTION_CHOICE ? s->words
								      : "";
	if (s->kind == OPTION_JSON)
		snprintf(text, size, "%s--%s[=%s]", letter, s->name, argument);
	else
		snprintf(text, size, "%s--%s%s%s", letter, s->name, *argument ? " " : "", argument);
}

void help_program(FILE *f)
{
	fputs("clast runs neural networks in the ONNX format.\n\nUsage: clast COMMAND "
	      "[OPTIONS]\n\nCommands:\n",
	      f);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(f, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n  'clast COMMAND --help' shows the options of a command, 'clast --version' the version.\n\n"
	      "Examples:\n"
	      "  clast run model.onnx --image cat.jpg --preprocess imagenet --top 5 --labels labels.txt\n"
	      "  clast verify model.onnx --ref test_data\n"
	      "  clast bench model.onnx --threads 2\n\n"
	      "Exit status: 0 fine, 1 mismatch, 2 usage, 3 unsupported or malformed model, 4 input or "
	      "output, 5 device.\n",
	      f);
}

void help_command(FILE *f, const command *c)
{
	fprintf(f, "%s.\n\nUsage: clast %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", c->summary, c->name,
		*c->arguments ? " " : "", c->arguments, c->description);
	for (size_t i = 0; i < option_spec_count; i++) {
		const option_spec *s = &option_specs[i];
		char head[120];
		if (!option_applies(s, c))
			continue;
		format_option(s, head, sizeof(head));
		fprintf(f, "  %s\n", head);
		print_wrapped(f, s->help, HELP_COLUMN);
	}
}

/* ---- Manual pages ---- */

/* roff reads a leading dot or quote as a request, a backslash as an escape, and '-' as a hyphen. */
static void print_roff(FILE *f, const char *text)
{
	for (bool line_start = true; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", f);
		if (*text == '\\')
			fputs("\\e", f);
		else if (*text == '-')
			fputs("\\-", f);
		else
			fputc(*text, f);
		line_start = *text == '\n';
	}
}

static void man_head(FILE *f, const char *title, const char *name, const char *summary)
{
	fprintf(f, ".TH %s 1 \"\" \"Clast %s\" \"User Commands\"\n.SH NAME\n%s \\- ", title, clast_version(),
		name);
	print_roff(f, summary);
	fputc('\n', f);
}

static void man_option(FILE *f, const option_spec *s)
{
	char head[120];
	format_option(s, head, sizeof(head));
	fputs(".TP\n.B ", f);
	print_roff(f, head);
	fputc('\n', f);
	print_roff(f, s->help);
	fputc('\n', f);
}

static void man_exit_status(FILE *f)
{
	static const struct {
		int code;
		const char *meaning;
	} codes[] = { { 0, "Fine." },
		      { 1, "Outputs differ from the references." },
		      { 2, "The command line or an input does not fit." },
		      { 3, "The model is malformed or uses what is not supported." },
		      { 4, "A file cannot be read or written, or memory is short." },
		      { 5, "A device is missing or failed." } };
	fputs(".SH EXIT STATUS\n", f);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		fprintf(f, ".TP\n.B %d\n%s\n", codes[i].code, codes[i].meaning);
}

static void man_command(FILE *f, const command *c)
{
	char title[40] = "CLAST-", name[40];
	for (size_t i = 0; c->name[i] && i < 30; i++) {
		title[6 + i] = (char)(c->name[i] - 'a' + 'A');
		title[7 + i] = 0;
	}
	snprintf(name, sizeof(name), "clast-%s", c->name);
	man_head(f, title, name, c->summary);
	fprintf(f, ".SH SYNOPSIS\n.B clast %s\n[OPTIONS] ", c->name);
	print_roff(f, c->arguments);
	fputs("\n.SH DESCRIPTION\n", f);
	print_roff(f, c->description);
	fputs("\n.SH OPTIONS\n", f);
	for (size_t i = 0; i < option_spec_count; i++)
		if (option_applies(&option_specs[i], c))
			man_option(f, &option_specs[i]);
	man_exit_status(f);
	fputs(".SH SEE ALSO\n.BR clast (1)\n", f);
}

void help_man(FILE *f, const command *c)
{
	if (c) {
		man_command(f, c);
		return;
	}
	man_head(f, "CLAST", "clast", "run neural networks in the ONNX format");
	fputs(".SH SYNOPSIS\n.B clast\nCOMMAND [OPTIONS]\n.SH DESCRIPTION\nClast imports an ONNX model, "
	      "decides in which "
	      "order the axes of every tensor lie in memory, and runs the resulting plan.\n.SH COMMANDS\n",
	      f);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(f, ".TP\n.BR clast\\-%s (1)\n", commands[i].name);
		print_roff(f, commands[i].summary);
		fputs(".\n", f);
	}
	man_exit_status(f);
	fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nIf not empty, output is never coloured.\n.TP\n.B "
	      "CLAST_ISA\nMasks the CPU "
	      "features that kernels may use.\n",
	      f);
}

/* ---- Completions ---- */

static void print_words(FILE *f, const char *words)
{
	for (; words && *words; words++)
		fputc(*words == '|' ? ' ' : *words, f);
}

static bool completes_files(const option_spec *s)
{
	return s->words && s->words[0] == '<';
}

static void complete_bash(FILE *f)
{
	fputs("# bash completion for clast\n_clast() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords=\"",
	      f);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(f, "%s%s", i ? " " : "", commands[i].name);
	fputs("\"\n\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n\t\treturn\n\tfi\n"
	      "\tcase ${COMP_WORDS[1]}:$previous in\n",
	      f);
	for (size_t i = 0; i < option_spec_count; i++) {
		const option_spec *s = &option_specs[i];
		if (!s->words || completes_files(s))
			continue;
		const char *bar = "\t";
		for (size_t k = 0; k < COMMAND_COUNT; k++)
			if (option_applies(s, &commands[k])) { /* options of one name may take other words elsewhere */
				fprintf(f, "%s%s:--%s", bar, commands[k].name, s->name);
				bar = "|";
			}
		fputs(") COMPREPLY=($(compgen -W \"", f);
		print_words(f, s->words);
		fputs("\" -- \"$word\")); return ;;\n", f);
	}
	fputs("\tesac\n\tcase ${COMP_WORDS[1]} in\n", f);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(f, "\t%s) words=\"", commands[i].name);
		for (size_t k = 0; k < option_spec_count; k++)
			if (option_applies(&option_specs[k], &commands[i]))
				fprintf(f, " --%s", option_specs[k].name);
		fputs("\" ;;\n", f);
	}
	fputs("\tesac\n\tif [[ $word == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$words\" -- "
	      "\"$word\"))\n\telse\n"
	      "\t\tCOMPREPLY=($(compgen -f -- \"${word#*=}\"))\n\tfi\n}\ncomplete -o filenames -F _clast "
	      "clast\n",
	      f);
}

/* Text within single quotes of zsh and fish; brackets and colons mean something in zsh's specifications. */
static void print_quoted(FILE *f, const char *text, bool zsh)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(zsh ? "'\\''" : "\\'", f);
		else if (*text == '\\')
			fputs("\\\\", f);
		else if (zsh && strchr("[]:", *text))
			fprintf(f, "\\%c", *text);
		else
			fputc(*text, f);
	}
}

static void zsh_option(FILE *f, const option_spec *s)
{
	fprintf(f, "\t\t\t'%s--%s%s[", s->kind == OPTION_LIST ? "*" : "", s->name,
		s->kind == OPTION_FLAG   ? ""
		: s->kind == OPTION_JSON ? "=-"
					 : "=");
	print_quoted(f, s->help, true);
	fputc(']', f);
	if (s->kind != OPTION_FLAG) {
		fprintf(f, ":%s:", s->kind == OPTION_JSON ? ":file" : "argument");
		if (completes_files(s))
			fputs(!strcmp(s->words, "<dir>") ? "_files -/" : "_files", f);
		else if (s->words) {
			fputc('(', f);
			print_words(f, s->words);
			fputc(')', f);
		}
	}
	fputs("' \\\n", f);
}

static void complete_zsh(FILE *f)
{
	fputs("#compdef clast\n_clast() {\n\tlocal -a commands=(\n", f);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(f, "\t\t'%s:", commands[i].name);
		print_quoted(f, commands[i].summary, true);
		fputs("'\n", f);
	}
	fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n",
	      f);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(f, "\t%s)\n\t\t_arguments \\\n", commands[i].name);
		for (size_t k = 0; k < option_spec_count; k++)
			if (option_applies(&option_specs[k], &commands[i]))
				zsh_option(f, &option_specs[k]);
		fputs("\t\t\t'*:file:_files' ;;\n", f);
	}
	fputs("\tesac\n}\n_clast \"$@\"\n", f);
}

static void fish_option(FILE *f, const option_spec *s, const command *c)
{
	fprintf(f, "complete -c clast -n '__fish_seen_subcommand_from %s' -l %s", c->name, s->name);
	if (s->letter)
		fprintf(f, " -s %c", s->letter);
	if (s->kind != OPTION_FLAG && s->kind != OPTION_JSON)
		fputs(completes_files(s) ? " -r -F" : " -x", f);
	if (s->words && !completes_files(s)) {
		fputs(" -a '", f);
		print_words(f, s->words);
		fputc('\'', f);
	}
	fputs(" -d '", f);
	print_quoted(f, s->help, false);
	fputs("'\n", f);
}

static void complete_fish(FILE *f)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		fprintf(f, "complete -c clast -n __fish_use_subcommand -f -a %s -d '", commands[i].name);
		print_quoted(f, commands[i].summary, false);
		fputs("'\n", f);
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		for (size_t k = 0; k < option_spec_count; k++)
			if (option_applies(&option_specs[k], &commands[i]))
				fish_option(f, &option_specs[k], &commands[i]);
}

void help_completion(FILE *f, const char *shell)
{
	if (!strcmp(shell, "bash"))
		complete_bash(f);
	else if (!strcmp(shell, "zsh"))
		complete_zsh(f);
	else
		complete_fish(f);
}
