#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32

/* Equal scores make the result the mean of the values that are attended. Two queries, three keys, values 1 10
 * 100. */
static op_case *uniform(int opset)
{
	op_case *c = case_new("Attention", opset);
	case_in(c, F, INTS(1, 1, 2, 1), REALS(0, 0));
	case_in(c, F, INTS(1, 1, 3, 1), REALS(1, 2, 3));
	case_in(c, F, INTS(1, 1, 3, 1), REALS(3, 30, 300));
	return c;
}

Test(attention, masks)
{
	op_case *c = uniform(23);
	case_out(c, F, INTS(1, 1, 2, 1), REALS(111, 111));
	case_complete(c);
	case_run(c);
	c = uniform(23);
	case_int(c, "is_causal", 1);
	case_out(c, F, INTS(1, 1, 2, 1), REALS(3, 16.5));
	case_complete(c);
	case_run(c);
	c = uniform(23);
	case_in(c, CLAST_BOOL, INTS(2, 3), REALS(1, 0, 1, 0, 0, 0));
	case_out(c, F, INTS(1, 1, 2, 1), REALS(151.5, 0)); /* nothing attended: 0 */
	case_run(c);
	c = uniform(23);
	case_in(c, F, INTS(1, 2), REALS(0, log(2))); /* shorter than the keys: the third is hidden */
	case_out(c, F, INTS(1, 1, 2, 1), REALS(21, 21));
	case_run(c);
}

Test(attention, positions)
{
	op_case *c = uniform(25); /* two of three keys are valid: query 0 stands at position 0 */
	case_int(c, "is_causal", 1);
	for (int i = 0; i < 3; i++)
		case_absent(c);
	case_in(c, CLAST_INT64, INTS(1), REALS(2));
	case_out(c, F, INTS(1, 1, 2, 1), REALS(3, 16.5));
	case_run(c);
	c = uniform(25);
	case_int(c, "left_window_size", 0);
	case_int(c, "right_window_size", 1);
	case_out(c, F, INTS(1, 1, 2, 1), REALS(16.5, 165));
	case_run(c);
	c = uniform(25);
	for (int i = 0; i < 3; i++)
		case_absent(c);
	case_in(c, CLAST_INT64, INTS(1), REALS(4));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "nonpad_kv_seqlen[0]");
}

Test(attention, past_comes_first)
{
	op_case *c = uniform(23);
	case_int(c, "is_causal", 1);
	case_absent(c);
	case_in(c, F, INTS(1, 1, 1, 1), REALS(7));
	case_in(c, F, INTS(1, 1, 1, 1), REALS(9));
	case_out(c, F, INTS(1, 1, 2, 1), REALS(6, 14));
	case_out(c, F, INTS(1, 1, 4, 1), REALS(7, 1, 2, 3));
	case_out(c, F, INTS(1, 1, 4, 1), REALS(9, 3, 30, 300));
	case_complete(c);
	case_run(c);
}

Test(attention, scores_of_every_stage)
{
	for (int mode = 0; mode < 4; mode++) {
		op_case *c = case_new("Attention", 24);
		case_int(c, "qk_matmul_output_mode", mode);
		case_float(c, "softcap", 2);
		case_float(c, "scale", 0.5f);
		case_in(c, F, INTS(1, 1, 1, 1), REALS(2));
		case_in(c, F, INTS(1, 1, 2, 1), REALS(1, 3));
		case_in(c, F, INTS(1, 1, 2, 1), REALS(1, 0));
		case_in(c, F, INTS(1, 2), REALS(0.5, 0.25));
		const double a = 2 * tanh(0.5), b = 2 * tanh(1.5), p = 1 / (1 + exp(b + 0.25 - a - 0.5));
		const double stages[4][2] = { { 1, 3 }, { a, b }, { a + 0.5, b + 0.25 }, { p, 1 - p } };
		case_out(c, F, INTS(1, 1, 1, 1), REALS(p));
		case_out_absent(c);
		case_out_absent(c);
		case_out(c, F, INTS(1, 1, 1, 2), 2, stages[mode]);
		case_run(c);
	}
}

/* Query heads 0 and 1 share key head 0; heads side by side in one axis give the same as heads of their own.
 */
