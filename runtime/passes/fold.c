/* Inference and constant folding in one walk: a node whose inputs are constants becomes a constant, and so does an output whose small
 * integer elements are all known although its inputs are not (Shape of a known shape, and the arithmetic after it). */
#include <string.h>

#include "checked.h"
#include "pass.h"

typedef struct folder {
	clast_model *m;
	const node *n;
	clast_diag *d;
	tensor_view *made[64]; /* results, by output */
} folder;

static clast_status host_output(call *c, size_t index, clast_dtype dtype, int rank, const int64_t *dims)
{
	folder *f = c->context;
	if (index >= c->n_out || !c->out[index])
		return CLAST_OK;
	if (f->made[index])
		return CLAST_OK;
	const clast_status s = model_constant(f->m, dtype, rank, dims, &f->made[index], f->d);
	if (!s)
		*c->out[index] = *f->made[index];
	return s;
}

static clast_status host_body(call *c, int body, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out)
{
	(void)c, (void)body, (void)n_in, (void)in, (void)n_out, (void)out;
	return CLAST_ERROR_INTERNAL; /* nodes with bodies are not folded */
}

static void host_release(call *c, const tensor_view *v)
{
	(void)c, (void)v;
}

static bool host_proceed(call *c)
{
	const folder *f = c->context;
	return !f->m->progress || f->m->progress(f->m->progress_context, 0);
}

static const struct call_host host = { host_output, host_body, host_release, host_proceed };

static bool all_numbers(const value *v)
{
	for (size_t i = 0; i < v->int_count; i++)
		if (!dim_is_number(v->ints[i]))
			return false;
	return true;
}

static bool static_shape(const value *v, int64_t *dims)
{
	for (int a = 0; a < v->rank; a++) {
		dims[a] = v->dims[a];
		if (!dim_is_number(v->dims[a]))
			return false;
	}
	return v->rank >= 0 && v->dtype != CLAST_UNDEFINED && v->kind == KIND_TENSOR;
}

/* An output whose elements are known: its tensor. */
static clast_status fold_ints(clast_model *m, value_id id, clast_diag *d)
{
	const value *v = &m->values[id];
	int64_t dims[CLAST_MAX_RANK];
	size_t count;
	tensor_view *t;
	if (!v->ints || v->constant || !all_numbers(v) || !static_shape(v, dims) || !dims_count((size_t)v->rank, dims, &count) ||
	    count != v->int_count || !(dtype_is_integer(v->dtype) || v->dtype == CLAST_BOOL))
		return CLAST_OK;
	const clast_status s = model_constant(m, v->dtype, v->rank, dims, &t, d);
	if (s)
		return s;
	for (size_t i = 0; i < count; i++)
		store_int(t, (int64_t)i, v->ints[i]);
	graph_set_constant(m, id, t);
	return CLAST_OK;
}

/* Whether all outputs are constants by now, so that the node is not needed. */
static bool is_done(const clast_model *m, const node *n)
{
	for (uint32_t j = 0; j < n->n_out; j++)
		if (n->out[j] != NO_ID && !m->values[n->out[j]].constant)
			return false;
	return true;
}

static bool is_foldable(const clast_model *m, const node *n)
{
	if (n->op->flags & (OP_RANDOM | OP_BODIES) || n->n_out > 64 ||
	    (m->keep_compact && !n->op->domain[0] && !strcmp(n->op->name, "DequantizeLinear")))
		return false;
	for (uint32_t i = 0; i < n->n_in; i++)
		if (n->in[i] != NO_ID && !m->values[n->in[i]].constant)
			return false;
	for (uint32_t j = 0; j < n->n_out; j++)
		if (n->out[j] != NO_ID && m->values[n->out[j]].kind != KIND_TENSOR)
			return false;
	return true;
}

/* Memory for the outputs whose shape is known; false if that is more than folding may spend. */
static bool prepare(folder *f, tensor_view *out, tensor_view **list, clast_status *s)
{
	clast_model *m = f->m;
	for (uint32_t j = 0; j < f->n->n_out; j++) {
		list[j] = NULL;
		if (f->n->out[j] == NO_ID)
			continue;
		const value *v = &m->values[f->n->out[j]];
		int64_t dims[CLAST_MAX_RANK];
		size_t bytes;
		list[j] = &out[j];
		memset(&out[j], 0, sizeof out[j]);
		out[j].rank = -1;
		if (!static_shape(v, dims)) {
			if (!(f->n->op->flags & OP_DATA_SHAPED))
				return false;
			continue;
		}
		if (!tensor_bytes(v->dtype, (size_t)v->rank, dims, &bytes) || bytes > m->limits.fold_bytes || v->dtype == CLAST_STRING)
			return false;
		*s = model_constant(m, v->dtype, v->rank, dims, &f->made[j], f->d);
		if (*s)
			return false;
		out[j] = *f->made[j];
	}
	return true;
}

