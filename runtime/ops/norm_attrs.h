/* Attributes of the normalisations. */
#ifndef CLAST_NORM_ATTRS_H
#define CLAST_NORM_ATTRS_H

#include "infer.h"

typedef struct batch_norm_attrs {
	float epsilon, momentum;
	bool is_test;             /* version 6 and before */
	int64_t spatial;          /* version 8 and before: 0 means statistics of shape [C, D1...] */
	bool training_mode;       /* since version 14 */
	int_list consumed_inputs; /* version 1: a promise about memory, without effect */
} batch_norm_attrs;

/* InstanceNormalization */
typedef struct instance_norm_attrs {
	float epsilon;
	int_list consumed_inputs; /* version 1, without effect */
} instance_norm_attrs;

typedef struct group_norm_attrs {
	float epsilon;
	int64_t num_groups;
	clast_dtype stash_type;
} group_norm_attrs;

/* LayerNormalization, RMSNormalization */
typedef struct layer_norm_attrs {
	float epsilon;
	int64_t axis; /* negative: from the end */
	clast_dtype stash_type;
} layer_norm_attrs;

typedef struct lrn_attrs {
	float alpha, beta, bias;
	int64_t size;
} lrn_attrs;

#endif
