/* Attributes of operators that move elements, as the lowering needs them. */
#ifndef CLAST_MOVE_ATTRS_H
#define CLAST_MOVE_ATTRS_H

#include "op.h"

typedef struct concat_attrs {
	int64_t axis; /* negative: from the end */
} concat_attrs;

#endif
