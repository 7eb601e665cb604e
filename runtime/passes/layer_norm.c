/* LayerNormalization written out, as exporters do before opset 17:
 *
 *     d = x - ReduceMean(x);  y = d / Sqrt(ReduceMean(d ^ 2) + epsilon) * scale + bias
 *
 * over the last axes. One kernel passes twice over x where the nodes pass eight times. */
#include <string.h>

#include "norm_attrs.h"
#include "pass.h"
#include "reduce.h"

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

/* The node of that name in the same graph that makes v. */
static const node *maker(const clast_model *m, graph_id g, value_id v, const char *name)
{
	const node_id id = v == NO_ID ? NO_ID : m->values[v].producer;
	const node *n = id == NO_ID ? NULL : &m->nodes[id];
	return n && !n->dead && n->op && n->graph == g && is(n, name) ? n : NULL;
}

static const tensor_view *floats(const clast_model *m, value_id v)
{
	const tensor_view *t = v == NO_ID ? NULL : m->values[v].constant;
	return t && t->dtype == CLAST_FLOAT32 ? t : NULL;
}

/* The mean over the last axes that stay as axes of extent 1: how many, or 0. */
static int mean_axes(const clast_model *m, const node *n)
{
	infer_value in[2];
	uint32_t mask;
	const int rank = m->values[n->in[0]].rank;
	if (rank < 1 || n->n_in > 2 || !((const reduce_attrs *)n->attrs)->keepdims)
		return 0;
	for (uint32_t i = 0; i < n->n_in; i++)
		value_infer(m, n->in[i], &in[i]);
	const infer_in query = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = 1, .in = in,
		                 .memory = (bump *)&m->region };
	if ((n->n_in > 1 && in[1].present && !in[1].data) || !reduce_axes(&query, &mask))
		return 0;
	int count = 0;
	while (count < rank && mask >> (rank - 1 - count) & 1)
		count++;
	return mask >> (rank - count) << (rank - count) == mask ? count : 0;
}

/* d ^ 2 or d * d. */
static bool is_square_of(const clast_model *m, graph_id g, value_id v, value_id d)
{
	const node *n = maker(m, g, v, "Mul");
	if (n)
		return n->in[0] == d && n->in[1] == d;
	n = maker(m, g, v, "Pow");
	const tensor_view *two = n ? m->values[n->in[1]].constant : NULL;
	return two && n->in[0] == d && view_count(two) == 1 && (dtype_is_float(two->dtype) || dtype_is_integer(two->dtype)) && load_real(two, 0) == 2;
}

typedef struct found {
	value_id x;
	int axes;
	float epsilon;
} found;

/* Whether the quotient is a normalisation of x. */
static bool match(const clast_model *m, const node *quotient, found *f)
{
	const graph_id g = quotient->graph;
	const node *root = maker(m, g, quotient->in[1], "Sqrt"), *sum = root ? maker(m, g, root->in[0], "Add") : NULL;
	const node *difference = maker(m, g, quotient->in[0], "Sub");
	if (!sum || !difference)
		return false;
	const tensor_view *epsilon = floats(m, sum->in[1]);
	const node *variance = maker(m, g, sum->in[epsilon ? 0 : 1], "ReduceMean");
	const node *mean = maker(m, g, difference->in[1], "ReduceMean");
	epsilon = epsilon ? epsilon : floats(m, sum->in[0]);
	if (!epsilon || view_count(epsilon) != 1 || !variance || !mean || mean->in[0] != difference->in[0])
		return false;
	f->x = mean->in[0];
	f->axes = mean_axes(m, mean);
	f->epsilon = (float)load_real(epsilon, 0);
	return f->axes && mean_axes(m, variance) == f->axes && m->values[f->x].dtype == CLAST_FLOAT32 &&
	       is_square_of(m, g, variance->in[0], quotient->in[0]);
}

