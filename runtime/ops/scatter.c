#include "scatter.h"

#include <math.h>

const char *const reductions_16[] = { "none", "add", "mul", NULL };
const char *const reductions_18[] = { "none", "add", "mul", "max", "min", NULL };

clast_status check_reduction(reduction r, clast_dtype dtype, clast_diag *d)
{
	if (r == REDUCTION_NONE || dtype == CLAST_UNDEFINED)
		return CLAST_OK;
	if (dtype == CLAST_STRING || (dtype_is_complex(dtype) && r >= REDUCTION_MAX))
		return fail(d, CLAST_ERROR_MODEL, "reduction %s is not defined for %s", reductions_18[r],
			    clast_dtype_name(dtype));
	return CLAST_OK;
}

static int64_t combine_ints(reduction r, clast_dtype dtype, int64_t a, int64_t b)
{
	const bool a_less = dtype == CLAST_UINT64 ? (uint64_t)a < (uint64_t)b : a < b;
	switch (r) {
	case REDUCTION_ADD:
		return dtype == CLAST_BOOL ? a | b : (int64_t)((uint64_t)a + (uint64_t)b);
	case REDUCTION_MUL:
		return (int64_t)((uint64_t)a * (uint64_t)b);
	case REDUCTION_MAX:
		return a_less ? b : a;
	case REDUCTION_MIN:
		return a_less ? a : b;
	default:
		return b;
	}
}

static double combine_reals(reduction r, double a, double b)
{
	switch (r) {
	case REDUCTION_ADD:
		return a + b;
	case REDUCTION_MUL:
		return a * b;
	case REDUCTION_MAX:
		return isnan(a) || isnan(b) ? NAN : a < b ? b : a;
	case REDUCTION_MIN:
		return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
	default:
		return b;
	}
}

/* A complex number is two reals side by side. */
static void combine_complex(reduction r, const tensor_view *to, int64_t i, const tensor_view *from, int64_t j)
{
	const clast_dtype half = to->dtype == CLAST_COMPLEX64 ? CLAST_FLOAT32 : CLAST_FLOAT64;
	tensor_view a, b;
	view_dense(&a, half, 0, NULL, to->data);
	view_dense(&b, half, 0, NULL, from->data);
	const double re = load_real(&a, 2 * i), im = load_real(&a, 2 * i + 1);
	const double re_b = load_real(&b, 2 * j), im_b = load_real(&b, 2 * j + 1);
	store_real(&a, 2 * i, r == REDUCTION_ADD ? re + re_b : re * re_b - im * im_b);
	store_real(&a, 2 * i + 1, r == REDUCTION_ADD ? im + im_b : re * im_b + im * re_b);
}

void combine_element(reduction r, const tensor_view *to, int64_t i, const tensor_view *from, int64_t j)
{
	if (r == REDUCTION_NONE)
		copy_element(to, i, from, j);
	else if (dtype_is_complex(to->dtype))
		combine_complex(r, to, i, from, j);
	else if (dtype_is_float(to->dtype))
		store_real(to, i, combine_reals(r, load_real(to, i), load_real(from, j)));
	else
		store_int(to, i, combine_ints(r, to->dtype, load_int(to, i), load_int(from, j)));
}
