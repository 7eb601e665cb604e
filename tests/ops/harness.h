/* Runs one operator in every way the runtime may and compares: the reference in row-major and in random
 * orders, strides and gaps of every operand; inference with numbers, with symbols, with hidden elements and
 * with unknown ranks; every allocation failing once.
 *
 *     op_case *c = case_new("Conv", 11);
 *     case_ints(c, "pads", INTS(1, 1, 1, 1));
 *     case_in(c, CLAST_FLOAT32, INTS(1, 1, 2, 2), REALS(1, 2, 3, 4));
 *     case_random(c, CLAST_FLOAT32, INTS(3, 1, 3, 3), -1, 1);
 *     case_out(c, CLAST_FLOAT32, INTS(1, 3, 2, 2), 0, NULL);
 *     case_run(c);
 */
#ifndef TESTS_OPS_HARNESS_H
#define TESTS_OPS_HARNESS_H

#include "graph.h"

/* A list as (count, pointer). An empty list (the dims of a scalar): NONE. */
#define INTS(...)                                                                                            \
	(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[])                            \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define REALS(...)                                                                                           \
	(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), (const double[])                               \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define FLOATS(...)                                                                                          \
	(sizeof((float[]){ __VA_ARGS__ }) / sizeof(float)), (const float[])                                  \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define STRINGS(...)                                                                                         \
	(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), (const char *const[])                    \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define NONE 0, NULL

typedef struct op_case op_case;

/* An operator of the default domain at an opset; fails the test if there is none. */
op_case *case_new(const char *op, int64_t opset);
op_case *case_new_in(const char *domain, const char *op, int64_t opset);

/* ---- Attributes ---- */
void case_int(op_case *c, const char *name, int64_t number);
void case_float(op_case *c, const char *name, float number);
void case_string(op_case *c, const char *name, const char *string);
void case_ints(op_case *c, const char *name, size_t n, const int64_t *values);
void case_floats(op_case *c, const char *name, size_t n, const float *values);
void case_strings(op_case *c, const char *name, size_t n, const char *const *values);
void case_tensor(op_case *c, const char *name, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		 const double *values);

/* ---- Inputs, in order. Values are row-major and converted to the dtype. ---- */
void case_in(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n, const double *values);
/* Exact integers, which double cannot always hold. */
void case_in_ints(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		  const int64_t *values);
void case_in_strings(op_case *c, size_t rank, const int64_t *dims, size_t n, const char *const *values);
/* Pseudo-random, the same in every run, between lo and hi; integers for integer dtypes. */
void case_random(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, double lo, double hi);
void case_absent(op_case *c);
/* Copies the elements and takes them as they are, whatever the dtype. */
void case_in_raw(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, const void *elements);

/* ---- Outputs wanted, in order, with what is expected. n = 0: only dtype and dims are. dtype
 * CLAST_UNDEFINED: nothing is. ---- */
void case_out(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
	      const double *values);
void case_out_ints(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		   const int64_t *values);
void case_out_strings(op_case *c, size_t rank, const int64_t *dims, size_t n, const char *const *values);
void case_out_raw(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, const void *elements);
void case_out_absent(op_case *c);
/* Real values agree if |a - b| <= absolute + relative * |b|; otherwise 1e-6 and 1e-6. */
void case_tolerance(op_case *c, double absolute, double relative);
/* Every output extent must follow from symbolic extents of the inputs (equal numbers being equal symbols). */
void case_complete(op_case *c);
/* What to run for call_body(), for operators with subgraphs. Outputs are made with case_new_tensor(). */
void case_body(op_case *c, clast_status (*body)(call *k, int body, size_t n_in, const tensor_view *const *in,
						size_t n_out, tensor_view *out));
/* A new row-major tensor, zeroed, that lives until the case ends. */
tensor_view case_new_tensor(call *c, clast_dtype dtype, int rank, const int64_t *dims);

/* Checks everything and frees the case. */
void case_run(op_case *c);
/* Row-major output i of a run of the reference, for checks of one's own; before case_run(). Lives until then.
 */
const tensor_view *case_result(op_case *c, size_t i);
/* Row-major input i as given. */
const tensor_view *case_input(const op_case *c, size_t i);
/* The node or inference or the reference must fail with this status and a message that contains text. Frees
 * the case. */
void case_fails(op_case *c, clast_status status, const char *text);

#endif
