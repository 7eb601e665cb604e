/* The sums of a convolution, shared by the references of Conv, ConvInteger and QLinearConv. */
#ifndef CLAST_CONV_SUM_H
#define CLAST_CONV_SUM_H

#include "conv_attrs.h"

typedef struct conv_sum {
	conv_geometry geometry;
	const tensor_view *x, *w, *y;
	double x_zero;        /* subtracted from every element of x; padding is then 0 */
	const double *w_zero; /* of each output channel; NULL: 0 */
	const double *bias;   /* of each output channel; NULL: 0 */
	/* What is stored for the sum of an output channel; NULL: the sum. */
	double (*finish)(const struct conv_sum *s, int64_t channel, double sum);
	const void *context;
} conv_sum;

clast_status conv_sum_run(call *c, const conv_sum *s);

#endif