/* A float32 output of equal elements that is too large to be folded: one element, at a distance of 0 from itself. Weights made by
 * ConstantOfShape are packed from that as from any constant, and take no memory beside. */
static clast_status fold_uniform(clast_model *m, node_id id, clast_diag *d)
{
	const node n = m->nodes[id];
	const value *v = &m->values[n.out[0]];
	int64_t dims[CLAST_MAX_RANK];
	size_t bytes;
	tensor_view *one;
	if (!(n.op->flags & OP_UNIFORM) || m->keep_compact || v->dtype != CLAST_FLOAT32 || !static_shape(v, dims) ||
	    !tensor_bytes(v->dtype, (size_t)v->rank, dims, &bytes) || bytes <= m->limits.fold_bytes || bytes > m->limits.tensor_bytes)
		return CLAST_OK;
	clast_status s = model_constant(m, v->dtype, 0, NULL, &one, d);
	if (s)
		return s;
	call c = { .op = n.op, .attrs = n.attrs, .version = n.version, .n_out = 1, .out = &one, .memory = &m->memory, .diag = d,
		   .host = &host };
	s = n.op->reference(&c);
	if (s)
		return node_fail(m, id, s, d);
	one->rank = v->rank;
	memcpy(one->dims, dims, (size_t)v->rank * sizeof *dims); /* strides are 0 */
	graph_set_constant(m, n.out[0], one);
	return CLAST_OK;
}

static clast_status fold_node(clast_model *m, node_id id, clast_diag *d)
{
	const node n = m->nodes[id];
	folder f = { .m = m, .n = &n, .d = d };
	tensor_view out[64], *out_list[64];
	const size_t bytes = (n.n_in + 1) * sizeof(tensor_view *);
	clast_status s = CLAST_OK;
	if (!prepare(&f, out, out_list, &s))
		return s;
	const tensor_view **in = mem_calloc(&m->memory, bytes);
	if (!in)
		return fail_memory(d, bytes);
	for (uint32_t i = 0; !s && i < n.n_in; i++)
		if (n.in[i] != NO_ID && !(s = model_align(m, n.in[i], d)))
			in[i] = m->values[n.in[i]].constant;
	call c = { .op = n.op, .attrs = n.attrs, .version = n.version, .n_in = n.n_in, .n_out = n.n_out, .in = in, .out = out_list,
		   .memory = &m->memory, .diag = d, .host = &host, .context = &f };
	if (!s)
		s = n.op->reference(&c);
	for (uint32_t j = 0; !s && j < n.n_out; j++)
		if (n.out[j] != NO_ID && f.made[j])
			graph_set_constant(m, n.out[j], f.made[j]);
	mem_free(&m->memory, in, bytes);
	/* What would fail when running fails now, with the same message; what is merely too large or random waits. */
	return s ? node_fail(m, id, s, d) : CLAST_OK;
}

clast_status fold_visit(clast_model *m, node_id id, clast_diag *d)
{
	clast_status s = graph_infer_node(m, id, d);
	for (uint32_t j = 0; !s && j < m->nodes[id].n_out; j++)
		if (m->nodes[id].out[j] != NO_ID)
			s = fold_ints(m, m->nodes[id].out[j], d);
	if (!s && !is_done(m, &m->nodes[id]) && is_foldable(m, &m->nodes[id]))
		s = fold_node(m, id, d);
	if (!s && !is_done(m, &m->nodes[id]) && is_foldable(m, &m->nodes[id]))
		s = fold_uniform(m, id, d);
	if (!s && is_done(m, &m->nodes[id]))
		m->nodes[id].dead = true;
	return s;
}

static clast_status walk(clast_model *m, graph_id g, clast_diag *d)
{
	clast_status s = CLAST_OK;
	const size_t count = m->graphs[g].node_count; /* inlined branches follow, visited already */
	for (size_t i = 0; !s && i < count; i++) {
		const node_id id = m->graphs[g].nodes[i];
		if (m->nodes[id].dead)
			continue;
		s = fold_visit(m, id, d);
		const graph_id taken = s || m->nodes[id].dead ? NO_ID : branch_take(m, id);
		/* Inferring the node has inferred its bodies; what is constant inside can be folded now. */
		for (uint32_t j = 0; !s && j < m->nodes[id].n_bodies; j++)
			if (!m->graphs[m->nodes[id].bodies[j]].refusal)
				s = walk(m, m->nodes[id].bodies[j], d);
		if (!s && taken != NO_ID)
			s = branch_inline(m, id, taken, d);
	}
	return s;
}

static clast_status run(clast_model *m, clast_diag *d)
{
	return walk(m, 0, d);
}

const pass pass_fold = { "fold", run };
