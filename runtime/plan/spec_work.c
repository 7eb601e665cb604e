/* How much a step has to do: operations by the definition of its operators, those that its kernels execute, and the least bytes that
 * have to move. */
#include <math.h>
#include <string.h>

#include "pool_attrs.h"
#include "spec.h"

static double count_of(const infer_value *v)
{
	double n = 1;
	for (int a = 0; a < v->shape.rank; a++)
		n *= dim_is_number(v->shape.dims[a]) ? (double)v->shape.dims[a] : 0;
	return v->present && v->shape.rank >= 0 ? n : 0;
}

static double extent(const infer_value *v, int axis)
{
	axis += axis < 0 ? v->shape.rank : 0;
	return axis >= 0 && axis < v->shape.rank ? (double)v->shape.dims[axis] : 1;
}

/* Operations by definition, a multiplication and an addition counted as two. facts: of inputs, then outputs. */
typedef double count_function(const node *n, const infer_value *in, const infer_value *out);

static double count_conv(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n;
	return 2 * count_of(out) * count_of(&in[1]) / fmax(1, extent(&in[1], 0));
}

static double count_conv_transpose(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n, (void)out;
	return 2 * count_of(&in[0]) * count_of(&in[1]) / fmax(1, extent(&in[1], 0));
}

static double count_gemm(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n;
	return 2 * count_of(out) * count_of(&in[0]) / fmax(1, extent(out, 0));
}

static double count_matmul(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n;
	return 2 * count_of(out) * extent(&in[0], -1);
}

static double count_pool(const node *n, const infer_value *in, const infer_value *out)
{
	const pool_attrs *a = n->attrs;
	double taps = 1;
	(void)in;
	for (size_t i = 0; i < a->window.kernel_shape.n; i++)
		taps *= (double)a->window.kernel_shape.v[i];
	return count_of(out) * taps;
}

/* LSTM, GRU, RNN: W is [directions, gates * hidden, inputs], R the same with hidden. */
static double count_recurrent(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n, (void)out;
	return 2 * extent(&in[0], 0) * extent(&in[0], 1) * (count_of(&in[1]) + count_of(&in[2]));
}

/* A few passes over the input: maximum, exponential, sum, quotient; mean, variance, scale. */
static double count_rows(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n, (void)out;
	return 5 * count_of(&in[0]);
}

static double count_none(const node *n, const infer_value *in, const infer_value *out)
{
	(void)n, (void)in, (void)out;
	return 0;
}

static const struct {
	const char *op;
	count_function *count;
} counts[] = {
	{ "Conv", count_conv }, { "ConvTranspose", count_conv_transpose }, { "Gemm", count_gemm }, { "MatMul", count_matmul },
	{ "QLinearConv", count_none }, { "MaxPool", count_pool }, { "AveragePool", count_pool }, { "LpPool", count_pool },
	{ "LSTM", count_recurrent }, { "GRU", count_recurrent }, { "RNN", count_recurrent }, { "Softmax", count_rows },
	{ "LogSoftmax", count_rows }, { "LayerNormalization", count_rows }, { "InstanceNormalization", count_rows },
	{ "GroupNormalization", count_rows }, { "BatchNormalization", count_rows }, { "Concat", count_none }, { "Split", count_none },
	{ "Slice", count_none }, { "Pad", count_none }, { "Gather", count_none }, { "Transpose", count_none }, { "Reshape", count_none },
	{ "Flatten", count_none }, { "Squeeze", count_none }, { "Unsqueeze", count_none }, { "Identity", count_none },
	{ "Shape", count_none }, { "Expand", count_none }, { "Tile", count_none }, { "DepthToSpace", count_none },
	{ "SpaceToDepth", count_none }, { "Cast", count_none },
};

