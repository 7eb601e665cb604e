#include "rnn_attrs.h"

#include <math.h>
#include <strings.h>

static const struct function {
	const char *name;
	bool has_alpha, has_beta;
	double alpha, beta;
} functions[] = {
	[RNN_RELU] = { "Relu" },
	[RNN_TANH] = { "Tanh" },
	[RNN_SIGMOID] = { "Sigmoid" },
	[RNN_AFFINE] = { "Affine", true, true, 1, 0 },
	[RNN_LEAKY_RELU] = { "LeakyRelu", true, false, 0.01, 0 },
	[RNN_THRESHOLDED_RELU] = { "ThresholdedRelu", true, false, 1, 0 },
	[RNN_SCALED_TANH] = { "ScaledTanh", true, true, 1, 1 },
	[RNN_HARD_SIGMOID] = { "HardSigmoid", true, true, 0.2, 0.5 },
	[RNN_ELU] = { "Elu", true, false, 1, 0 },
	[RNN_SOFTSIGN] = { "Softsign" },
	[RNN_SOFTPLUS] = { "Softplus" },
};

static const rnn_function defaults[][3] = { [FAMILY_RNN] = { RNN_TANH },
					    [FAMILY_GRU] = { RNN_SIGMOID, RNN_TANH },
					    [FAMILY_LSTM] = { RNN_SIGMOID, RNN_TANH, RNN_TANH } };

static clast_status find_function(const char *name, rnn_function *out, clast_diag *d)
{
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (!strcasecmp(functions[i].name, name)) {
			*out = (rnn_function)i;
			return CLAST_OK;
		}
	return fail(d, CLAST_ERROR_MODEL, "attribute activations: unknown function \"%s\"", quote(name).text);
}

clast_status rnn_activations(const rnn_attrs *a, int family, rnn_activation *out, clast_diag *d)
{
	const int each = rnn_activation_count(family), total = each * rnn_directions(a);
	/* RNN's default is a list of two even where there is one direction. */
	if (a->activations.n && a->activations.n < (size_t)total)
		return fail(d, CLAST_ERROR_MODEL, "attribute activations: expected %d names, found %zu",
			    total, a->activations.n);
	size_t alphas = 0, betas = 0;
	for (int i = 0; i < total; i++) {
		rnn_function f = defaults[family][i % each];
		if (a->activations.n) {
			const clast_status s = find_function(a->activations.v[i], &f, d);
			if (s)
				return s;
		}
		out[i] = (rnn_activation){ f, functions[f].alpha, functions[f].beta };
		if (functions[f].has_alpha && alphas < a->activation_alpha.n)
			out[i].alpha = (double)a->activation_alpha.v[alphas++];
		if (functions[f].has_beta && betas < a->activation_beta.n)
			out[i].beta = (double)a->activation_beta.v[betas++];
	}
	return CLAST_OK;
}

double rnn_activate(const rnn_activation *a, double x)
{
	switch (a->function) {
	case RNN_RELU:
		return x > 0 || isnan(x) ? x : 0;
	case RNN_TANH:
		return tanh(x);
	case RNN_SIGMOID:
		return 1 / (1 + exp(-x));
	case RNN_AFFINE:
		return a->alpha * x + a->beta;
	case RNN_LEAKY_RELU:
		return x >= 0 ? x : a->alpha * x;
	case RNN_THRESHOLDED_RELU:
		return x >= a->alpha || isnan(x) ? x : 0;
	case RNN_SCALED_TANH:
		return a->alpha * tanh(a->beta * x);
	case RNN_HARD_SIGMOID:
		x = a->alpha * x + a->beta;
		return x < 0 ? 0 : x > 1 ? 1 : x;
	case RNN_ELU:
		return x >= 0 ? x : a->alpha * expm1(x);
	case RNN_SOFTSIGN:
		return x / (1 + fabs(x));
	case RNN_SOFTPLUS:
		return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
	}
	return x;
}
