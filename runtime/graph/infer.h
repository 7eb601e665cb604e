/* Helpers for operators' infer functions. Each names the offending input, what was expected and what was found. */
#ifndef CLAST_INFER_H
#define CLAST_INFER_H

#include "op.h"

static inline bool has_input(const infer_in *in, size_t i)
{
	return i < in->n_in && in->in[i].present;
}
static inline bool wants_output(const infer_in *in, const infer_out *out, size_t i)
{
	return i < in->n_out && out->out[i].present;
}

/* Output 0 gets dtype and shape of input i. */
clast_status infer_same_as_input(const infer_in *in, size_t i, infer_out *out, clast_diag *d);
void infer_set(infer_out *out, size_t i, clast_dtype dtype, const shape *s);
/* ONNX multidirectional broadcast of n shapes; rank -1 if one is unknown. */
clast_status infer_broadcast(const infer_in *in, size_t n, const shape *const *shapes, shape *out, clast_diag *d);
/* Error unless the ranks lie in [lo, hi]; unknown rank passes: check the shape's rank before using dims. */
clast_status infer_rank(const infer_in *in, size_t i, int lo, int hi, clast_diag *d);
clast_status infer_dtype(const infer_in *in, size_t i, uint32_t dtype_bits, clast_diag *d);
clast_status infer_same_dtype(const infer_in *in, size_t i, size_t j, clast_diag *d);
/* axis in [-rank, rank) to [0, rank). what names it: "axis", "axes[1]". */
clast_status infer_axis(int64_t axis, int rank, const char *what, int *out, clast_diag *d);
/* Marks listed axes (negative allowed) in mask; duplicates are errors. */
clast_status infer_axes(const int64_t *axes, size_t n, int rank, uint32_t *mask, clast_diag *d);
/* Elements of integer input i if known: returns an array of dims (some may be DIM_UNKNOWN) and its length, or NULL. */
const dim *infer_ints(const infer_in *in, size_t i, size_t *count);
/* The same, but only if all of them are numbers. */
const int64_t *infer_numbers(const infer_in *in, size_t i, size_t *count);
/* Element j of real input i if known. */
bool infer_real(const infer_in *in, size_t i, int64_t j, double *out);
/* Number of elements of input i if its shape is known as a number. */
bool infer_count(const infer_in *in, size_t i, int64_t *count);
/* Whether elements of an output of this shape are worth following: integer or bool, rank <= 1 (or few elements), at most 1024. */
bool infer_small(clast_dtype dtype, const shape *s, size_t *count);
dim *infer_new_ints(const infer_in *in, size_t count);
dim infer_fresh(const infer_in *in, const char *hint, int64_t lo, int64_t hi);
void shape_format(dim_table *t, const shape *s, char *buffer, size_t bytes);

#endif