/* A constant of the extents of the last axes of v. */
static bool spans(const clast_model *m, value_id constant, value_id v, int axes)
{
	const tensor_view *t = floats(m, constant);
	const value *x = &m->values[v];
	if (!t || t->rank != axes || !view_is_dense(t))
		return false;
	for (int a = 0; a < axes; a++)
		if (x->dims[x->rank - axes + a] != t->dims[a])
			return false;
	return true;
}

/* The only user of v if it is an operator of that name with a constant that spans the axes. */
static node_id with_constant(const clast_model *m, const user_table *users, const node *n, const char *name, const found *f,
                             value_id *constant)
{
	const value_id v = n->out[0];
	const node_id user = only_user(m, users, v);
	if (user == NO_ID || m->nodes[user].dead || !m->nodes[user].op || !is(&m->nodes[user], name) || m->nodes[user].version < 7)
		return NO_ID;
	*constant = m->nodes[user].in[m->nodes[user].in[0] == v ? 1 : 0];
	return *constant != v && spans(m, *constant, f->x, f->axes) ? user : NO_ID;
}

/* A scale of ones where the normalisation has none. */
static clast_status ones(clast_model *m, graph_id g, const found *f, value_id *out, clast_diag *d)
{
	const value *x = &m->values[f->x];
	int64_t dims[CLAST_MAX_RANK];
	tensor_view *t;
	for (int a = 0; a < f->axes; a++)
		dims[a] = x->dims[x->rank - f->axes + a];
	clast_status s = model_constant(m, CLAST_FLOAT32, f->axes, dims, &t, d);
	if (s)
		return s;
	for (int64_t i = 0; i < view_count(t); i++)
		((float *)t->data)[i] = 1;
	s = graph_add_value(m, g, "scale", out, d);
	if (!s)
		graph_set_constant(m, *out, t);
	return s;
}

static bool known_extents(const clast_model *m, const found *f)
{
	const value *x = &m->values[f->x];
	for (int a = 0; a < f->axes; a++)
		if (!dim_is_number(x->dims[x->rank - f->axes + a]))
			return false;
	return true;
}

static clast_status try_match(clast_model *m, node_id id, const user_table *users, clast_diag *d)
{
	const node quotient = m->nodes[id];
	found f;
	if (quotient.dead || !quotient.op || !is(&quotient, "Div") || !match(m, &quotient, &f) || !known_extents(m, &f))
		return CLAST_OK;
	value_id in[3] = { f.x, NO_ID, NO_ID };
	node_id last = id;
	const node_id product = with_constant(m, users, &quotient, "Mul", &f, &in[1]);
	if (product != NO_ID) {
		last = product;
		const node_id sum = with_constant(m, users, &m->nodes[product], "Add", &f, &in[2]);
		last = sum == NO_ID ? product : sum;
		in[2] = sum == NO_ID ? NO_ID : in[2];
	}
	clast_status s = product == NO_ID ? ones(m, quotient.graph, &f, &in[1], d) : CLAST_OK;
	if (s)
		return s;
	const layer_norm_attrs attrs = { .epsilon = f.epsilon, .axis = -f.axes, .stash_type = CLAST_FLOAT32 };
	const value_id out = m->nodes[last].out[0];
	m->nodes[last].dead = true;
	return graph_add_op_node(m, quotient.graph, op_find("", "LayerNormalization"), 17, quotient.name, in[2] == NO_ID ? 2 : 3, in, 1,
	                         &out, &attrs, &last, d);
}

static clast_status run(clast_model *m, clast_diag *d)
{
	user_table users;
	const size_t nodes = m->node_count, values = m->value_count;
	clast_status s = pass_users(m, &users, d);
	for (size_t i = 0; !s && i < nodes; i++)
		s = try_match(m, (node_id)i, &users, d);
	mem_free(&m->memory, users.user, (values + 1) * sizeof *users.user);
	return s;
}

const pass pass_layer_norm = { "layer_norm", run };
