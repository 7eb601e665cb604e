/* Dropout: its attributes, and whether a node is more than a copy. */
#ifndef CLAST_DROPOUT_H
#define CLAST_DROPOUT_H

#include "infer.h"

typedef struct dropout_attrs {
	float ratio;
	int64_t seed;
	bool is_test;
	int_list unused;
} dropout_attrs;

/* Whether elements are dropped, as far as is known: an unknown training flag or ratio counts as training. */
bool dropout_is_training(const infer_in *in);

#endif
