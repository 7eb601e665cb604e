/* BatchNormalization after Conv, ConvTranspose or Gemm with constant weights, into them: the scale of each output channel times its
 * weights. Sums, differences, products and quotients with constants of the channels go the same way, as many as follow one another: they
 * are put together in double and the weights are rounded once. Nothing happens at the borders: padding comes before the convolution. Any
 * other BatchNormalization of constant statistics becomes a product and a sum, which fuse like all elementwise operators. */
#include <math.h>
#include <string.h>

#include "gemm_attrs.h"
#include "norm_attrs.h"
#include "conv_attrs.h"
#include "pass.h"

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

static const tensor_view *floats(const clast_model *m, const node *n, uint32_t i)
{
	const tensor_view *t = i < n->n_in && n->in[i] != NO_ID ? m->values[n->in[i]].constant : NULL;
	return t && t->dtype == CLAST_FLOAT32 && view_is_dense(t) ? t : NULL;
}

/* Scale and shift of each channel, in double. */
static bool affine_of(const clast_model *m, const node *n, int64_t channels, double *scale, double *shift)
{
	const batch_norm_attrs *a = n->attrs;
	const tensor_view *p[4];
	if (!is(n, "BatchNormalization") || (n->version >= 14 && a->training_mode) || (n->version < 7 && !a->is_test) ||
	    (n->version < 9 && !a->spatial))
		return false;
	for (uint32_t j = 1; j < n->n_out; j++)
		if (n->out[j] != NO_ID && m->values[n->out[j]].uses)
			return false;
	for (uint32_t i = 0; i < 4; i++) {
		p[i] = floats(m, n, i + 1);
		if (!p[i] || p[i]->rank != 1 || p[i]->dims[0] != channels)
			return false;
	}
	for (int64_t c = 0; c < channels; c++) {
		scale[c] = load_real(p[0], c) / sqrt(load_real(p[3], c) + (double)a->epsilon);
		shift[c] = load_real(p[1], c) - load_real(p[2], c) * scale[c];
	}
	return true;
}

/* A constant with one element, or one for each channel, along axis 1 of a result of this rank; *step is their distance. */
static bool by_channel(const tensor_view *t, int rank, int64_t channels, int64_t *step)
{
	if (!t || t->rank > rank || view_count(t) < 1 || !view_is_dense(t))
		return false;
	const int axis = 1 - (rank - t->rank);
	*step = axis >= 0 && t->dims[axis] == channels && channels > 1;
	return view_count(t) == (*step ? channels : 1);
}

/* The same for an arithmetic operator with a constant. x is the other operand. */
static bool arithmetic_of(const clast_model *m, const node *n, value_id x, int64_t channels, double *scale, double *shift)
{
	int64_t step;
	if ((!is(n, "Add") && !is(n, "Sub") && !is(n, "Mul") && !is(n, "Div")) || n->version < 7 || n->in[0] == n->in[1])
		return false;
	const bool first = n->in[0] == x, product = is(n, "Mul") || is(n, "Div");
	const tensor_view *t = floats(m, n, first ? 1 : 0);
	const int rank = m->values[x].rank;
	if (rank < 2 || m->values[n->out[0]].rank != rank || !by_channel(t, rank, channels, &step) || (is(n, "Div") && !first))
		return false;
	for (int64_t c = 0; c < channels; c++) {
		const double k = load_real(t, c * step);
		scale[c] = is(n, "Mul") ? k : is(n, "Div") ? 1 / k : is(n, "Sub") && !first ? -1 : 1;
		shift[c] = product ? 0 : is(n, "Sub") && first ? -k : k;
		if (!isfinite(scale[c]) || !isfinite(shift[c]))
			return false;
	}
	return true;
}

static int64_t out_channels(const node *n, const tensor_view *w)
{
	if (is(n, "Conv"))
		return w->dims[0];
	if (is(n, "Gemm"))
		return w->dims[((const gemm_attrs *)n->attrs)->trans_b ? 0 : 1];
	return w->dims[1] * ((const conv_transpose_attrs *)n->attrs)->group;
}

static bool is_target(const clast_model *m, const node *n)
{
	if (!is(n, "Conv") && !is(n, "ConvTranspose") && !is(n, "Gemm"))
		return false;
	const tensor_view *w = floats(m, n, 1), *b = floats(m, n, 2);
	if (!w || w->rank < 2 || !view_count(w) || !view_is_dense(w))
		return false;
	const bool has_bias = n->n_in > 2 && n->in[2] != NO_ID;
	if (has_bias && (!b || b->rank != 1 || b->dims[0] != out_channels(n, w)))
		return false;
	const gemm_attrs *g = n->attrs;
	return !is(n, "Gemm") || (g->alpha == 1 && g->beta == 1);
}

