/* The kinds of layers that --layer knows. */
#ifndef CLAST_CLI_LAYER_KINDS_H
#define CLAST_CLI_LAYER_KINDS_H

#include "layer.h"

/* A key that a kind takes, and its value if it is left out: a number, the name of a key before it, or "same", the pad that keeps the
 * size at stride 1. */
typedef struct layer_default {
	layer_key key;
	const char *text;
} layer_default;

struct layer_kind {
	const char *name, *what;
	layer_default keys[12];                  /* ended by text NULL */
	const char *(*check)(const layer *l);    /* what does not go together, or NULL; may itself be NULL */
	clast_status (*add)(const layer *l, clast_builder *b, clast_diag *d); /* from inputs to the output "y" */
};

/* Ended by name NULL. */
extern const layer_kind layer_kinds[];

#endif
