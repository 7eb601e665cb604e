/* Tables of element offsets for the inner loops of references. They live in a bump that the reference
 * releases at its end. */
#ifndef CLAST_OFFSETS_H
#define CLAST_OFFSETS_H

#include "view.h"

/* Offsets of every combination of indices of axes [first, end), row-major; NULL if out of memory. *count may
 * be NULL. */
int64_t *offset_table(bump *b, const tensor_view *v, int first, int end, int64_t *count);
/* The same for a list of axes, the last one running fastest. An axis of -1 is one element at offset 0. */
int64_t *offset_table_of(bump *b, const tensor_view *v, int n, const int *axes, int64_t *count);
/* Elements of a small tensor in row-major order. */
double *real_table(bump *b, const tensor_view *v);
/* n elements from a vector of n or of one. */
double *channel_table(bump *b, const tensor_view *v, int64_t n);

#endif
