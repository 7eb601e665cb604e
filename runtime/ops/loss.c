/* ONNX NegativeLogLikelihoodLoss: l[n, d] = -x[n, target[n, d], d] * weight[target[n, d]], or 0 where the
 * target is ignore_index. ONNX SoftmaxCrossEntropyLoss: the same with x = log softmax(scores) along the
 * classes, which is also output 1.
 *
 * x: [N, C, D1...], target: [N, D1...], weight: [C].
 * reduction: all losses, their sum, or their sum divided by the sum of the weights that counted. */
#include <math.h>

#include "conv_attrs.h"
#include "offsets.h"

enum { LIKELIHOOD, CROSS_ENTROPY };
enum { NONE, MEAN, SUM };

/* No label can be the lowest int64, as it would have to lie in [0, C). */
#define NOT_GIVEN INT64_MIN

typedef struct attrs {
	int64_t ignore_index;
	int reduction;
} attrs;

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const attrs *a = in->attrs;
	const shape *x = &in->in[0].shape, *target = &in->in[1].shape;
	clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	if (!s)
		s = infer_dtype(in, 1, DTYPE_BIT(CLAST_INT32) | DTYPE_BIT(CLAST_INT64), d);
	if (!s && x->rank >= 0)
		s = infer_rank(in, 1, x->rank - 1, x->rank - 1, d);
	for (int i = 0; !s && x->rank >= 0 && i < target->rank; i++) {
		const dim want = x->dims[i ? i + 1 : 0];
		if (dim_is_number(want) && dim_is_number(target->dims[i]) && want != target->dims[i])
			s = fail(d, CLAST_ERROR_MODEL, "input 1: axis %d has extent %lld, expected %lld", i,
				 (long long)target->dims[i], (long long)want);
	}
	if (!s && has_input(in, 2))
		s = infer_same_dtype(in, 0, 2, d);
	if (!s)
		s = infer_channel_vector(in, 2, x->rank > 1 ? x->dims[1] : DIM_UNKNOWN, d);
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, a->reduction == NONE ? target : &(shape){ .rank = 0 });
	if (wants_output(in, out, 1))
		infer_set(out, 1, in->in[0].dtype, x);
	return CLAST_OK;
}

typedef struct work {
	int64_t samples, classes;
	int64_t *x_sample, *x_class, *target, *loss, *log_sample, *log_class;
	const double *weights;
	double *x; /* of one sample */
	double sum, weight_sum;
} work;

static void log_softmax(int64_t n, double *x)
{
	double top = -INFINITY, sum = 0;
	for (int64_t i = 0; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (int64_t i = 0; i < n; i++)
		sum += exp(x[i] - top);
	for (int64_t i = 0; i < n; i++)
		x[i] = x[i] - top - log(sum);
}

static clast_status add_sample(call *c, work *w, int64_t i)
{
	const attrs *a = c->attrs;
	const tensor_view *logs = c->n_out > 1 ? c->out[1] : NULL;
	const int64_t label = load_int(c->in[1], w->target[i]);
	for (int64_t k = 0; k < w->classes; k++)
		w->x[k] = load_real(c->in[0], w->x_sample[i] + w->x_class[k]);
	if (c->op->family == CROSS_ENTROPY)
		log_softmax(w->classes, w->x);
	for (int64_t k = 0; logs && k < w->classes; k++)
		store_real(logs, w->log_sample[i] + w->log_class[k], w->x[k]);
	double loss = 0;
	if (label != a->ignore_index) {
		if (label < 0 || label >= w->classes)
			return fail(c->diag, CLAST_ERROR_DATA,
				    "label %lld of sample %lld: expected 0 to %lld", (long long)label,
				    (long long)i, (long long)w->classes - 1);
		const double weight = w->weights ? w->weights[label] : 1;
		loss = -w->x[label] * weight;
		w->weight_sum += weight;
	}
	w->sum += loss;
	if (a->reduction == NONE)
		store_real(c->out[0], w->loss[i], loss);
	return CLAST_OK;
}

static bool prepare(call *c, bump *b, work *w)
{
	const attrs *a = c->attrs;
	const tensor_view *x = c->in[0], *logs = c->n_out > 1 ? c->out[1] : NULL,
			  *weights = c->n_in > 2 ? c->in[2] : NULL;
	int samples[CLAST_MAX_RANK] = { 0 }, n = 1;
	for (int i = 2; i < x->rank; i++)
		samples[n++] = i;
	w->x_sample = offset_table_of(b, x, n, samples, &w->samples);
	w->x_class = offset_table(b, x, 1, 2, &w->classes);
	w->target = offset_table(b, c->in[1], 0, c->in[1]->rank, NULL);
	w->x = bump_array(b, (size_t)w->classes + 1, sizeof *w->x);
	bool ok = w->x_sample && w->x_class && w->target && w->x;
	if (a->reduction == NONE)
		ok = ok && (w->loss = offset_table(b, c->out[0], 0, c->out[0]->rank, NULL));
	if (logs) {
		w->log_sample = offset_table_of(b, logs, n, samples, NULL);
		w->log_class = offset_table(b, logs, 1, 2, NULL);
		ok = ok && w->log_sample && w->log_class;
	}
	return ok && (!weights || (w->weights = real_table(b, weights)));
}

static clast_status reference(call *c)
{
	const attrs *a = c->attrs;
	bump b;
	bump_init(&b, c->memory);
	work w = { 0 };
	clast_status s = prepare(c, &b, &w) ? CLAST_OK : fail_memory(c->diag, 0);
	for (int64_t i = 0; !s && i < w.samples; i++) {
		s = add_sample(c, &w, i);
		if (!s && !call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	if (!s && a->reduction != NONE)
		store_real(c->out[0], 0, a->reduction == MEAN ? w.sum / w.weight_sum : w.sum);
	bump_release(&b);
	return s;
}

static const char *const reductions[] = { "none", "mean", "sum", NULL };
static const attr_spec spec[] = { { "ignore_index", ATTR_INT, offsetof(attrs, ignore_index), .i = NOT_GIVEN },
				  { "reduction", ATTR_ENUM, offsetof(attrs, reduction), .i = MEAN,
				    .names = reductions },
				  { 0 } };
static const op_version likelihood_versions[] = {
	{ 12, DTYPES_FLOAT }, { 13, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_negative_log_likelihood_loss = { .name = "NegativeLogLikelihoodLoss",
					     .domain = "",
					     .versions = likelihood_versions,
					     .attrs = spec,
					     .attrs_bytes = sizeof(attrs),
					     .min_in = 2,
					     .max_in = 3,
					     .min_out = 1,
					     .max_out = 1,
					     .rule = RULE_FIXED,
					     .infer = infer,
					     .reference = reference,
					     .family = LIKELIHOOD };
static const op_version cross_entropy_versions[] = { { 12, DTYPES_FLOAT }, { 13, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_softmax_cross_entropy_loss = { .name = "SoftmaxCrossEntropyLoss",
					   .domain = "",
					   .versions = cross_entropy_versions,
					   .attrs = spec,
					   .attrs_bytes = sizeof(attrs),
					   .min_in = 2,
					   .max_in = 3,
					   .min_out = 1,
					   .max_out = 2,
					   .rule = RULE_FIXED,
					   .infer = infer,
					   .reference = reference,
					   .family = CROSS_ENTROPY };