static clast_status constant_value(clast_model *m, graph_id g, const char *name, const tensor_view *t, value_id *out,
                                   clast_diag *d)
{
	const clast_status s = graph_add_value(m, g, name, out, d);
	if (!s)
		graph_set_constant(m, *out, t);
	return s;
}

/* The weights are [blocks][channels of a block][inner]; block b holds the channels from first(b) on. */
static void scale_weights(const node *n, const tensor_view *w, const double *scale, float *out)
{
	int64_t inner = 1, blocks = 1, width = w->dims[0], per_group = 1;
	for (int a = 2; a < w->rank; a++)
		inner *= w->dims[a];
	const bool rows = is(n, "Conv") || (is(n, "Gemm") && ((const gemm_attrs *)n->attrs)->trans_b);
	if (rows) {
		inner *= w->dims[1];
	} else {
		blocks = w->dims[0];
		width = w->dims[1];
		per_group = is(n, "ConvTranspose") ? w->dims[0] / ((const conv_transpose_attrs *)n->attrs)->group : blocks;
	}
	const loose_float *in = w->data;
	for (int64_t b = 0; b < blocks; b++)
		for (int64_t c = 0; c < width; c++) {
			const double k = scale[b / per_group * width * !rows + c];
			for (int64_t i = 0; i < inner; i++)
				*out++ = (float)(*in++ * k);
		}
}

/* What follows a convolution and goes into its weights: y = x * scale + shift for each channel. */
typedef struct affine {
	int64_t channels;
	double *scale, *shift; /* of all nodes taken so far */
	double *next;          /* scale and shift of one node */
	value_id out;          /* of the last node taken */
} affine;

static clast_status affine_new(clast_model *m, int64_t channels, affine *f, clast_diag *d)
{
	const size_t bytes = 4 * (size_t)channels * sizeof(double);
	double *memory = mem_alloc(&m->memory, bytes);
	if (!memory)
		return fail_memory(d, bytes);
	*f = (affine){ channels, memory, memory + channels, memory + 2 * channels, NO_ID };
	for (int64_t c = 0; c < channels; c++) {
		f->scale[c] = 1;
		f->shift[c] = 0;
	}
	return CLAST_OK;
}

static void affine_free(clast_model *m, affine *f)
{
	mem_free(&m->memory, f->scale, 4 * (size_t)f->channels * sizeof(double));
}

/* Takes the only user of the value f->out, if it is such a node. */
static bool take_user(clast_model *m, const user_table *users, graph_id g, affine *f)
{
	const value_id x = f->out;
	const node_id user = only_user(m, users, x);
	double *scale = f->next, *shift = f->next + f->channels;
	if (user == NO_ID || m->nodes[user].dead || !m->nodes[user].op || m->nodes[user].graph != g)
		return false;
	const node *n = &m->nodes[user];
	if (!(n->in[0] == x && affine_of(m, n, f->channels, scale, shift)) && !arithmetic_of(m, n, x, f->channels, scale, shift))
		return false;
	for (int64_t c = 0; c < f->channels; c++) {
		f->scale[c] *= scale[c];
		f->shift[c] = f->shift[c] * scale[c] + shift[c];
	}
	f->out = n->out[0];
	m->nodes[user].dead = true;
	return true;
}

static clast_status merge(clast_model *m, node_id id, const affine *f, clast_diag *d)
{
	const node n = m->nodes[id];
	const tensor_view *w = floats(m, &n, 1), *b = floats(m, &n, 2);
	tensor_view *weights, *bias;
	value_id in[3] = { n.in[0] };
	clast_status s = model_constant(m, CLAST_FLOAT32, w->rank, w->dims, &weights, d);
	if (!s)
		s = model_constant(m, CLAST_FLOAT32, 1, &f->channels, &bias, d);
	if (!s) {
		scale_weights(&n, w, f->scale, weights->data);
		model_forget(m, w->data, (size_t)view_count(w) * sizeof(float));
	}
	for (int64_t c = 0; !s && c < f->channels; c++)
		store_real(bias, c, f->shift[c] + (b ? load_real(b, c) * f->scale[c] : 0));
	if (!s)
		s = constant_value(m, n.graph, m->values[n.in[1]].name, weights, &in[1], d);
	if (!s)
		s = constant_value(m, n.graph, "bias", bias, &in[2], d);
	if (s)
		return s;
	/* The convolution takes over the last node's output, so that values keep their names. */
	value_id *ids = bump_array(&m->region, 4, sizeof *ids);
	if (!ids)
		return fail_memory(d, 0);
	memcpy(ids, in, sizeof in);
	ids[3] = f->out;
	node *target = &m->nodes[id];
	target->n_in = 3;
	target->in = ids;
	target->out = ids + 3;
	m->values[f->out].producer = id;
	return CLAST_OK;
}

