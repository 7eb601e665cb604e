/* Attributes of Clip: bounds before version 11; later they are inputs. */
#ifndef CLAST_CLIP_ATTRS_H
#define CLAST_CLIP_ATTRS_H

#include "op.h"

typedef struct clip_attrs {
	float min, max;
	int_list unused; /* consumed_inputs of version 1 */
} clip_attrs;

#endif
