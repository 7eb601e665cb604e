/* From sums in scratch to the output, through the program of the epilogue if there is one. Rows are those of
 * the product from `begin` on; channel: the output channel of the first column. */
#ifndef CPU_CONV_RESULTS_H
#define CPU_CONV_RESULTS_H

#include "conv/product.h"

/* Some rows of a task that are done. */
typedef struct results {
	const plan *g;
	void *const *args;
	size_t begin, end;
	size_t channel, cols;
	const work *w;
} results;

/* Channels side by side, in blocks or in runs. sums: of the first row. */
#define results_write ISA(results_write)
void results_write(const results *r);
/* A channels-first output. */
#define results_turn ISA(results_turn)
void results_turn(const results *r);
/* Sums of all groups, one matrix after the other, to channels that take turns. */
#define results_interleave ISA(results_interleave)
void results_interleave(const results *r);

#endif
