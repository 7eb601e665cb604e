#include <criterion/criterion.h>
#include <math.h>

#include "harness.h"

#define F CLAST_FLOAT32

/* Labels 2 1 | 0 2 of the specification's examples. */
static op_case *likelihood(const char *reduction)
{
	op_case *c = case_new("NegativeLogLikelihoodLoss", 13);
	case_string(c, "reduction", reduction);
	case_in(c, F, INTS(2, 3, 2), REALS(1, 2, 2, 2, 3, 2, 0, 1, 2, 2, 1, 2));
	case_in(c, CLAST_INT64, INTS(2, 2), REALS(2, 1, 0, 2));
	return c;
}

Test(negative_log_likelihood, reductions_and_weights)
{
	op_case *c = likelihood("none");
	case_out(c, F, INTS(2, 2), REALS(-3, -2, 0, -2));
	case_complete(c);
	case_run(c);
	c = likelihood("sum");
	case_in(c, F, INTS(3), REALS(0.2, 0.3, 0.1));
	case_out(c, F, NONE, REALS(-1.1));
	case_complete(c);
	case_run(c);
	c = likelihood("mean");
	case_in(c, F, INTS(3), REALS(0.2, 0.3, 0.1));
	case_out(c, F, NONE, REALS(-1.1 / 0.7));
	case_run(c);
	c = likelihood("mean");
	case_int(c, "ignore_index", 2);
	case_out(c, F, NONE, REALS(-1));
	case_run(c);
}

Test(negative_log_likelihood, labels_are_checked)
{
	op_case *c = case_new("NegativeLogLikelihoodLoss", 13);
	case_int(c, "ignore_index", -100);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, CLAST_INT32, INTS(2), REALS(1, -100));
	case_out(c, F, NONE, REALS(-2));
	case_run(c);
	c = case_new("NegativeLogLikelihoodLoss", 13);
	case_in(c, F, INTS(2, 2), REALS(1, 2, 3, 4));
	case_in(c, CLAST_INT32, INTS(2), REALS(1, 2));
	case_out(c, CLAST_UNDEFINED, NONE, NONE);
	case_fails(c, CLAST_ERROR_DATA, "label 2 of sample 1");
}

Test(softmax_cross_entropy, loss_and_log_probabilities)
{
	const double z = log(1 + exp(1) + exp(2));
	op_case *c = case_new("SoftmaxCrossEntropyLoss", 13);
	case_in(c, F, INTS(2, 3), REALS(0, 1, 2, 1000, 1000, -1000));
	case_in(c, CLAST_INT64, INTS(2), REALS(2, 0));
	case_out(c, F, NONE, REALS((z - 2 + log(2)) / 2));
	case_out(c, F, INTS(2, 3), REALS(-z, 1 - z, 2 - z, -log(2), -log(2), -2000 - log(2)));
	case_complete(c);
	case_run(c);
}
