/* Operators that make tensors out of shapes, attributes and random numbers. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define I CLAST_INT64

Test(constant, of_each_attribute)
{
	op_case *c = case_new("Constant", 13);
	case_tensor(c, "value", CLAST_INT32, INTS(2, 1), REALS(3, 4));
	case_out(c, CLAST_INT32, INTS(2, 1), REALS(3, 4));
	case_complete(c);
	case_run(c);
	c = case_new("Constant", 12);
	case_float(c, "value_float", 0);
	case_out(c, F, NONE, REALS(0));
	case_run(c);
	c = case_new("Constant", 12);
	case_int(c, "value_int", -1);
	case_out(c, I, NONE, REALS(-1));
	case_run(c);
	c = case_new("Constant", 12);
	case_ints(c, "value_ints", INTS(1, 2, 3));
	case_out(c, I, INTS(3), REALS(1, 2, 3));
	case_run(c);
	c = case_new("Constant", 12);
	case_floats(c, "value_floats", 0, (const float[]){ 0 });
	case_out(c, F, INTS(0), NONE);
	case_run(c);
	c = case_new("Constant", 12);
	case_strings(c, "value_strings", STRINGS("a", "bc"));
	case_out_strings(c, INTS(2), STRINGS("a", "bc"));
	case_run(c);
	c = case_new("Constant", 12);
	case_string(c, "value_string", "abc");
	case_out_strings(c, NONE, STRINGS("abc"));
	case_run(c);
}

Test(constant, of_none_or_two)
{
	op_case *c = case_new("Constant", 13);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "exactly one");
	c = case_new("Constant", 13);
	case_int(c, "value_int", 1);
	case_float(c, "value_float", 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "exactly one");
}

Test(constant_of_shape, filled)
{
	op_case *c = case_new("ConstantOfShape", 9);
	case_tensor(c, "value", CLAST_INT64, INTS(1), REALS(7));
	case_in(c, I, INTS(2), REALS(2, 3));
	case_out(c, I, INTS(2, 3), REALS(7, 7, 7, 7, 7, 7));
	case_complete(c);
	case_run(c);
	c = case_new("ConstantOfShape", 9);
	case_in(c, I, INTS(0), NONE);
	case_out(c, F, NONE, REALS(0));
	case_run(c);
	c = case_new("ConstantOfShape", 9);
	case_in(c, I, INTS(2), REALS(3, -1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "extent");
}

Test(range, of_integers_and_reals)
{
	op_case *c = case_new("Range", 11);
	case_in(c, I, NONE, REALS(10));
	case_in(c, I, NONE, REALS(4));
	case_in(c, I, NONE, REALS(-3));
	case_out(c, I, INTS(2), REALS(10, 7));
	case_run(c);
	c = case_new("Range", 11);
	case_in(c, F, NONE, REALS(0));
	case_in(c, F, NONE, REALS(1));
	case_in(c, F, NONE, REALS(0.3));
	case_out(c, F, INTS(4), REALS(0, 0.3, 0.6, 0.9));
	case_run(c);
	c = case_new("Range", 11);
	case_in(c, I, NONE, REALS(3));
	case_in(c, I, NONE, REALS(1));
	case_in(c, I, NONE, REALS(1));
	case_out(c, I, INTS(0), NONE);
	case_run(c);
	c = case_new("Range", 11);
	case_in(c, I, NONE, REALS(3));
	case_in(c, I, NONE, REALS(1));
	case_in(c, I, NONE, REALS(0));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "delta");
}

Test(shape, whole_and_parts)
{
	op_case *c = case_new("Shape", 13);
	case_random(c, F, INTS(2, 3, 4), 0, 1);
	case_out(c, I, INTS(3), REALS(2, 3, 4));
	case_complete(c);
	case_run(c);
	c = case_new("Shape", 15);
	case_int(c, "start", -2);
	case_int(c, "end", 100);
	case_random(c, F, INTS(2, 3, 4), 0, 1);
	case_out(c, I, INTS(2), REALS(3, 4));
	case_complete(c);
	case_run(c);
	c = case_new("Shape", 15);
	case_int(c, "start", 2);
	case_int(c, "end", 1);
	case_random(c, F, INTS(2, 3, 4), 0, 1);
	case_out(c, I, INTS(0), NONE);
	case_run(c);
	c = case_new("Size", 13);
	case_random(c, F, INTS(2, 3, 4), 0, 1);
	case_out(c, I, NONE, REALS(24));
	case_complete(c);
	case_run(c);
}

Test(eye_like, diagonals)
{
	op_case *c = case_new("EyeLike", 9);
	case_int(c, "k", 1);
	case_int(c, "dtype", CLAST_FLOAT64);
	case_random(c, CLAST_INT32, INTS(2, 3), 0, 1);
	case_out(c, CLAST_FLOAT64, INTS(2, 3), REALS(0, 1, 0, 0, 0, 1));
	case_complete(c);
	case_run(c);
}

Test(trilu, halves)
{
	for (int upper = 0; upper < 2; upper++) {
		op_case *c = case_new("Trilu", 14);
		case_int(c, "upper", upper);
		case_in(c, F, INTS(1, 2, 3), REALS(1, 2, 3, 4, 5, 6));
		case_in(c, I, NONE, REALS(1));
		if (upper)
			case_out(c, F, INTS(1, 2, 3), REALS(0, 2, 3, 0, 0, 6));
		else
			case_out(c, F, INTS(1, 2, 3), REALS(1, 2, 0, 4, 5, 6));
		case_complete(c);
		case_run(c);
	}
}

Test(det, of_matrices)
{
	op_case *c = case_new("Det", 22);
	case_in(c, F, INTS(3, 2, 2), REALS(1, 2, 3, 4, 0, 2, 3, 0, 1, 2, 2, 4));
	case_out(c, F, INTS(3), REALS(-2, -6, 0));
	case_complete(c);
	case_run(c);
	c = case_new("Det", 22);
	case_in(c, F, INTS(3, 3), REALS(2, -1, 0, -1, 2, -1, 0, -1, 2));
	case_out(c, F, NONE, REALS(4));
	case_run(c);
	c = case_new("Det", 22);
	case_random(c, F, INTS(3, 2), 0, 1);
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "square");
}

Test(window, periodic_and_symmetric)
{
	op_case *c = case_new("HannWindow", 17);
	case_in(c, I, NONE, REALS(4));
	case_out(c, F, INTS(4), REALS(0, 0.5, 1, 0.5));
	case_run(c);
	c = case_new("HammingWindow", 17);
	case_int(c, "periodic", 0);
	case_int(c, "output_datatype", CLAST_FLOAT64);
	case_in(c, CLAST_INT32, NONE, REALS(3));
	case_out(c, CLAST_FLOAT64, INTS(3), REALS(4.0 / 46, 1, 4.0 / 46));
	case_run(c);
	c = case_new("BlackmanWindow", 17);
	case_in(c, I, NONE, REALS(2));
	case_out(c, F, INTS(2), REALS(0, 1));
	case_run(c);
}

/* ---- Random numbers ---- */

