#ifndef CLAST_CONSTANT_OF_SHAPE_H
#define CLAST_CONSTANT_OF_SHAPE_H

#include "infer.h"

typedef struct constant_of_shape_attrs {
	const tensor_view *value; /* one element; NULL: 0 of float32 */
} constant_of_shape_attrs;

#endif
