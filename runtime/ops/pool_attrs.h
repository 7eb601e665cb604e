/* Attributes of the pools. Their geometry: pool_geometry_of() in conv_attrs.h. */
#ifndef CLAST_POOL_ATTRS_H
#define CLAST_POOL_ATTRS_H

#include "conv_attrs.h"

/* op.family of MaxPool, AveragePool and LpPool, and of the global ones. */
typedef enum pool_family { FAMILY_MAX_POOL, FAMILY_AVERAGE_POOL, FAMILY_LP_POOL } pool_family;

/* MaxPool, AveragePool, LpPool */
typedef struct pool_attrs {
	window_attrs window;
	bool column_major;      /* MaxPool: Indices count the spatial axes in column-major order */
	bool count_include_pad; /* AveragePool */
	int64_t p;              /* LpPool */
	float p_real;           /* LpPool-1 */
} pool_attrs;

/* GlobalLpPool */
typedef struct global_pool_attrs {
	int64_t p;
	float p_real; /* GlobalLpPool-1 */
} global_pool_attrs;

/* The exponent, whichever version gave it. */
static inline double pool_exponent(int version, int64_t p, float p_real)
{
	return version < 2 ? (double)p_real : (double)p;
}

#endif
