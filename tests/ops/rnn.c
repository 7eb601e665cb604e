#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* Affine activations with alpha 1 make everything linear: h = x + 10 h. */
static op_case *linear(const char *direction, int64_t directions)
{
	op_case *c = case_new("RNN", 14);
	case_string(c, "direction", direction);
	case_strings(c, "activations", STRINGS("Affine", "affine"));
	case_in(c, F, INTS(3, 1, 1), REALS(1, 2, 3));
	case_in(c, F, 3, (int64_t[]){ directions, 1, 1 }, (size_t)directions, (double[]){ 1, 1 });
	case_in(c, F, 3, (int64_t[]){ directions, 1, 1 }, (size_t)directions, (double[]){ 10, 10 });
	return c;
}

Test(rnn, directions)
{
	op_case *c = linear("forward", 1);
	case_out(c, F, INTS(3, 1, 1, 1), REALS(1, 12, 123));
	case_out(c, F, INTS(1, 1, 1), REALS(123));
	case_complete(c);
	case_run(c);
	c = linear("reverse", 1);
	case_out(c, F, INTS(3, 1, 1, 1), REALS(321, 32, 3));
	case_out(c, F, INTS(1, 1, 1), REALS(321));
	case_run(c);
	c = linear("bidirectional", 2);
	case_out(c, F, INTS(3, 2, 1, 1), REALS(1, 321, 12, 32, 123, 3));
	case_out(c, F, INTS(2, 1, 1), REALS(123, 321));
	case_complete(c);
	case_run(c);
}

/* Beyond its end a sequence yields zeros; its state is that of its end; the reverse direction begins there.
 */
Test(rnn, sequence_lengths)
{
	for (int reverse = 0; reverse < 2; reverse++) {
		op_case *c = case_new("RNN", 14);
		case_string(c, "direction", reverse ? "reverse" : "forward");
		case_strings(c, "activations", STRINGS("Affine"));
		case_in(c, F, INTS(3, 3, 1), REALS(1, 4, 7, 2, 5, 8, 3, 6, 9));
		case_in(c, F, INTS(1, 1, 1), REALS(1));
		case_in(c, F, INTS(1, 1, 1), REALS(10));
		case_absent(c);
		case_in(c, CLAST_INT32, INTS(3), REALS(2, 3, 0));
		case_in(c, F, INTS(1, 3, 1), REALS(0, 0, 6));
		case_out(c, F, INTS(3, 1, 3, 1), 9,
			 reverse ? (double[]){ 21, 654, 0, 2, 65, 0, 0, 6, 0 }
				 : (double[]){ 1, 4, 0, 12, 45, 0, 0, 456, 0 });
		case_out(c, F, INTS(1, 3, 1), 3,
			 reverse ? (double[]){ 21, 654, 6 } : (double[]){ 12, 456, 6 });
		case_run(c);
	}
	op_case *c = linear("forward", 1);
	case_absent(c);
	case_in(c, CLAST_INT32, INTS(1), REALS(4));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "sequence_lens[0]: expected 0 to 3, found 4");
}

Test(rnn, batch_first)
{
	op_case *c = case_new("RNN", 14);
	case_int(c, "layout", 1);
	case_strings(c, "activations", STRINGS("Affine"));
	case_in(c, F, INTS(2, 3, 1), REALS(1, 2, 3, 4, 5, 6));
	case_in(c, F, INTS(1, 1, 1), REALS(1));
	case_in(c, F, INTS(1, 1, 1), REALS(10));
	case_in(c, F, INTS(1, 2), REALS(100, 200));
	case_absent(c);
	case_in(c, F, INTS(2, 1, 1), REALS(1, 2));
	case_out(c, F, INTS(2, 3, 1, 1), REALS(311, 3412, 34423, 324, 3545, 35756));
	case_out(c, F, INTS(2, 1, 1), REALS(34423, 35756));
	case_complete(c);
	case_run(c);
}

/* Alphas and betas go to the functions that have them, in order; the others keep their defaults. */
Test(rnn, activations)
{
	const struct {
		const char *name;
		double expected;
	} list[] = {
		{ "Relu", 0 },
		{ "Tanh", tanh(-1.5) },
		{ "Sigmoid", sigmoid(-1.5) },
		{ "Affine", 0.5 * -1.5 + 0.25 },
		{ "LeakyRelu", 0.5 * -1.5 },
		{ "ThresholdedRelu", 0 },
		{ "ScaledTanh", 0.5 * tanh(0.25 * -1.5) },
		{ "HardSigmoid", 0 },
		{ "Elu", 0.5 * expm1(-1.5) },
		{ "Softsign", -1.5 / 2.5 },
		{ "Softplus", log1p(exp(-1.5)) },
	};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		op_case *c = case_new("RNN", 7);
		case_strings(c, "activations", STRINGS(list[i].name));
		case_floats(c, "activation_alpha", FLOATS(0.5f));
		case_floats(c, "activation_beta", FLOATS(0.25f));
		case_in(c, F, INTS(1, 1, 1), REALS(-1.5));
		case_in(c, F, INTS(1, 1, 1), REALS(1));
		case_in(c, F, INTS(1, 1, 1), REALS(1));
		case_out_absent(c);
		case_out(c, F, INTS(1, 1, 1), REALS(list[i].expected));
		case_run(c);
	}
	op_case *c = case_new("RNN", 7);
	case_strings(c, "activations", STRINGS("Cosine"));
	for (int i = 0; i < 3; i++)
		case_in(c, F, INTS(1, 1, 1), REALS(1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "Cosine");
}

