#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32
#define D CLAST_FLOAT64

static void check_dft(int64_t n, bool inverse)
{
	double x[2 * 64], y[2 * 64];
	for (int64_t t = 0; t < 2 * n; t++)
		x[t] = sin((double)(t * t + 1));
	for (int64_t k = 0; k < n; k++) {
		y[2 * k] = y[2 * k + 1] = 0;
		for (int64_t t = 0; t < n; t++) {
			const double angle = (inverse ? 2 : -2) * M_PI * (double)(k * t % n) / (double)n;
			y[2 * k] += (x[2 * t] * cos(angle) - x[2 * t + 1] * sin(angle)) /
				    (inverse ? (double)n : 1);
			y[2 * k + 1] += (x[2 * t] * sin(angle) + x[2 * t + 1] * cos(angle)) /
					(inverse ? (double)n : 1);
		}
	}
	op_case *c = case_new("DFT", 20);
	case_int(c, "inverse", inverse);
	case_in(c, D, INTS(1, n, 2), (size_t)(2 * n), x);
	case_out(c, D, INTS(1, n, 2), (size_t)(2 * n), y);
	case_tolerance(c, 1e-12, 0);
	case_complete(c);
	case_run(c);
}

Test(dft, agrees_with_its_definition)
{
	const int64_t lengths[] = { 1, 2, 3, 4, 6, 7, 8, 12, 30, 49, 64 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		check_dft(lengths[i], false);
		check_dft(lengths[i], true);
	}
}

/* One-sided and back: the signal again, for even and odd lengths. */
Test(dft, one_sided_round_trip)
{
	for (int64_t n = 4; n <= 5; n++) {
		const double x[] = { 1, -2, 3, 5, 7 };
		op_case *c = case_new("DFT", 17);
		case_int(c, "onesided", 1);
		case_in(c, D, INTS(1, n, 1), (size_t)n, x);
		case_out(c, D, INTS(1, 3, 2), NONE);
		case_complete(c);
		double spectrum[6];
		for (int i = 0; i < 6; i++)
			spectrum[i] = ((const double *)case_result(c, 0)->data)[i];
		case_run(c);
		c = case_new("DFT", 20);
		case_int(c, "onesided", 1);
		case_int(c, "inverse", 1);
		case_in(c, D, INTS(3, 1, 2), 6, spectrum);
		case_in(c, CLAST_INT64, NONE, REALS((double)n));
		case_in(c, CLAST_INT64, NONE, REALS(-3));
		case_out(c, D, INTS(n, 1, 1), (size_t)n, x);
		case_complete(c);
		case_run(c);
	}
}

Test(dft, pads_and_cuts_along_any_axis)
{
	op_case *c = case_new("DFT", 17);
	case_int(c, "axis", -3);
	case_in(c, F, INTS(2, 3, 1), REALS(1, 2, 3, 10, 20, 30));
	case_in(c, CLAST_INT32, NONE, REALS(4));
	case_out(c, F, INTS(4, 3, 2),
		 REALS(11, 0, 22, 0, 33, 0, 1, -10, 2, -20, 3, -30, -9, 0, -18, 0, -27, 0, 1, 10, 2, 20, 3,
		       30));
	case_complete(c);
	case_run(c);
	c = case_new("DFT", 20);
	case_in(c, F, INTS(1, 3, 1), REALS(1, 2, 30));
	case_in(c, CLAST_INT64, NONE, REALS(2));
	case_out(c, F, INTS(1, 2, 2), REALS(3, 0, -1, 0));
	case_run(c);
	c = case_new("DFT", 20);
	case_random(c, F, INTS(1, 3, 1), 0, 1);
	case_absent(c);
	case_in(c, CLAST_INT64, NONE, REALS(-1));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "real and imaginary");
	c = case_new("DFT", 20);
	case_random(c, F, INTS(1, 3, 1), 0, 1);
	case_in(c, CLAST_INT64, NONE, REALS(0));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "dft_length");
}

Test(stft, transforms_windowed_frames)
{
	op_case *c = case_new("STFT", 17);
	case_in(c, F, INTS(1, 5, 1), REALS(1, 2, 3, 4, 5));
	case_in(c, CLAST_INT64, NONE, REALS(1));
	case_in(c, F, INTS(4), REALS(1, 1, 0, 0));
	case_out(c, F, INTS(1, 2, 3, 2), REALS(3, 0, 1, -2, -1, 0, 5, 0, 2, -3, -1, 0));
	case_complete(c);
	case_run(c);
	c = case_new("STFT", 17);
	case_int(c, "onesided", 0);
	case_in(c, F, INTS(1, 4, 2), REALS(1, 0, 0, 1, 2, 0, 0, 2));
	case_in(c, CLAST_INT64, NONE, REALS(2));
	case_absent(c);
	case_in(c, CLAST_INT64, NONE, REALS(2));
	case_out(c, F, INTS(1, 2, 2, 2), REALS(1, 1, 1, -1, 2, 2, 2, -2));
	case_complete(c);
	case_run(c);
	c = case_new("STFT", 17);
	case_random(c, F, INTS(1, 4, 1), 0, 1);
	case_in(c, CLAST_INT64, NONE, REALS(0));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_MODEL, "frame_step");
}

Test(mel_weight_matrix, triangles)
{
	op_case *c = case_new("MelWeightMatrix", 17);
	case_in(c, CLAST_INT64, NONE, REALS(2));
	case_in(c, CLAST_INT64, NONE, REALS(16));
	case_in(c, CLAST_INT64, NONE, REALS(8192));
	case_in(c, F, NONE, REALS(0));
	case_in(c, F, NONE, REALS(4096));
	/* Edges at 0, 448.3, 1183.6, 2390.1 Hz (the fifth of five steps is the end): bins 0, 0, 2, 4. */
	case_out(c, F, INTS(9, 2), REALS(1, 0, 0.5, 0.5, 0, 1, 0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	case_complete(c);
	case_run(c);
	c = case_new("MelWeightMatrix", 17);
	case_in(c, CLAST_INT64, NONE, REALS(2));
	case_in(c, CLAST_INT64, NONE, REALS(16));
	case_in(c, CLAST_INT64, NONE, REALS(8192));
	case_in(c, F, NONE, REALS(0));
	case_in(c, F, NONE, REALS(80000));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "band");
}
