/* Convolution as a product of matrices: how it is cut, shared by what multiplies (conv.c) and what writes
 * (results.c). */
#ifndef CPU_CONV_PRODUCT_H
#define CPU_CONV_PRODUCT_H

#include "conv/collect.h"
#include "conv/spatial.h"
#include "gemm/block.h"

typedef struct plan {
	const conv_params *p;
	size_t lines;   /* output rows of one depth slice that are asked for */
	size_t m, n, k; /* k: taps * input channels */
	/* A zone of the output multiplies some of the weights: stretches of k, one for each row of taps. */
	size_t stretches, stretch_k;
	size_t packed_k, packed_first, packed_step; /* all weights, the first stretch, from one to the next */
	size_t block;                               /* of a stretch */
	cut cut;
	ptrdiff_t in_channel;
	bool direct; /* the image is the product's left side */
	bool kept;   /* its lines, copied with zeros around, are */
	ptrdiff_t a_row;
	size_t run; /* this many pixels are a_row apart, then the next line or image begins */
	bool sums;  /* sums are kept in scratch until the epilogue has run */
	size_t sums_row;
	size_t sums_rows; /* 0: for all rows of a task; else some at a time */
	bool turn;        /* sums are transposed on their way to a channels-first output */
	size_t turn_run;  /* pixels that lie side by side in it */
	bool interleave;  /* a task computes all groups, whose channels take turns in the output */
	size_t columns;   /* of the sums of a task: n, or those of all groups */
} plan;

/* Parts of scratch. */
typedef struct work {
	float **out; /* where each row of the task is written */
	const float **residual;
	collector collector;
	float *a; /* collected rows */
	size_t a_row;
	float *sums;
	float *turned; /* sums of a line, channels first or interleaved, for the program */
	void *program;
	size_t bytes;
} work;

static inline pixel pixel_of(const plan *g, size_t m)
{
	const size_t width = g->p->window.out[PIXEL];
	pixel at = line_at(&g->p->window, m / width);
	at.x = m % width;
	return at;
}

#endif