static void moments(const tensor_view *v, double *mean, double *deviation)
{
	double sum = 0, squares = 0;
	const double n = (double)view_count(v);
	for (int64_t i = 0; i < view_count(v); i++) {
		const double x = load_real(v, i);
		sum += x;
		squares += x * x;
	}
	*mean = sum / n;
	*deviation = sqrt(squares / n - *mean * *mean);
}

Test(random, normal_numbers_have_their_moments)
{
	double mean, deviation;
	op_case *c = case_new("RandomNormal", 1);
	case_ints(c, "shape", INTS(100, 100));
	case_float(c, "mean", 3);
	case_float(c, "scale", 2);
	case_float(c, "seed", 5);
	case_out(c, F, INTS(100, 100), NONE);
	case_complete(c);
	moments(case_result(c, 0), &mean, &deviation);
	cr_assert_float_eq(mean, 3, 0.1);
	cr_assert_float_eq(deviation, 2, 0.1);
	case_run(c);
}

Test(random, uniform_numbers_stay_in_their_range)
{
	double mean, deviation;
	op_case *c = case_new("RandomUniformLike", 22);
	case_float(c, "low", -1);
	case_float(c, "high", 3);
	case_int(c, "dtype", CLAST_FLOAT16);
	case_random(c, CLAST_INT8, INTS(50, 100), 0, 1);
	case_out(c, CLAST_FLOAT16, INTS(50, 100), NONE);
	const tensor_view *v = case_result(c, 0);
	moments(v, &mean, &deviation);
	cr_assert_float_eq(mean, 1, 0.1);
	cr_assert_float_eq(deviation, 4 / sqrt(12), 0.1);
	for (int64_t i = 0; i < view_count(v); i++)
		cr_assert(load_real(v, i) >= -1 && load_real(v, i) <= 3);
	case_run(c);
}

