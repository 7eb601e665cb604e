/* How pools gather their taps, in either order of the image. */
#ifndef CLAST_POOL_COMBINE_H
#define CLAST_POOL_COMBINE_H

#include <math.h>

#include "conv.h"
#include "vector/vec.h"

/* What no tap at all gives. */
ALWAYS_INLINE vec pool_start(uint32_t kind)
{
	return splat(kind == POOL_MAX ? -INFINITY : 0);
}

/* a: the taps so far, x: the next. */
ALWAYS_INLINE vec pool_combine(uint32_t kind, vec a, vec x)
{
	switch (kind) {
	case POOL_MAX:
		return vec_select(a == a, vec_max(a, x), a); /* NaN stays */
	case POOL_L1:
		return a + vec_abs(x);
	case POOL_L2:
		return x * x + a;
	default:
		return a + x;
	}
}

#endif