/* All that follows one another goes into the weights at once, so that they are rounded once. */
static clast_status try_merge(clast_model *m, node_id id, const user_table *users, clast_diag *d)
{
	const node *n = &m->nodes[id];
	affine f;
	if (n->dead || !n->op || !is_target(m, n))
		return CLAST_OK;
	clast_status s = affine_new(m, out_channels(n, floats(m, n, 1)), &f, d);
	if (s)
		return s;
	f.out = n->out[0];
	while (take_user(m, users, n->graph, &f))
		;
	if (f.out != n->out[0])
		s = merge(m, id, &f, d);
	affine_free(m, &f);
	return s;
}

/* A constant of one element a channel that broadcasts along axis 1. */
static clast_status channel_constant(clast_model *m, const node *n, int rank, int64_t channels, const double *x, value_id *out,
                                     clast_diag *d)
{
	int64_t dims[CLAST_MAX_RANK];
	tensor_view *t;
	for (int a = 1; a < rank; a++)
		dims[a - 1] = a == 1 ? channels : 1;
	clast_status s = model_constant(m, CLAST_FLOAT32, rank - 1, dims, &t, d);
	for (int64_t c = 0; !s && c < channels; c++)
		store_real(t, c, x[c]);
	return s ? s : constant_value(m, n->graph, m->values[n->in[1]].name, t, out, d);
}

/* y = x * scale + shift as two nodes. */
static clast_status unfold(clast_model *m, node_id id, int64_t channels, const double *scale, const double *shift, clast_diag *d)
{
	const node n = m->nodes[id];
	const int rank = m->values[n.in[0]].rank;
	value_id product = NO_ID, in[2] = { n.in[0] };
	node_id made;
	clast_status s = channel_constant(m, &n, rank, channels, scale, &in[1], d);
	if (!s)
		s = graph_add_value(m, n.graph, m->values[n.out[0]].name, &product, d);
	if (!s)
		s = graph_add_op_node(m, n.graph, op_find("", "Mul"), 14, n.name, 2, in, 1, &product, NULL, &made, d);
	if (!s)
		s = graph_infer_node(m, made, d);
	in[0] = product;
	if (!s)
		s = channel_constant(m, &n, rank, channels, shift, &in[1], d);
	m->nodes[id].dead = true;
	const value_id out = n.out[0];
	return s ? s : graph_add_op_node(m, n.graph, op_find("", "Add"), 14, n.name, 2, in, 1, &out, NULL, &made, d);
}

static clast_status try_unfold(clast_model *m, node_id id, clast_diag *d)
{
	const node *n = &m->nodes[id];
	const tensor_view *scale = n->dead || !is(n, "BatchNormalization") ? NULL : floats(m, n, 1);
	const value *x = scale ? &m->values[n->in[0]] : NULL;
	if (!x || scale->rank != 1 || x->rank < 2 || x->dtype != CLAST_FLOAT32 || x->dims[1] != scale->dims[0])
		return CLAST_OK;
	const int64_t channels = scale->dims[0];
	const size_t bytes = 2 * (size_t)channels * sizeof(double);
	double *factors = mem_alloc(&m->memory, bytes);
	clast_status s = CLAST_OK;
	if (!factors)
		return fail_memory(d, bytes);
	if (affine_of(m, n, channels, factors, factors + channels))
		s = unfold(m, id, channels, factors, factors + channels, d);
	mem_free(&m->memory, factors, bytes);
	return s;
}

static clast_status run(clast_model *m, clast_diag *d)
{
	user_table users;
	const size_t nodes = m->node_count, values = m->value_count;
	clast_status s = pass_users(m, &users, d);
	/* Merged weights are held beside those in the file until both are packed. */
	for (size_t i = 0; !s && i < nodes && !m->low_memory; i++)
		s = try_merge(m, (node_id)i, &users, d);
	for (size_t i = 0; !s && i < nodes; i++)
		s = try_unfold(m, (node_id)i, d);
	mem_free(&m->memory, users.user, (values + 1) * sizeof *users.user);
	return s;
}

const pass pass_batch_norm = { "batch_norm", run };
