/* Tensors without elements: no batch, no channel, no step. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32

Test(empty, pools)
{
	const char *const names[] = { "MaxPool", "AveragePool", "LpPool" };
	for (int i = 0; i < 6; i++) {
		op_case *c = case_new(names[i % 3], 22);
		case_ints(c, "kernel_shape", INTS(2, 2));
		const int64_t n = i < 3 ? 0 : 2, channels = i < 3 ? 3 : 0;
		case_in(c, F, INTS(n, channels, 3, 3), NONE);
		case_out(c, F, INTS(n, channels, 2, 2), NONE);
		if (i % 3 == 0)
			case_out(c, CLAST_INT64, INTS(n, channels, 2, 2), NONE);
		case_run(c);
	}
	op_case *c = case_new("GlobalMaxPool", 22); /* nothing to take the maximum of */
	case_in(c, F, INTS(1, 2, 0), NONE);
	case_out(c, F, INTS(1, 2, 1), REALS(-(double)INFINITY, -(double)INFINITY));
	case_run(c);
	c = case_new("GlobalAveragePool", 22);
	case_in(c, F, INTS(1, 1, 0), NONE);
	case_out(c, F, INTS(1, 1, 1), REALS((double)NAN));
	case_run(c);
}

Test(empty, normalisations)
{
	op_case *c = case_new("BatchNormalization", 15);
	case_in(c, F, INTS(0, 2, 3), NONE);
	for (int i = 0; i < 4; i++)
		case_random(c, F, INTS(2), 1, 2);
	case_out(c, F, INTS(0, 2, 3), NONE);
	case_run(c);
	for (int rows = 0; rows < 2; rows++) {
		c = case_new("LayerNormalization", 17);
		case_in(c, F, INTS(rows, rows ? 0 : 4), NONE);
		case_in(c, F, INTS(1), REALS(1));
		case_out(c, F, INTS(rows, rows ? 0 : 4), NONE);
		case_out(c, F, INTS(rows, 1), NONE);
		case_run(c);
	}
	c = case_new("InstanceNormalization", 22);
	case_in(c, F, INTS(2, 0, 3), NONE);
	case_in(c, F, INTS(0), NONE);
	case_in(c, F, INTS(0), NONE);
	case_out(c, F, INTS(2, 0, 3), NONE);
	case_run(c);
	c = case_new("GroupNormalization", 21);
	case_int(c, "num_groups", 2);
	case_in(c, F, INTS(2, 0, 3), NONE);
	case_in(c, F, INTS(0), NONE);
	case_in(c, F, INTS(0), NONE);
	case_out(c, F, INTS(2, 0, 3), NONE);
	case_run(c);
	const char *const names[] = { "LRN", "LpNormalization", "MeanVarianceNormalization" };
	for (int i = 0; i < 3; i++) {
		c = case_new(names[i], 22);
		if (i == 0)
			case_int(c, "size", 3);
		case_in(c, F, INTS(0, 2, 3, 1), NONE);
		case_out(c, F, INTS(0, 2, 3, 1), NONE);
		case_run(c);
	}
}

Test(empty, recurrent)
{
	const struct {
		const char *name;
		int64_t gates;
	} list[] = { { "RNN", 1 }, { "GRU", 3 }, { "LSTM", 4 } };
	for (int i = 0; i < 3; i++)
		for (int64_t steps = 0; steps < 2; steps++) {
			op_case *c = case_new(list[i].name, 22);
			const int64_t batch = steps ? 0 : 2, rows = 2 * list[i].gates;
			case_in(c, F, INTS(steps, batch, 3), NONE);
			case_random(c, F, INTS(1, rows, 3), -1, 1);
			case_random(c, F, INTS(1, rows, 2), -1, 1);
			case_absent(c);
			case_absent(c);
			case_random(c, F, INTS(1, batch, 2), 5, 5);
			case_out(c, F, INTS(steps, 1, batch, 2), NONE);
			case_out(c, F, INTS(1, batch, 2), (size_t)(2 * batch), (double[]){ 5, 5, 5, 5 });
			case_run(c);
		}
}

Test(empty, attention)
{
	for (int i = 0; i < 3; i++) {
		op_case *c = case_new("Attention", 24);
		const int64_t batch = i != 0, queries = i == 1 ? 0 : 2, keys = i == 2 ? 0 : 3;
		case_random(c, F, INTS(batch, 1, queries, 4), 0, 1);
		case_random(c, F, INTS(batch, 1, keys, 4), 0, 1);
		case_random(c, F, INTS(batch, 1, keys, 2), 0, 1);
		case_out(c, F, INTS(batch, 1, queries, 2), (size_t)(i == 2 ? 4 : 0), (double[4]){ 0 });
		case_run(c);
	}
	op_case *c = case_new("RotaryEmbedding", 23);
	case_in(c, F, INTS(1, 2, 0, 4), NONE);
	case_in(c, F, INTS(1, 0, 2), NONE);
	case_in(c, F, INTS(1, 0, 2), NONE);
	case_out(c, F, INTS(1, 2, 0, 4), NONE);
	case_run(c);
}

Test(empty, transforms_and_losses)
{
	op_case *c = case_new("DFT", 20);
	case_in(c, F, INTS(0, 3, 1), NONE);
	case_out(c, F, INTS(0, 3, 2), NONE);
	case_run(c);
	c = case_new("STFT", 17);
	case_in(c, F, INTS(0, 4, 1), NONE);
	case_in(c, CLAST_INT64, NONE, REALS(2));
	case_out(c, F, INTS(0, 1, 3, 2), NONE);
	case_run(c);
	for (int i = 0; i < 2; i++) {
		c = case_new(i ? "SoftmaxCrossEntropyLoss" : "NegativeLogLikelihoodLoss", 13);
		case_string(c, "reduction", "sum");
		case_in(c, F, INTS(0, 3), NONE);
		case_in(c, CLAST_INT64, INTS(0), NONE);
		case_out(c, F, NONE, REALS(0));
		case_run(c);
	}
}

Test(empty, convolutions)
{
	op_case *c = case_new("ConvTranspose", 22);
	case_in(c, F, INTS(0, 2, 3), NONE);
	case_random(c, F, INTS(2, 4, 2), -1, 1);
	case_out(c, F, INTS(0, 4, 4), NONE);
	case_run(c);
	c = case_new("DeformConv", 22);
	case_in(c, F, INTS(0, 2, 3), NONE);
	case_random(c, F, INTS(4, 2, 2), -1, 1);
	case_in(c, F, INTS(0, 2, 2), NONE);
	case_out(c, F, INTS(0, 4, 2), NONE);
	case_run(c);
	c = case_new("MatMulInteger", 10);
	case_in(c, CLAST_UINT8, INTS(2, 0), NONE);
	case_in(c, CLAST_UINT8, INTS(0, 1), NONE);
	case_out(c, CLAST_INT32, INTS(2, 1), REALS(0, 0));
	case_run(c);
}
