/* Attributes of Pad and the pads of every axis. */
#ifndef CLAST_PAD_H
#define CLAST_PAD_H

#include "infer.h"

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

typedef struct pad_attrs {
	int_list pads;
	float value;
	int mode; /* pad_mode */
} pad_attrs;

/* Pads of every axis: before and after. */
typedef struct pad_params {
	bool known_axes;
	uint32_t mask; /* of the axes listed */
	dim before[CLAST_MAX_RANK], after[CLAST_MAX_RANK]; /* DIM_UNKNOWN where not known */
} pad_params;

clast_status pad_read(const infer_in *in, int rank, pad_params *p, clast_diag *d);
/* Where element i of a padded axis comes from; -1: the constant. */
int64_t pad_source(int mode, int64_t i, int64_t extent, int64_t before, int64_t after);

#endif
