/* Interpolation along one axis, shared by Resize and Upsample of every version; kernels take their tables
 * from here. */
#ifndef CLAST_RESIZE_H
#define CLAST_RESIZE_H

#include "infer.h"

typedef enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC } resize_mode;
typedef enum resize_coordinates {
	RESIZE_HALF_PIXEL,
	RESIZE_PYTORCH_HALF_PIXEL,
	RESIZE_ALIGN_CORNERS,
	RESIZE_ASYMMETRIC,
	RESIZE_CROP,                /* tf_crop_and_resize */
	RESIZE_HALF_PIXEL_FOR_NN,   /* tf_half_pixel_for_nn: opset 11, in use later too */
	RESIZE_HALF_PIXEL_SYMMETRIC /* opset 19 */
} resize_coordinates;
typedef enum resize_rounding {
	RESIZE_ROUND_PREFER_FLOOR,
	RESIZE_ROUND_PREFER_CEIL,
	RESIZE_FLOOR,
	RESIZE_CEIL,
	RESIZE_SIMPLE /* opset 10: floor when enlarging, ceil when shrinking */
} resize_rounding;

typedef struct resize_attrs {
	int mode, coordinates, rounding, policy;
	float cubic_a, extrapolation;
	bool exclude_outside, antialias;
	int_list axes;
	float_list scales;               /* Upsample 7 */
	float height_scale, width_scale; /* Upsample 1 */
} resize_attrs;

/* One axis: extents, and how far apart elements of x and y lie. */
typedef struct resize_axis {
	int64_t in, out;
	double scale, width; /* width = in * scale, which need not be whole */
	double roi_start, roi_end;
} resize_axis;

/* What the attributes mean for this operator and version: opset 10 and Upsample have fixed coordinates and
 * rounding. */
resize_attrs resize_settings(const op *o, int version, const resize_attrs *at);
/* Extents of x and y and the inputs of a call give every axis; fails with CLAST_ERROR_DATA. */
clast_status resize_read_axes(call *c, resize_axis *axes);
/* Whether the axis stays as it is. */
bool resize_is_identity(const resize_axis *a);

/* y[o] = sum over k < taps of weight[o * taps + k] * x[index[o * taps + k]]; an index of -1 in the first tap:
 * the extrapolation value. */
typedef struct resize_table {
	int64_t taps, n;
	int64_t *index;
	double *weight; /* NULL: nearest, one tap of weight 1 */
} resize_table;

clast_status resize_table_make(mem *m, const resize_attrs *at, const resize_axis *a, resize_table *t,
			       clast_diag *d);
void resize_table_free(mem *m, resize_table *t);

#endif
