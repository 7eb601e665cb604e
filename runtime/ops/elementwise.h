/* What the elementwise operators share: their scalar functions (op.family, by which kernels know them),
 * attributes, the walk over operands of any order, and the inference of small integers. */
#ifndef CLAST_ELEMENTWISE_H
#define CLAST_ELEMENTWISE_H

#include "infer.h"
#include "tick.h"

typedef enum scalar {
	SCALAR_NONE,
	/* One operand. */
	SCALAR_ABS,
	SCALAR_ACOS,
	SCALAR_ACOSH,
	SCALAR_ASIN,
	SCALAR_ASINH,
	SCALAR_ATAN,
	SCALAR_ATANH,
	SCALAR_BITWISE_NOT,
	SCALAR_CEIL,
	SCALAR_COS,
	SCALAR_COSH,
	SCALAR_ERF,
	SCALAR_EXP,
	SCALAR_FLOOR,
	SCALAR_IS_INF, /* detect_negative, detect_positive */
	SCALAR_IS_NAN,
	SCALAR_LOG,
	SCALAR_NEG,
	SCALAR_NOT,
	SCALAR_RECIPROCAL,
	SCALAR_ROUND, /* ties to even */
	SCALAR_SIGN,
	SCALAR_SIN,
	SCALAR_SINH,
	SCALAR_SQRT,
	SCALAR_TAN,
	SCALAR_TANH,
	/* Activations: one operand too. */
	SCALAR_CELU,         /* alpha */
	SCALAR_ELU,          /* alpha */
	SCALAR_GELU,         /* tanh_approximation */
	SCALAR_HARD_SIGMOID, /* alpha, beta */
	SCALAR_HARD_SWISH,
	SCALAR_LEAKY_RELU, /* alpha */
	SCALAR_MISH,
	SCALAR_RELU,
	SCALAR_SELU,   /* alpha, gamma */
	SCALAR_SHRINK, /* lambda, bias */
	SCALAR_SIGMOID,
	SCALAR_SOFTPLUS,
	SCALAR_SOFTSIGN,
	SCALAR_SWISH,            /* alpha */
	SCALAR_THRESHOLDED_RELU, /* alpha */
	/* Two operands. */
	SCALAR_ADD,
	SCALAR_AND,
	SCALAR_BITWISE_AND,
	SCALAR_BITWISE_OR,
	SCALAR_BITWISE_XOR,
	SCALAR_BIT_SHIFT, /* right */
	SCALAR_DIV,       /* integers: towards zero */
	SCALAR_EQUAL,
	SCALAR_GREATER,
	SCALAR_GREATER_OR_EQUAL,
	SCALAR_LESS,
	SCALAR_LESS_OR_EQUAL,
	SCALAR_MAX, /* MAX, MIN, MEAN and SUM take any number of operands */
	SCALAR_MIN,
	SCALAR_MOD, /* truncated */
	SCALAR_MUL,
	SCALAR_OR,
	SCALAR_POW,
	SCALAR_PRELU,
	SCALAR_SUB,
	SCALAR_XOR,
	SCALAR_MEAN,
	SCALAR_SUM,
	/* Operands of other kinds. */
	SCALAR_CLIP,
	SCALAR_WHERE,
	SCALAR_CAST
} scalar;

/* Attributes of every elementwise operator in unary.c, binary.c and variadic.c. */
typedef struct elementwise_attrs {
	float alpha, beta, gamma, lambda, bias;
	int tanh_approximation;
	bool detect_negative, detect_positive;
	bool truncated;  /* Mod's fmod */
	int right;       /* BitShift's direction */
	bool broadcast;  /* before opset 7: B is aligned at axis */
	int64_t axis;    /* NO_AXIS: at the end */
	int_list unused; /* consumed_inputs of opset 1 */
} elementwise_attrs;

#define NO_AXIS INT64_MIN

double scalar_unary(scalar f, double x, const elementwise_attrs *a);
/* The exact function on integers, where there is one. */
bool scalar_is_integral(scalar f);
int64_t scalar_unary_int(scalar f, int64_t x);

/* Walks all rows (along the last axis) of a view; asks now and then whether to go on.
 *     rows r = rows_over(c, y);
 *     while (rows_next(&r)) for (int64_t i = 0; i < r.length; i++) ... iter_offset(y, &r.it) + along(y, i)
 *     return r.status; */
typedef struct rows {
	iter it; /* the last axis's index stays 0 */
	int64_t length;
	ticker ticker;
	clast_status status;
} rows;

rows rows_over(call *c, const tensor_view *v);
bool rows_next(rows *r);

static inline int64_t along(const tensor_view *v, int64_t i)
{
	return v->rank ? axis_offset(v, v->rank - 1, i) : 0;
}

/* Follows the elements of a small output (dtype and shape already set): f computes one from those of the
 * inputs, any of which may be DIM_UNKNOWN. A float tensor is followed too as long as its elements are known
 * to be integral: exporters compute sizes in float (Shape, Cast, Mul, Floor, Cast). Does nothing where
 * nothing is known. Inputs broadcast. */
typedef dim (*element_rule)(const infer_in *in, size_t n, const dim *x);
clast_status infer_elements(const infer_in *in, size_t n, infer_out *out, element_rule f, clast_diag *d);

/* An element as infer_ints gives it: DIM_UNKNOWN where that is not its value (the lowest of int64 and the
 * upper half of uint64 have none). */
dim dim_of_element(clast_dtype t, dim x);

/* 1, 0 or -1: certainly, certainly not, unknown. */
int dim_surely_less(const infer_in *in, dim a, dim b);
int dim_surely_equal(const infer_in *in, dim a, dim b);

#endif
