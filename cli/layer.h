/* clast bench --layer: single layers in place of a model, swept over shapes, orders and instruction sets. */
#ifndef CLAST_CLI_LAYER_H
#define CLAST_CLI_LAYER_H

#include <stdint.h>

#include "engine.h"

/* What a layer is described by; each kind takes some of them. */
typedef enum layer_key {
	KEY_N, /* images, or matrices of a batch */
	KEY_C, /* channels; of a dense layer its inputs */
	KEY_H,
	KEY_W,
	KEY_K, /* kernel size; of a product the contracted extent */
	KEY_M, /* output channels; of a product and of rows their number */
	KEY_STRIDE,
	KEY_DILATION,
	KEY_GROUP,
	KEY_PAD,
	KEY_PARTS,
	KEY_SCALE,
	KEY_LINEAR,
	LAYER_KEYS
} layer_key;

typedef struct layer_kind layer_kind;

/* A layer with a list of values for each key; the sweep is their product. */
typedef struct layer_sweep {
	const layer_kind *kind;
	int64_t *values[LAYER_KEYS];
	size_t counts[LAYER_KEYS];
	size_t total; /* combinations */
} layer_sweep;

/* One of them, all numbers set. */
typedef struct layer {
	const layer_kind *kind;
	int64_t value[LAYER_KEYS];
} layer;

/* Reads "conv,n=1,c=64/128,h=7..56*2". An argument error says what was expected. layer_sweep_free also after a failure. */
CLAST_MUST_CHECK clast_status layer_sweep_parse(layer_sweep *s, const char *text, problem *p);
void layer_sweep_free(layer_sweep *s);
/* Combination number `index`; an argument error where the numbers do not go together. */
CLAST_MUST_CHECK clast_status layer_at(const layer_sweep *s, size_t index, layer *out, problem *p);
/* "conv,n=1,c=64,...": reads back as the same layer. */
void layer_text(const layer *l, char *text, size_t size);
/* The layer as a model with seeded constants, built by the public calls. */
CLAST_MUST_CHECK clast_status layer_build(const layer *l, clast_model **model, problem *p);
/* What --layer help prints. */
void layer_help(void);

/* The command. */
int bench_layers(const options *o);

#endif
