/* Results whose channels go to the output in runs that lie apart (conv_params.out_run). */
#ifndef CPU_CONV_RUNS_H
#define CPU_CONV_RUNS_H

#include "conv/spatial.h"

/* Writes `count` neighbouring pixels from `at` on, of which `from` holds `cols` channels from `channel` on,
 * through the program of the epilogue if there is one. */
#define runs_write ISA(runs_write)
void runs_write(const conv_params *p, void *const *args, const pixel *at, size_t count, size_t channel,
		size_t cols, const float *from, ptrdiff_t from_row, void *scratch);

#endif
