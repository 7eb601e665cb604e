/* ONNX BatchNormalization: y[n, c, d] = (x[n, c, d] - mean[c]) / sqrt(var[c] + epsilon) * scale[c] + b[c].
 *
 * x, y: [N, C, D1...] (or [N], then C = 1); scale, b, mean, var: [C].
 * Before version 9 and with spatial = 0 these vectors are [C, D1...].
 *
 * In training mean and var are those of x (population variance). The further outputs are the running
 * statistics momentum * given + (1 - momentum) * those of x and, before version 14, those of x themselves.
 * Training means the attribute training_mode since version 14; before, that further outputs are asked for,
 * unless is_test (version 6) denies it. */
#include <math.h>

#include "norm_attrs.h"
#include "offsets.h"

enum { SCALE = 1, BIAS, MEAN, VAR };

/* What the statistics are indexed by: axes 1 to `end` of x. */
static int statistics_end(const batch_norm_attrs *a, int version, int rank)
{
	return rank < 2 ? 1 : version < 9 && !a->spatial ? rank : 2;
}

static clast_status check_statistics(const infer_in *in, size_t i, clast_diag *d)
{
	const shape *x = &in->in[0].shape, *v = &in->in[i].shape;
	if (x->rank < 0 || v->rank < 0)
		return CLAST_OK;
	const int end = statistics_end(in->attrs, in->version, x->rank), rank = end > 1 ? end - 1 : 1;
	const clast_status s = infer_rank(in, i, rank, rank, d);
	for (int k = 0; !s && k < rank; k++) {
		const dim want = end > 1 ? x->dims[1 + k] : 1;
		if (dim_is_number(want) && dim_is_number(v->dims[k]) && want != v->dims[k])
			return fail(d, CLAST_ERROR_MODEL, "input %zu: axis %d has extent %lld, expected %lld",
				    i, k, (long long)v->dims[k], (long long)want);
	}
	return s;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	clast_status s = infer_rank(in, 0, 1, CLAST_MAX_RANK, d);
	for (size_t i = SCALE; !s && i <= VAR; i++) {
		s = infer_dtype(in, i, DTYPES_FLOAT_BF16, d);
		if (!s && in->version < 14)
			s = infer_same_dtype(in, 0, i, d);
		if (!s)
			s = check_statistics(in, i, d);
	}
	if (!s && in->version >= 14 && in->n_out > 3)
		s = fail(d, CLAST_ERROR_MODEL, "expected at most 3 outputs, found %zu", in->n_out);
	if (s)
		return s;
	infer_set(out, 0, in->in[0].dtype, &in->in[0].shape);
	for (size_t i = 1; i < in->n_out; i++)
		if (wants_output(in, out, i))
			infer_set(out, i, in->in[i % 2 ? MEAN : VAR].dtype,
				  &in->in[i % 2 ? MEAN : VAR].shape);
	return CLAST_OK;
}

static bool is_training(const call *c)
{
	const batch_norm_attrs *a = c->attrs;
	if (c->version >= 14)
		return a->training_mode;
	if (c->version < 7 && a->is_test)
		return false;
	for (size_t i = 1; i < c->n_out; i++)
		if (c->out[i])
			return true;
	return false;
}

/* Tables over the elements of one statistic ("channels") and over the elements that share one ("others"). */
typedef struct parts {
	int64_t channels, others;
	int64_t *x_channel, *x_other, *y_channel, *y_other;
} parts;

static bool split(bump *b, const tensor_view *x, const tensor_view *y, int end, parts *p)
{
	int others[CLAST_MAX_RANK], n = 0;
	others[n++] = 0;
	for (int i = end; i < x->rank; i++)
		others[n++] = i;
	p->x_channel = offset_table(b, x, 1, end, &p->channels);
	p->y_channel = offset_table(b, y, 1, end, NULL);
	p->x_other = offset_table_of(b, x, n, others, &p->others);
	p->y_other = offset_table_of(b, y, n, others, NULL);
	return p->x_channel && p->y_channel && p->x_other && p->y_other;
}