/* Everything else counts one operation for each element of the larger side. */
static double node_operations(const node *n, const infer_value *in, const infer_value *out)
{
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		if (!n->op->domain[0] && !strcmp(n->op->name, counts[i].op))
			return counts[i].count(n, in, out);
	return fmax(n->n_in ? count_of(&in[0]) : 0, n->n_out ? count_of(&out[0]) : 0);
}

double spec_step_operations(const specialisation *s, const plan_step *step)
{
	enum { MOST = 64 };
	const clast_plan *p = s->plan;
	infer_value facts[MOST];
	double sum = 0;
	for (uint32_t i = 0; i < step->node_count; i++) {
		const plan_node *x = &p->nodes[p->step_nodes[step->nodes + i]];
		const node *n = &p->model->nodes[x->node];
		for (uint32_t j = 0; j < n->n_in + n->n_out && j < MOST; j++) {
			const uint32_t f = p->fact_refs[x->facts + j];
			memset(&facts[j], 0, sizeof facts[j]);
			if (f != NO_ID)
				facts[j] = s->facts[f];
			facts[j].present = f != NO_ID;
		}
		if (n->n_in + n->n_out <= MOST && n->n_in >= 1)
			sum += node_operations(n, facts, facts + n->n_in);
	}
	return sum;
}

/* ---- What kernels execute ---- */

static double round_up_to(double x, double unit)
{
	return ceil(x / unit) * unit;
}

/* Products of the tiles that a convolution kernel computes instead of the direct form, or 0 if it is that of the definition. */
static double conv_operations(const compute_kernel *k, const conv_params *c)
{
	const cpu_kernels *cpu = cpu_kernels_get();
	const conv_window *w = &c->window;
	const double rows = (double)(w->row_end - w->row_begin), pixels = (double)w->out[PIXEL];
	const double images = (double)c->batch * (double)w->out[DEPTH] * (double)c->weights.groups;
	const double out = round_up_to((double)c->weights.out_channels, (double)cpu->vector), in = (double)c->weights.in_channels;
	const double m = k == cpu->kernel[KERNEL_winograd2_f32] ? 2 : k == cpu->kernel[KERNEL_winograd4_f32] ? 4 : 0;
	if (m)
		return 2 * images * ceil(rows / m) * ceil(pixels / m) * (m + 2) * (m + 2) * in * out;
	if (k == cpu->kernel[KERNEL_conv_f32])
		return 2 * images * rows * pixels * in * out * (double)(w->kernel[DEPTH] * w->kernel[ROW] * w->kernel[PIXEL]);
	return 0;
}

double spec_step_executed(const specialisation *s, const spec_step *step)
{
	double sum = 0;
	const cpu_kernels *cpu = cpu_kernels_get();
	for (uint32_t i = 0; i < step->call_count; i++) {
		const spec_call *c = &s->calls[step->first_call + i];
		if (c->kernel == cpu->kernel[KERNEL_conv_f32] || c->kernel == cpu->kernel[KERNEL_winograd2_f32] ||
		    c->kernel == cpu->kernel[KERNEL_winograd4_f32])
			sum += conv_operations(c->kernel, c->params);
	}
	return sum;
}

/* ---- Bytes ---- */

static double view_bytes(const tensor_view *v)
{
	double n = (double)clast_dtype_bytes(v->dtype);
	for (int a = 0; a < v->rank; a++)
		n *= v->strides[a] || v->split[a] ? (double)v->dims[a] : 1; /* a broadcast axis is read once */
	return n;
}

/* Each operand once; weights at the size that the model gives them. */
double spec_step_bytes(const specialisation *s, const plan_step *step)
{
	const clast_plan *p = s->plan;
	double sum = 0;
	for (uint32_t i = 0; i < (uint32_t)step->n_in + step->n_out + step->n_fused; i++) {
		const uint32_t pv = p->refs[step->refs + i];
		if (pv != NO_ID && s->places[pv - s->block->first_value].known)
			sum += view_bytes(&s->places[pv - s->block->first_value].view);
	}
	return sum;
}
