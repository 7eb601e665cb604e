/* Scales and zero points of the quantising operators: one for the tensor, one for each index of an axis, or
 * one for each block of an axis. */
#ifndef CLAST_QUANT_H
#define CLAST_QUANT_H

#include "infer.h"

/* Attributes of QuantizeLinear and DequantizeLinear. */
typedef struct quant_attrs {
	int64_t axis, block_size; /* block_size 0: none */
	bool saturate;
	clast_dtype output_dtype, precision; /* undefined: absent */
} quant_attrs;

/* Checks the shape of a scale or zero point (input i) against x (input 0). */
clast_status infer_quant(const infer_in *in, const quant_attrs *a, size_t i, const char *name, clast_diag *d);
/* RULE_AXIS: what QuantizeLinear and DequantizeLinear cut. */
uint32_t quant_cut(const infer_in *in, size_t operand);
/* Makes v, the view of a scale or zero point, one with the dims of x whose elements repeat as the granularity
 * says. */
clast_status quant_broadcast(tensor_view *v, const tensor_view *x, const quant_attrs *a, clast_diag *d);

/* x rounded to a floating-point dtype. */
double quant_round(clast_dtype t, double x);
/* Stores saturate(round(quotient) + zero point): integers round to even and clamp, NaN gives the lowest;
 * floats are converted. */
void quant_store(const tensor_view *y, int64_t at, double quotient, double zero_point, bool saturate);

#endif