Test(random, seeds_differ)
{
	op_case *a = case_new("RandomUniform", 22), *b = case_new("RandomUniform", 22);
	case_ints(a, "shape", INTS(8));
	case_ints(b, "shape", INTS(8));
	case_float(a, "seed", 1);
	case_float(b, "seed", 2);
	case_out(a, F, INTS(8), NONE);
	case_out(b, F, INTS(8), NONE);
	for (int64_t i = 0; i < 8; i++)
		cr_assert_neq(load_real(case_result(a, 0), i), load_real(case_result(b, 0), i));
	case_run(a);
	case_run(b);
}

Test(random, bernoulli_follows_its_probabilities)
{
	enum { N = 4000 };
	double p[N], ones[2] = { 0 };
	for (int i = 0; i < N; i++)
		p[i] = i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : i % 4 == 2 ? 0.25 : 0.75;
	op_case *c = case_new("Bernoulli", 15);
	case_int(c, "dtype", CLAST_INT32);
	case_in(c, F, INTS(N), N, p);
	case_out(c, CLAST_INT32, INTS(N), NONE);
	const tensor_view *v = case_result(c, 0);
	for (int i = 0; i < N; i++) {
		const int64_t x = load_int(v, i);
		cr_assert(x == 0 || x == 1);
		cr_assert(i % 4 > 1 || x == i % 4);
		if (i % 4 > 1)
			ones[i % 4 - 2] += (double)x * 4 / N;
	}
	cr_assert_float_eq(ones[0], 0.25, 0.05);
	cr_assert_float_eq(ones[1], 0.75, 0.05);
	case_run(c);
}

Test(random, multinomial_follows_its_distribution)
{
	enum { N = 4000 };
	double count[3] = { 0 };
	op_case *c = case_new("Multinomial", 7);
	case_int(c, "sample_size", N);
	case_int(c, "dtype", CLAST_INT64);
	case_in(c, F, INTS(1, 3), REALS(log(0.2), -(double)INFINITY, log(0.8)));
	case_out(c, I, INTS(1, N), NONE);
	const tensor_view *v = case_result(c, 0);
	for (int64_t i = 0; i < N; i++)
		count[load_int(v, i)] += 1.0 / N;
	cr_assert_float_eq(count[0], 0.2, 0.05);
	cr_assert_eq(count[1], 0);
	case_run(c);
}

/* ---- Dropout ---- */

Test(dropout, does_nothing_but_in_training)
{
	op_case *c = case_new("Dropout", 13);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, F, NONE, REALS(0.9));
	case_out(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_out(c, CLAST_BOOL, INTS(2, 2), REALS(1, 1, 1, 1));
	case_complete(c);
	case_run(c);
	c = case_new("Dropout", 6);
	case_int(c, "is_test", 1);
	case_in(c, F, INTS(2), REALS(1, 2));
	case_out(c, F, INTS(2), REALS(1, 2));
	case_run(c);
}

Test(dropout, drops_in_training)
{
	enum { N = 4000 };
	double x[N], kept = 0;
	for (int i = 0; i < N; i++)
		x[i] = 3;
	op_case *c = case_new("Dropout", 13);
	case_in(c, F, INTS(N), N, x);
	case_in(c, F, NONE, REALS(0.25));
	case_in(c, CLAST_BOOL, NONE, REALS(1));
	case_out(c, F, INTS(N), NONE);
	case_out(c, CLAST_BOOL, INTS(N), NONE);
	const tensor_view *y = case_result(c, 0), *mask = case_result(c, 1);
	for (int64_t i = 0; i < N; i++) {
		cr_assert_float_eq(load_real(y, i), load_int(mask, i) ? 4 : 0, 1e-6);
		kept += (double)load_int(mask, i) / N;
	}
	cr_assert_float_eq(kept, 0.75, 0.05);
	case_run(c);
	c = case_new("Dropout", 13);
	case_in(c, F, INTS(1), REALS(1));
	case_in(c, F, NONE, REALS(1));
	case_in(c, CLAST_BOOL, NONE, REALS(1));
	case_out(c, F, INTS(1), NONE);
	case_fails(c, CLAST_ERROR_DATA, "ratio");
}
