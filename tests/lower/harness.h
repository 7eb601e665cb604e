/* One node, lowered by its family and run at once: every operand in a random order that its port allows, with gaps between the elements,
 * against the operator's reference. Temporaries and gaps hold NaN; gaps of the output must stay as they are.
 *
 *     lower_case *c = case_new("Conv", 11, &seed);
 *     case_attr_ints(c, "pads", 4, pads);
 *     case_input(c, 4, dims);
 *     case_constant(c, 4, dims);
 *     case_run(c, "conv");
 */
#ifndef TESTS_LOWER_HARNESS_H
#define TESTS_LOWER_HARNESS_H

#include "lower.h"

typedef struct lower_case lower_case;

/* Pseudo-random numbers: in [0, n), in [lo, hi]. */
int64_t below(uint64_t *seed, int64_t n);
int64_t between(uint64_t *seed, int64_t lo, int64_t hi);

lower_case *case_new(const char *name, int64_t opset, uint64_t *seed);
void case_attr_int(lower_case *c, const char *name, int64_t i);
void case_attr_float(lower_case *c, const char *name, float f);
void case_attr_string(lower_case *c, const char *name, const char *s);
void case_attr_ints(lower_case *c, const char *name, size_t n, const int64_t *v);
/* Random elements; integers for integer dtypes and bool. */
void case_input(lower_case *c, int rank, const int64_t *dims);
void case_input_of(lower_case *c, clast_dtype dtype, int rank, const int64_t *dims);
void case_constant(lower_case *c, int rank, const int64_t *dims);
void case_ints(lower_case *c, size_t n, const int64_t *v);
void case_absent(lower_case *c);
void case_outputs(lower_case *c, int n); /* 1 */
/* Chooses the family, checks its name, runs and compares; frees the case. With an epilogue, a random program runs on the output too. */
void case_run(lower_case *c, const char *family, bool with_epilogue);

#endif