/* Two passes, so that a large mean costs no digits. */
static void measure(const tensor_view *x, const parts *p, int64_t channel, double *mean, double *var)
{
	const int64_t base = p->x_channel[channel];
	double sum = 0, squares = 0;
	for (int64_t i = 0; i < p->others; i++)
		sum += load_real(x, base + p->x_other[i]);
	*mean = sum / (double)p->others;
	for (int64_t i = 0; i < p->others; i++) {
		const double v = load_real(x, base + p->x_other[i]) - *mean;
		squares += v * v;
	}
	*var = squares / (double)p->others;
}

/* Outputs 1 and 2 are the running statistics, 3 and 4 those of x; where nothing is trained both are the given
 * ones. */
static void store_statistics(call *c, bool training, const double *given, const double *own, int64_t channel)
{
	const batch_norm_attrs *a = c->attrs;
	for (size_t i = 1; i < c->n_out; i++) {
		const tensor_view *v = c->out[i];
		if (!v)
			continue;
		const int which = i % 2 ? 0 : 1;
		double value = own[which];
		if (training && i < 3)
			value = given[which] * (double)a->momentum + own[which] * (1 - (double)a->momentum);
		int64_t index[CLAST_MAX_RANK], rest = channel;
		for (int k = v->rank - 1; k >= 0; k--) {
			index[k] = rest % v->dims[k];
			rest /= v->dims[k];
		}
		store_real(v, view_offset(v, index), value);
	}
}

static clast_status normalise(call *c, const parts *p, const double *const *vectors)
{
	const batch_norm_attrs *a = c->attrs;
	const bool training = is_training(c);
	for (int64_t i = 0; i < p->channels; i++) {
		const double given[] = { vectors[MEAN][i], vectors[VAR][i] };
		double own[] = { given[0], given[1] };
		if (training)
			measure(c->in[0], p, i, &own[0], &own[1]);
		store_statistics(c, training, given, own, i);
		const double factor = vectors[SCALE][i] / sqrt(own[1] + (double)a->epsilon);
		for (int64_t j = 0; j < p->others; j++) {
			const double x = load_real(c->in[0], p->x_channel[i] + p->x_other[j]);
			store_real(c->out[0], p->y_channel[i] + p->y_other[j],
				   (x - own[0]) * factor + vectors[BIAS][i]);
		}
		if (!call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	return CLAST_OK;
}

static clast_status reference(call *c)
{
	bump b;
	bump_init(&b, c->memory);
	parts p;
	const double *vectors[VAR + 1] = { 0 };
	bool ok = split(&b, c->in[0], c->out[0], statistics_end(c->attrs, c->version, c->in[0]->rank), &p);
	for (int i = SCALE; i <= VAR; i++)
		ok = ok && (vectors[i] = real_table(&b, c->in[i]));
	const clast_status s = ok ? normalise(c, &p, vectors) : fail_memory(c->diag, 0);
	bump_release(&b);
	return s;
}

static const attr_spec spec[] = {
	{ "epsilon", ATTR_FLOAT, offsetof(batch_norm_attrs, epsilon), .f = 1e-5f },
	{ "momentum", ATTR_FLOAT, offsetof(batch_norm_attrs, momentum), .f = 0.9f },
	{ "is_test", ATTR_BOOL, offsetof(batch_norm_attrs, is_test), .until = 7 },
	{ "spatial", ATTR_INT, offsetof(batch_norm_attrs, spatial), .i = 1, .until = 9 },
	{ "training_mode", ATTR_BOOL, offsetof(batch_norm_attrs, training_mode), .since = 14 },
	{ "consumed_inputs", ATTR_INTS, offsetof(batch_norm_attrs, consumed_inputs), .until = 6 },
	{ 0 }
};
static const op_version versions[] = { { 1, DTYPES_FLOAT },
				       { 6, DTYPES_FLOAT },
				       { 7, DTYPES_FLOAT },
				       { 9, DTYPES_FLOAT },
				       { 14, DTYPES_FLOAT_BF16 },
				       { 15, DTYPES_FLOAT_BF16 },
				       { 0 } };
const op op_batch_normalization = { .name = "BatchNormalization",
				    .domain = "",
				    .versions = versions,
				    .attrs = spec,
				    .attrs_bytes = sizeof(batch_norm_attrs),
				    .min_in = 5,
				    .max_in = 5,
				    .min_out = 1,
				    .max_out = 5,
				    .rule = RULE_CHANNELS,
				    .infer = infer,
				    .reference = reference };
