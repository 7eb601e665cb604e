/* Help texts, manual pages and shell completions, all made from the tables of commands and options. */
#ifndef CLAST_CLI_HELP_TEXT_H
#define CLAST_CLI_HELP_TEXT_H

#include <stdio.h>

#include "options.h"

void help_program(FILE *f);
void help_command(FILE *f, const command *c);
/* clast-COMMAND(1), or clast(1) if c is NULL. */
void help_man(FILE *f, const command *c);
/* shell is "bash", "zsh" or "fish". */
void help_completion(FILE *f, const char *shell);

#endif