Test(rnn, clips_arguments)
{
	op_case *c = case_new("RNN", 7);
	case_strings(c, "activations", STRINGS("Affine"));
	case_float(c, "clip", 2);
	case_in(c, F, INTS(2, 2, 1), REALS(1, -5, 5, 1));
	case_in(c, F, INTS(1, 1, 1), REALS(1));
	case_in(c, F, INTS(1, 1, 1), REALS(1));
	case_out(c, F, INTS(2, 1, 2, 1), REALS(1, -2, 2, -1));
	case_run(c);
}

Test(gru, both_places_of_the_reset_gate)
{
	for (int linear_first = 0; linear_first < 2; linear_first++) {
		op_case *c = case_new("GRU", 14);
		case_int(c, "linear_before_reset", linear_first);
		case_in(c, F, INTS(1, 1, 1), REALS(2));
		case_in(c, F, INTS(1, 3, 1), REALS(0.1, 0.2, 0.3));
		case_in(c, F, INTS(1, 3, 1), REALS(0.4, 0.5, 0.6));
		case_in(c, F, INTS(1, 6), REALS(0.01, 0.02, 0.03, 0.04, 0.05, 0.06));
		case_absent(c);
		case_in(c, F, INTS(1, 1, 1), REALS(3));
		const double z = sigmoid(0.2 + 1.2 + 0.05), r = sigmoid(0.4 + 1.5 + 0.07);
		const double inner = linear_first ? 0.6 + r * (1.8 + 0.06) + 0.03 : 0.6 + r * 3 * 0.6 + 0.09;
		const double h = (1 - z) * tanh(inner) + z * 3;
		case_out(c, F, INTS(1, 1, 1, 1), REALS(h));
		case_out(c, F, INTS(1, 1, 1), REALS(h));
		case_complete(c);
		case_run(c);
	}
}

Test(lstm, peepholes_and_coupled_gates)
{
	for (int coupled = 0; coupled < 2; coupled++) {
		op_case *c = case_new("LSTM", 14);
		case_int(c, "input_forget", coupled);
		case_in(c, F, INTS(1, 1, 1), REALS(2));
		case_in(c, F, INTS(1, 4, 1), REALS(0.1, 0.2, 0.3, 0.4));
		case_in(c, F, INTS(1, 4, 1), REALS(0.5, 0.6, 0.7, 0.8));
		case_in(c, F, INTS(1, 8), REALS(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08));
		case_absent(c);
		case_in(c, F, INTS(1, 1, 1), REALS(-1));
		case_in(c, F, INTS(1, 1, 1), REALS(3));
		case_in(c, F, INTS(1, 3), REALS(0.11, 0.12, 0.13));
		const double i = sigmoid(0.2 - 0.5 + 0.06 + 0.33);
		const double f = coupled ? 1 - i : sigmoid(0.6 - 0.7 + 0.10 + 0.39);
		const double cell = f * 3 + i * tanh(0.8 - 0.8 + 0.12);
		const double h = sigmoid(0.4 - 0.6 + 0.08 + 0.12 * cell) * tanh(cell);
		case_out(c, F, INTS(1, 1, 1, 1), REALS(h));
		case_out(c, F, INTS(1, 1, 1), REALS(h));
		case_out(c, F, INTS(1, 1, 1), REALS(cell));
		case_complete(c);
		case_run(c);
	}
}

Test(lstm, all_together_in_every_order)
{
	for (int first = 0; first < 2; first++) {
		op_case *c = case_new("LSTM", 22);
		case_int(c, "layout", first);
		case_string(c, "direction", "bidirectional");
		case_int(c, "hidden_size", 5);
		const int64_t x[2][3] = { { 4, 3, 6 }, { 3, 4, 6 } },
			      state[2][3] = { { 2, 3, 5 }, { 3, 2, 5 } };
		case_random(c, F, 3, x[first], -1, 1);
		case_random(c, F, INTS(2, 20, 6), -1, 1);
		case_random(c, F, INTS(2, 20, 5), -1, 1);
		case_random(c, F, INTS(2, 40), -1, 1);
		case_in(c, CLAST_INT32, INTS(3), REALS(4, 2, 0));
		case_random(c, F, 3, state[first], -1, 1);
		case_random(c, F, 3, state[first], -1, 1);
		case_random(c, F, INTS(2, 15), -1, 1);
		case_out(c, F, 4, first ? (int64_t[]){ 3, 4, 2, 5 } : (int64_t[]){ 4, 2, 3, 5 }, NONE);
		case_out(c, F, 3, state[first], NONE);
		case_out(c, F, 3, state[first], NONE);
		case_complete(c);
		case_run(c);
	}
}

Test(lstm, refuses_what_does_not_fit)
{
	op_case *c = case_new("LSTM", 14);
	case_random(c, F, INTS(1, 1, 2), 0, 1);
	case_random(c, F, INTS(1, 8, 2), 0, 1);
	case_random(c, F, INTS(1, 8, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "input 1: axis 1 has extent 8, expected 12");
	c = case_new("LSTM", 14);
	case_string(c, "direction", "backward");
	for (int i = 0; i < 3; i++)
		case_random(c, F, INTS(1, 4, 1), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "direction");
	c = case_new("LSTM", 14);
	case_float(c, "clip", -1);
	case_random(c, F, INTS(1, 1, 1), 0, 1);
	case_random(c, F, INTS(1, 4, 1), 0, 1);
	case_random(c, F, INTS(1, 4, 1), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "clip");
}