Test(attention, groups_of_heads_in_one_axis)
{
	op_case *c = case_new("Attention", 23);
	case_int(c, "q_num_heads", 4);
	case_int(c, "kv_num_heads", 2);
	case_in(c, F, INTS(1, 1, 4), REALS(0, 0, 0, 0));
	case_in(c, F, INTS(1, 2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, INTS(1, 2, 4), REALS(1, 2, 10, 20, 3, 4, 30, 40));
	case_out(c, F, INTS(1, 1, 8), REALS(2, 3, 2, 3, 20, 30, 20, 30));
	case_complete(c);
	case_run(c);
	c = case_new("Attention", 23);
	case_random(c, F, INTS(2, 4, 5, 6), -1, 1);
	case_random(c, F, INTS(2, 2, 19, 6), -1, 1);
	case_random(c, F, INTS(2, 2, 19, 18), -1, 1);
	case_random(c, F, INTS(4, 1, 19), -1, 1);
	case_out(c, F, INTS(2, 4, 5, 18), NONE);
	case_complete(c);
	case_run(c);
}

Test(attention, refuses_what_does_not_fit)
{
	op_case *c = case_new("Attention", 23);
	for (int i = 0; i < 3; i++)
		case_random(c, F, INTS(1, 2, 4), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "num_heads");
	c = case_new("Attention", 23);
	case_random(c, F, INTS(1, 3, 2, 4), 0, 1);
	case_random(c, F, INTS(1, 2, 2, 4), 0, 1);
	case_random(c, F, INTS(1, 2, 2, 4), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "3 query heads");
	c = uniform(23);
	case_random(c, F, INTS(3, 3), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "attn_mask");
	c = uniform(23);
	case_absent(c);
	case_random(c, F, INTS(1, 1, 1, 1), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "go together");
}

Test(rotary_embedding, pairs)
{
	for (int interleaved = 0; interleaved < 2; interleaved++) {
		op_case *c = case_new("RotaryEmbedding", 23);
		case_int(c, "interleaved", interleaved);
		case_int(c, "num_heads", 1);
		case_int(c, "rotary_embedding_dim", 4);
		case_in(c, F, INTS(1, 2, 5), REALS(1, 2, 3, 4, 5, 1, 2, 3, 4, 5));
		case_in(c, F, INTS(3, 2), REALS(9, 9, 0, 1, 10, 100));
		case_in(c, F, INTS(3, 2), REALS(9, 9, 1, 0, 20, 200));
		case_in(c, CLAST_INT64, INTS(1, 2), REALS(1, 2));
		case_out(c, F, INTS(1, 2, 5), 10,
			 interleaved ? (double[]){ -2, 1, 3, 4, 5, -30, 40, -500, 1000, 5 }
				     : (double[]){ -3, 2, 1, 4, 5, -50, -600, 50, 800, 5 });
		case_complete(c);
		case_run(c);
	}
	op_case *c = case_new("RotaryEmbedding", 23);
	case_random(c, F, INTS(2, 3, 4, 6), -1, 1);
	case_random(c, F, INTS(2, 4, 3), -1, 1);
	case_random(c, F, INTS(2, 4, 3), -1, 1);
	case_out(c, F, INTS(2, 3, 4, 6), NONE);
	case_run(c);
}

Test(rotary_embedding, positions_are_checked)
{
	op_case *c = case_new("RotaryEmbedding", 23);
	case_random(c, F, INTS(1, 1, 1, 2), -1, 1);
	case_random(c, F, INTS(3, 1), -1, 1);
	case_random(c, F, INTS(3, 1), -1, 1);
	case_in(c, CLAST_INT64, INTS(1, 1), REALS(3));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "position_ids[0, 0]");
}

/* One head of two keys and one value; every rule by hand. */
Test(linear_attention, update_rules)
{
	const char *const rules[] = { "linear", "gated", "delta", "gated_delta" };
	/* State (2, 3), key (1, 2), value 10, query (1, 1); decay halves, beta 0.5. */
	const double kept[] = { 1, 0.5, 1, 0.5 };
	for (int i = 0; i < 4; i++) {
		op_case *c = case_new("LinearAttention", 27);
		case_string(c, "update_rule", rules[i]);
		case_int(c, "q_num_heads", 1);
		case_int(c, "kv_num_heads", 1);
		case_float(c, "scale", 2);
		case_in(c, F, INTS(1, 1, 2), REALS(1, 1));
		case_in(c, F, INTS(1, 1, 2), REALS(1, 2));
		case_in(c, F, INTS(1, 1, 1), REALS(10));
		case_in(c, F, INTS(1, 1, 2, 1), REALS(2, 3));
		if (i % 2)
			case_in(c, F, INTS(1, 1, 1), REALS(-log(2)));
		else if (i)
			case_absent(c);
		if (i > 1)
			case_in(c, F, INTS(1, 1, 1), REALS(0.5));
		const double v = i > 1 ? 0.5 * (10 - kept[i] * 8) : 10;
		const double s0 = kept[i] * 2 + v, s1 = kept[i] * 3 + 2 * v;
		case_out(c, F, INTS(1, 1, 1), REALS(2 * (s0 + s1)));
		case_out(c, F, INTS(1, 1, 2, 1), REALS(s0, s1));
		case_complete(c);
		case_run(c);
	}
}

Test(linear_attention, groups_and_what_does_not_fit)
{
	op_case *c = case_new("LinearAttention", 27);
	case_int(c, "q_num_heads", 4);
	case_int(c, "kv_num_heads", 2);
	case_random(c, CLAST_FLOAT16, INTS(2, 3, 12), -1, 1);
	case_random(c, CLAST_FLOAT16, INTS(2, 3, 6), -1, 1);
	case_random(c, CLAST_FLOAT16, INTS(2, 3, 10), -1, 1);
	case_random(c, F, INTS(2, 2, 3, 5), -1, 1);
	case_random(c, CLAST_FLOAT16, INTS(2, 3, 6), -1, 0);
	case_random(c, CLAST_FLOAT16, INTS(2, 3, 1), 0, 1);
	case_out(c, CLAST_FLOAT16, INTS(2, 3, 20), NONE);
	case_out(c, F, INTS(2, 2, 3, 5), NONE);
	case_complete(c);
	case_run(c);
	c = case_new("LinearAttention", 27);
	case_int(c, "q_num_heads", 1);
	case_int(c, "kv_num_heads", 1);
	for (int i = 0; i < 3; i++)
		case_random(c, F, INTS(1, 1, 2), -1, 1);
	case_fails(c, CLAST_ERROR_MODEL, "decay");
}
