/* Extents that may be unknown: integers, or ids of integer expressions over named unknowns.
 *
 * Expressions are kept in a normal form (a polynomial whose variables are symbols, floor divisions, minima
 * and maxima) and stored once, so that equal polynomials have equal ids. Every operation on two numbers gives
 * a number and does not touch the table, which may then be NULL: shape inference runs on numbers without one
 * ("numeric mode").
 *
 * Operations never fail otherwise than by their result: DIM_ERROR after an overflow, a division by zero or a
 * failed allocation, and it stays so through every further operation. DIM_UNKNOWN does the same without being
 * an error; it is what an unknown is in numeric mode.
 *
 * A table is not thread-safe. Operations cost time bounded by a constant: an expression that grows beyond a
 * few dozen terms gets a symbol of its own (see dim_complete). */
#ifndef CLAST_BASE_DIM_H
#define CLAST_BASE_DIM_H

#include "mem.h"

#include <stdint.h>

typedef int64_t dim;
typedef struct dim_table dim_table;

#define DIM_ERROR INT64_MIN
#define DIM_UNKNOWN (INT64_MIN + 1)
#define DIM_FIRST_ID (INT64_MIN + 16)
#define DIM_END_ID (INT64_MIN + (INT64_C(1) << 32))

/* A bound of a range that is no bound. */
#define DIM_NO_MIN INT64_MIN
#define DIM_NO_MAX INT64_MAX

static inline bool dim_is_number(dim d)
{
	return d >= DIM_END_ID;
}

static inline bool dim_is_expr(dim d)
{
	return d >= DIM_FIRST_ID && d < DIM_END_ID;
}

/* NULL when memory runs out. m must outlive the table. */
dim_table *dim_table_create(mem *m);
void dim_table_free(dim_table **t);

/* The unknown of this name, which lies in [lo, hi]; asked for again, its range shrinks to the common part,
 * unless that is empty. DIM_UNKNOWN without a table. */
dim dim_symbol(dim_table *t, const char *name, int64_t lo, int64_t hi);
/* An unknown that is equal to no other; its name is made from the hint. */
dim dim_fresh(dim_table *t, const char *hint, int64_t lo, int64_t hi);

dim dim_add(dim_table *t, dim a, dim b);
dim dim_sub(dim_table *t, dim a, dim b);
dim dim_neg(dim_table *t, dim a);
dim dim_mul(dim_table *t, dim a, dim b);
/* Rounded towards minus infinity, towards plus infinity, and a - b * floor(a / b). */
dim dim_floor_div(dim_table *t, dim a, dim b);
dim dim_ceil_div(dim_table *t, dim a, dim b);
dim dim_mod(dim_table *t, dim a, dim b);
dim dim_min(dim_table *t, dim a, dim b);
dim dim_max(dim_table *t, dim a, dim b);
dim dim_product(dim_table *t, size_t n, const dim *dims);

/* a / b if it is proved that b is not 0 and divides a; else false and *quotient is left alone. */
bool dim_divide(dim_table *t, dim a, dim b, dim *quotient);
/* The same where b need not be proved to differ from 0: for products of extents of one tensor, which has no elements where one is 0. */
bool dim_divide_extents(dim_table *t, dim a, dim b, dim *quotient);

/* The extent of two axes broadcast together, as ONNX does it: 1 gives way, a number above 1 wins over an
 * unknown. *impossible is set to true if they cannot be equal and neither can be 1, and left alone otherwise.
 */
dim dim_broadcast(dim_table *t, dim a, dim b, bool *impossible);

/* Bounds that hold for all values of the symbols within their ranges; false for DIM_ERROR and DIM_UNKNOWN. */
bool dim_range(dim_table *t, dim d, int64_t *lo, int64_t *hi);
/* Whether a < b or a <= b is proved. */
bool dim_known_less(dim_table *t, dim a, dim b);
bool dim_known_le(dim_table *t, dim a, dim b);
/* A positive number that is known to divide d; 0 if d is the number 0. At least 1 otherwise. */
int64_t dim_divisor(dim_table *t, dim d);

/* The value of d for given values of the symbols, by their index; DIM_UNKNOWN there means not known.
 * CLAST_ERROR_DATA if a symbol that matters is not known, at overflow, or at a division by zero. */
clast_status dim_eval(const dim_table *t, dim d, const int64_t *symbol_values, int64_t *out);
/* Symbols that stand for an expression (one that grew too large) get their values, where those are
 * DIM_UNKNOWN, from the values of the symbols before them. To be called once on the values before dim_eval.
 */
void dim_complete(const dim_table *t, int64_t *symbol_values);

size_t dim_symbol_count(const dim_table *t);
dim dim_symbol_at(const dim_table *t, size_t index);
/* Valid as long as the table. */
const char *dim_symbol_name(const dim_table *t, size_t index);
/* Writes d, such as "2*h + floor(w/2) - 1", cut to n bytes with the terminating zero. Returns the length of
 * the whole text, as snprintf does. Names come from the model: control characters in them are escaped. */
size_t dim_format(const dim_table *t, dim d, char *buffer, size_t n);

#endif
