/* Attributes of RNN, GRU and LSTM, and what they mean. */
#ifndef CLAST_RNN_ATTRS_H
#define CLAST_RNN_ATTRS_H

#include "infer.h"

/* op.family: the number of gates. */
enum { FAMILY_RNN = 1, FAMILY_GRU = 3, FAMILY_LSTM = 4 };

typedef enum rnn_direction { RNN_FORWARD, RNN_REVERSE, RNN_BIDIRECTIONAL } rnn_direction;

typedef struct rnn_attrs {
	string_list activations;
	float_list activation_alpha, activation_beta;
	float clip;               /* 0: none */
	int direction;            /* rnn_direction */
	int64_t hidden_size;      /* 0: not given */
	bool batch_first;         /* layout */
	bool linear_before_reset; /* GRU */
	bool input_forget;        /* LSTM */
	int64_t output_sequence;  /* before version 7; whether Y is wanted shows in the outputs */
} rnn_attrs;

typedef enum rnn_function {
	RNN_RELU,
	RNN_TANH,
	RNN_SIGMOID,
	RNN_AFFINE,
	RNN_LEAKY_RELU,
	RNN_THRESHOLDED_RELU,
	RNN_SCALED_TANH,
	RNN_HARD_SIGMOID,
	RNN_ELU,
	RNN_SOFTSIGN,
	RNN_SOFTPLUS
} rnn_function;

typedef struct rnn_activation {
	rnn_function function;
	double alpha, beta;
} rnn_activation;

#define RNN_MAX_ACTIVATIONS 6

static inline int rnn_directions(const rnn_attrs *a)
{
	return a->direction == RNN_BIDIRECTIONAL ? 2 : 1;
}

/* Activations a direction uses: f of RNN; f, g of GRU; f, g, h of LSTM. */
static inline int rnn_activation_count(int family)
{
	return family == FAMILY_RNN ? 1 : family == FAMILY_GRU ? 2 : 3;
}

/* Those of every direction, one after the other. Alphas and betas are consumed in order by the functions that
 * have them. */
clast_status rnn_activations(const rnn_attrs *a, int family, rnn_activation *out, clast_diag *d);
double rnn_activate(const rnn_activation *a, double x);

#endif
