/* ONNX InstanceNormalization and GroupNormalization:
 *
 *   y[n, c, d] = (x[n, c, d] - mean) / sqrt(variance + epsilon) * scale + b
 *
 * with mean and population variance over the spatial axes and the channels of a group, which
 * InstanceNormalization has one of for each channel.
 * x, y: [N, C, D1...]; scale, b: [C], for GroupNormalization-18 [num_groups]. */
#include <math.h>

#include "conv_attrs.h"
#include "norm_attrs.h"
#include "offsets.h"

enum { INSTANCE, GROUP };

static clast_status check_groups(const infer_in *in, dim channels, clast_diag *d)
{
	const group_norm_attrs *a = in->attrs;
	if (a->num_groups < 1)
		return fail(d, CLAST_ERROR_MODEL, "attribute num_groups: expected 1 or more, found %lld",
			    (long long)a->num_groups);
	if (dim_is_number(channels) && channels % a->num_groups)
		return fail(d, CLAST_ERROR_MODEL, "%lld channels cannot be divided into %lld groups",
			    (long long)channels, (long long)a->num_groups);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const shape *x = &in->in[0].shape;
	const bool group = in->op->family == GROUP;
	const dim channels = x->rank > 1 ? x->dims[1] : DIM_UNKNOWN;
	clast_status s = infer_rank(in, 0, 2, CLAST_MAX_RANK, d);
	if (!s && group)
		s = check_groups(in, channels, d);
	for (size_t i = 1; !s && i < 3; i++) {
		s = infer_same_dtype(in, 0, i, d);
		if (!s && group && in->version < 21)
			s = infer_channel_vector(in, i, ((const group_norm_attrs *)in->attrs)->num_groups, d);
		else if (!s)
			s = infer_channel_vector(in, i, channels, d);
	}
	return s ? s : infer_same_as_input(in, 0, out, d);
}

static clast_status reference(call *c)
{
	const tensor_view *x = c->in[0], *y = c->out[0];
	const group_norm_attrs *g = c->attrs;
	const bool group = c->op->family == GROUP, per_group = group && c->version < 21;
	const double epsilon =
		group ? (double)g->epsilon : (double)((const instance_norm_attrs *)c->attrs)->epsilon;
	const int64_t channels = group && x->dims[1] ? x->dims[1] / g->num_groups : 1;
	bump b;
	bump_init(&b, c->memory);
	int64_t planes = 0, n = 0;
	const int64_t *x_plane = offset_table(&b, x, 0, 2, &planes),
		      *y_plane = offset_table(&b, y, 0, 2, NULL);
	const int64_t *x_at = offset_table(&b, x, 2, x->rank, &n),
		      *y_at = offset_table(&b, y, 2, y->rank, NULL);
	const double *scale = real_table(&b, c->in[1]), *bias = real_table(&b, c->in[2]);
	clast_status s =
		x_plane && y_plane && x_at && y_at && scale && bias ? CLAST_OK : fail_memory(c->diag, 0);
	for (int64_t p = 0; !s && p < planes; p += channels) {
		double sum = 0, squares = 0;
		for (int64_t k = p; k < p + channels; k++)
			for (int64_t i = 0; i < n; i++)
				sum += load_real(x, x_plane[k] + x_at[i]);
		const double mean = sum / (double)(channels * n);
		for (int64_t k = p; k < p + channels; k++)
			for (int64_t i = 0; i < n; i++) {
				const double v = load_real(x, x_plane[k] + x_at[i]) - mean;
				squares += v * v;
			}
		const double deviation = sqrt(squares / (double)(channels * n) + epsilon);
		for (int64_t k = p; k < p + channels; k++) {
			const int64_t at = per_group ? k % x->dims[1] / channels : k % x->dims[1];
			for (int64_t i = 0; i < n; i++) {
				const double v = (load_real(x, x_plane[k] + x_at[i]) - mean) / deviation;
				store_real(y, y_plane[k] + y_at[i], v * scale[at] + bias[at]);
			}
		}
		if (!call_proceed(c))
			s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	bump_release(&b);
	return s;
}

static const attr_spec instance_spec[] = {
	{ "epsilon", ATTR_FLOAT, offsetof(instance_norm_attrs, epsilon), .f = 1e-5f },
	{ "consumed_inputs", ATTR_INTS, offsetof(instance_norm_attrs, consumed_inputs), .until = 6 },
	{ 0 }
};
static const op_version instance_versions[] = {
	{ 1, DTYPES_FLOAT }, { 6, DTYPES_FLOAT }, { 22, DTYPES_FLOAT_BF16 }, { 0 }
};
const op op_instance_normalization = { .name = "InstanceNormalization",
				       .domain = "",
				       .versions = instance_versions,
				       .attrs = instance_spec,
				       .attrs_bytes = sizeof(instance_norm_attrs),
				       .min_in = 3,
				       .max_in = 3,
				       .min_out = 1,
				       .max_out = 1,
				       .rule = RULE_CHANNELS,
				       .infer = infer,
				       .reference = reference,
				       .family = INSTANCE };

static const attr_spec group_spec[] = {
	{ "epsilon", ATTR_FLOAT, offsetof(group_norm_attrs, epsilon), .f = 1e-5f },
	{ "num_groups", ATTR_INT, offsetof(group_norm_attrs, num_groups), .required = true },
	{ "stash_type", ATTR_DTYPE, offsetof(group_norm_attrs, stash_type), .i = CLAST_FLOAT32, .since = 21 },
	{ 0 }
};
static const op_version group_versions[] = { { 18, DTYPES_FLOAT_BF16 }, { 21, DTYPES_FLOAT_BF16 }, { 0 } };
const op op_group_normalization = { .name = "GroupNormalization",
				    .domain = "",
				    .versions = group_versions,
				    .attrs = group_spec,
				    .attrs_bytes = sizeof(group_norm_attrs),
				    .min_in = 3,
				    .max_in = 3,
				    .min_out = 1,
				    .max_out = 1,
				    .rule = RULE_CHANNELS,
				    .infer = infer,
				    .reference = reference,
				    .family = GROUP };
