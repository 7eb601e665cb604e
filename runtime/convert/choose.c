/* The layout problem of a graph of ONNX, and its answer. */
#include <string.h>

#include "rewrite.h"
#include "solve.h"
#include "strategy.h"

/* Unknown extents count as this many elements, an unknown batch as one. */
#define REPRESENTATIVE 56

/* ---- The problem ---- */

/* One Transpose counts more than all bytes there are; where those are equal too, values keep the order that
 * the layout asks for. */
enum { TRANSPOSE_COST_BITS = 34, KIBIBYTE_COST_BITS = 4, ALL_COST_BITS = 55 };

/* Entries of all tables of conversions together keep below the limit of a problem. */
static void set_cost(converter *c)
{
	double entries = 1;
	for (value_id v = 0; v < c->value_count; v++)
		entries += (double)c->values[v].candidates * c->values[v].candidates;
	c->cost_bits = TRANSPOSE_COST_BITS;
	while (c->cost_bits &&
	       entries * (double)((uint64_t)2 << c->cost_bits) > (double)((uint64_t)1 << ALL_COST_BITS))
		c->cost_bits--;
}

static uint64_t bytes_of(const converter *c, value_id v)
{
	const value *x = &c->m->values[v];
	double bytes = (double)clast_dtype_bytes(x->dtype);
	for (int a = 0; a < x->rank; a++)
		bytes *= dim_is_number(x->dims[a]) ? (double)x->dims[a] : a ? REPRESENTATIVE : 1;
	return bytes < 1e12 ? (uint64_t)bytes : (uint64_t)1e12;
}

static uint64_t conversion_cost(const converter *c, value_id v)
{
	const uint64_t bytes = bytes_of(c, v);
	return c->o->count_bytes ? (bytes << KIBIBYTE_COST_BITS) + 1
				 : ((uint64_t)1 << c->cost_bits) + (bytes >> 10 << KIBIBYTE_COST_BITS);
}

static clast_status add_class(converter *c, value_id v)
{
	uint64_t table[MOST_CANDIDATES * MOST_CANDIDATES];
	static const order_tag tags[] = { [CONVERT_FIRST] = TAG_FIRST, [CONVERT_LAST] = TAG_LAST };
	if (!has_class(c, v) || c->values[v].class != PROBLEM_NONE)
		return CLAST_OK;
	value_plan *p = &c->values[v];
	order o;
	if (!p->candidates)
		return fail(c->d, CLAST_ERROR_MEMORY, "out of memory");
	for (uint32_t i = 0; i < p->candidates; i++)
		for (uint32_t j = 0; j < p->candidates; j++)
			table[i * p->candidates + j] =
				conversion_cost(c, v)
				<< !form_transposes(c, v, p->candidate[i], p->candidate[j]);
	clast_status s = problem_add_class(&c->problem, p->candidates, table, false, &p->class, c->d);
	if (!s &&
	    !grow(&c->m->memory, &c->class_value, &c->class_capacity, p->class + 1, sizeof *c->class_value))
		return fail_memory(c->d, 0);
	if (!s)
		c->class_value[p->class] = v;
	for (convert_layout l = CONVERT_FIRST; !s && l <= CONVERT_LAST; l++) {
		const uint32_t at = role_order(c, v, l, &o) ? find_candidate(p, &o) : PROBLEM_NONE;
		if (at != PROBLEM_NONE || l == CONVERT_FIRST)
			s = problem_set_tag(&c->problem, p->class, tags[l], at == PROBLEM_NONE ? 0 : at,
					    c->d);
	}
	return s;
}

typedef struct group_builder {
	problem_port *port;
	value_id *value;
	uint16_t *order;
	uint64_t *cost;
	uint32_t ports, configs, most;
} group_builder;

static bool group_begin(converter *c, group_builder *b, uint32_t ports, uint32_t most)
{
	*b = (group_builder){ .port = bump_array(&c->scratch, ports + 1, sizeof *b->port),
			      .value = bump_array(&c->scratch, ports + 1, sizeof *b->value),
			      .order = bump_array(&c->scratch, (size_t)(ports + 1) * most, sizeof *b->order),
			      .cost = bump_array(&c->scratch, most, sizeof *b->cost),
			      .most = most };
	return b->port && b->value && b->order && b->cost;
}

static void group_port(converter *c, group_builder *b, value_id v, bool produced)
{
	b->value[b->ports] = v;
	b->port[b->ports++] = (problem_port){ .class = c->values[v].class, .produced = produced };
}

/* What the layout asks for costs nothing, anything else next to nothing. */
static void group_config(converter *c, group_builder *b)
{
	uint64_t cost = 0;
	for (uint32_t i = 0; i < b->ports; i++) {
		const uint32_t wanted = c->problem.class[b->port[i].class]
						.tag[c->o->layout == CONVERT_LAST ? TAG_LAST : TAG_FIRST];
		cost |= b->order[b->configs * b->ports + i] != (wanted == PROBLEM_NONE ? 0 : wanted);
	}
	b->cost[b->configs++] = cost;
}

static clast_status group_end(converter *c, group_builder *b, uint32_t *group)
{
	uint32_t own;
	if (!b->ports || !b->configs)
		return b->ports ? fail(c->d, CLAST_ERROR_INTERNAL, "an operator without orders") : CLAST_OK;
	return problem_add_group(&c->problem, b->ports, b->port, b->configs, b->cost, b->order, PROBLEM_NONE,
				 group ? group : &own, c->d);
}

static clast_status fixed(converter *c, value_id v, bool produced, const order *o)
{
	group_builder b;
	if (!has_class(c, v))
		return CLAST_OK;
	if (!group_begin(c, &b, 1, 1))
		return fail_memory(c->d, 0);
	group_port(c, &b, v, produced);
	b.order[0] = (uint16_t)find_candidate(&c->values[v], o);
	group_config(c, &b);
	return group_end(c, &b, NULL);
}

static clast_status fixed_ports(converter *c, const node_plan *p)
{
	static const order first = { 0 };
	const node *n = &c->m->nodes[p->node];
	clast_status s = CLAST_OK;
	for (uint32_t k = 0; !s && k < n->n_in + n->n_out; k++) {
		if ((p->how == HOW_FRAME && p->f.operand[k].tied) || (p->how == HOW_SHAPE && !k))
			continue;
		if ((p->how == HOW_DENSE || p->how == HOW_VIEW) && (!k || k == n->n_in))
			continue;
		s = fixed(c, n->in[k], k >= n->n_in, &first);
	}
	for (uint32_t b = 0; !s && b < n->n_bodies; b++) {
		const graph *body = &c->m->graphs[n->bodies[b]];
		for (size_t i = 0; !s && i < body->capture_count; i++)
			if (has_class(c, body->captures[i]) &&
			    c->values[body->captures[i]].class != PROBLEM_NONE)
				s = fixed(c, body->captures[i], false, &first);
	}
	return s;
}

static bool frame_config(converter *c, const node *n, const frame *f, group_builder *b, const order *o,
			 bool alike)
{
	int perm[CLAST_MAX_RANK];
	const bool whole = whole_axes(c, o, &f->dims, perm);
	if (whole ? !frame_allows(c->m, n, f, perm) : !alike)
		return false;
	for (uint32_t i = 0, k = 0; k < n->n_in + n->n_out; k++) {
		order own = *o;
		if (!f->operand[k].tied || !has_class(c, n->in[k]))
			continue;
		if (whole && o->n && !operand_order(c, n, f, k, perm, &own))
			return false;
		const uint32_t at = find_candidate(&c->values[n->in[k]], &own);
		if (at == PROBLEM_NONE)
			return false;
		b->order[b->configs * b->ports + i++] = (uint16_t)at;
	}
	return true;
}

static clast_status frame_group(converter *c, node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	const value_plan *whole = &c->values[p->f.whole];
	const bool alike = all_of_shape(c, n, &p->f);
	group_builder b;
	if (!group_begin(c, &b, n->n_in + n->n_out, MOST_CANDIDATES))
		return fail_memory(c->d, 0);
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++)
		if (p->f.operand[k].tied && has_class(c, n->in[k]))
			group_port(c, &b, n->in[k], k >= n->n_in);
	for (uint32_t i = 0; i < whole->candidates; i++)
		if (frame_config(c, n, &p->f, &b, whole->candidate[i], alike))
			group_config(c, &b);
	return group_end(c, &b, &p->group);
}

static bool view_config(converter *c, const node *n, const order *in, const order *out)
{
	shape a, b, x, y;
	value_shape(c->m, n->in[0], &a);
	value_shape(c->m, n->out[0], &b);
	return natural_dims(c, in, &a, &x) && natural_dims(c, out, &b, &y) &&
	       ((!in->n && !out->n) || form_reshapes(&x, &y));
}

static clast_status view_group(converter *c, node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	const value_plan *x = &c->values[n->in[0]], *y = &c->values[n->out[0]];
	group_builder b;
	order to;
	if (!group_begin(c, &b, 2, MOST_CANDIDATES + 1))
		return fail_memory(c->d, 0);
	group_port(c, &b, n->in[0], false);
	group_port(c, &b, n->out[0], true);
	bool plain = false;
	for (uint32_t i = 0; i < x->candidates; i++) {
		const uint32_t at =
			view_forward(c, n, x->candidate[i], &to) ? find_candidate(y, &to) : PROBLEM_NONE;
		if (at == PROBLEM_NONE || !view_config(c, n, x->candidate[i], y->candidate[at]))
			continue;
		b.order[b.configs * 2] = (uint16_t)i;
		b.order[b.configs * 2 + 1] = (uint16_t)at;
		plain = plain || (!i && !at);
		group_config(c, &b);
	}
	if (!plain) { /* the node as it is */
		b.order[b.configs * 2] = b.order[b.configs * 2 + 1] = 0;
		group_config(c, &b);
		b.cost[b.configs - 1] = n->op->rule == RULE_PERMUTE ? conversion_cost(c, n->in[0]) : 1;
	}
	return group_end(c, &b, &p->group);
}

static clast_status dense_group(converter *c, node_plan *p)
{
	const node *n = &c->m->nodes[p->node];
	const value_plan *x = &c->values[n->in[0]], *y = &c->values[n->out[0]];
	shape a, z;
	order rows;
	group_builder b;
	if (!group_begin(c, &b, 2, MOST_CANDIDATES * MOST_CANDIDATES))
		return fail_memory(c->d, 0);
	value_shape(c->m, n->in[0], &a);
	value_shape(c->m, n->out[0], &z);
	group_port(c, &b, n->in[0], false);
	group_port(c, &b, n->out[0], true);
	for (uint32_t i = 0; i < x->candidates; i++)
		for (uint32_t j = 0; j < y->candidates; j++) {
			const bool along = only_along(c, x->candidate[i], &a, p->dense.data_axis) &&
					   only_along(c, y->candidate[j], &z, p->dense.result_axis);
			if (!along && !(row_order(c, n, &p->dense, x->candidate[i], true, &rows) &&
					order_equal(&rows, y->candidate[j])))
				continue;
			b.order[b.configs * 2] = (uint16_t)i;
			b.order[b.configs * 2 + 1] = (uint16_t)j;
			group_config(c, &b);
		}
	return group_end(c, &b, &p->group);
}

static clast_status node_groups(converter *c, node_plan *p)
{
	const clast_status s = fixed_ports(c, p);
	if (s || p->how == HOW_FIXED || p->how == HOW_SHAPE)
		return s;
	return p->how == HOW_VIEW    ? view_group(c, p)
	       : p->how == HOW_FRAME ? frame_group(c, p)
				     : dense_group(c, p);
}

static clast_status build(converter *c)
{
	static const order first = { 0 };
	const graph *g = &c->m->graphs[c->g];
	shape dims;
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < g->input_count; i++)
		s = add_class(c, g->inputs[i]);
	for (size_t i = 0; !s && i < g->capture_count; i++)
		s = add_class(c, g->captures[i]);
	for (size_t i = 0; !s && i < c->node_count; i++) {
		const node *n = &c->m->nodes[c->nodes[i].node];
		for (uint32_t j = 0; !s && j < n->n_out; j++)
			s = add_class(c, n->out[j]);
	}
	for (size_t i = 0; !s && i < g->input_count; i++)
		s = fixed(c, g->inputs[i], true, convert_contract(c, g->inputs[i], false, &dims));
	for (size_t i = 0; !s && i < g->capture_count; i++)
		s = fixed(c, g->captures[i], true, &first);
	for (size_t i = 0; !s && i < c->node_count; i++)
		s = node_groups(c, &c->nodes[i]);
	for (size_t i = 0; !s && i < g->output_count; i++)
		s = fixed(c, g->outputs[i], false, convert_contract(c, g->outputs[i], true, &dims));
	return s ? s : problem_finish(&c->problem, c->d);
}

/* ---- The answer ---- */

/* A Transpose may leave row-major as it is, where it moves axes of extent 1 only. */
static bool is_renaming(const converter *c, const node *n, const node_plan *p)
{
	order to;
	if (p->in->n || p->out->n)
		return true;
	return n->op->rule == RULE_PERMUTE && view_forward(c, n, p->in, &to) && !to.n;
}

static void take(converter *c, const assignment *a)
{
	c->transposes = a->conversions;
	for (size_t i = 0; i < c->problem.classes; i++) {
		value_plan *p = &c->values[c->class_value[i]];
		p->produced = p->candidate[a->produced[i] == PROBLEM_ANY ? 0 : a->produced[i]];
	}
	for (size_t i = 0; i < c->node_count; i++) {
		node_plan *p = &c->nodes[i];
		const node *n = &c->m->nodes[p->node];
		c->transposes_before += n->op->rule == RULE_PERMUTE;
		if (p->group == PROBLEM_NONE) {
			c->transposes += n->op->rule == RULE_PERMUTE;
			continue;
		}
		const problem_group *g = &c->problem.group[p->group];
		const uint32_t config = a->config[p->group];
		uint32_t at = g->first_port;
		if (p->how == HOW_FRAME) { /* the port of the whole value */
			while (c->class_value[c->problem.port[at].class] != p->f.whole)
				at++;
			p->in = c->values[p->f.whole].candidate[problem_order(&c->problem, at, config)];
			continue;
		}
		p->in = c->values[n->in[0]].candidate[problem_order(&c->problem, at, config)];
		p->out = c->values[n->out[0]].candidate[problem_order(&c->problem, at + 1, config)];
		p->renamed = p->how == HOW_VIEW && is_renaming(c, n, p);
		c->transposes += n->op->rule == RULE_PERMUTE && !p->renamed;
	}
}

static clast_status solve_by(converter *c, const strategy *how, const strategy_options *options)
{
	assignment a;
	clast_status s = assignment_init(&a, &c->problem, &c->m->memory, c->d);
	if (s)
		return s;
	s = how->choose(&c->problem, options, &a, c->d);
	if (!s) {
		take(c, &a);
		c->r->cost += assignment_cost(&a);
		c->r->optimal = false;
	}
	assignment_release(&a);
	return s;
}

static clast_status solve_min(converter *c)
{
	solution x;
	const clast_status s = solve(&c->problem, NULL, &c->m->memory, &x, c->d);
	if (s)
		return s;
	take(c, &x.best);
	c->r->cost += assignment_cost(&x.best);
	c->r->bound += x.bound;
	c->r->optimal = c->r->optimal && x.optimal;
	solution_release(&x);
	return CLAST_OK;
}

clast_status convert_choose(converter *c)
{
	strategy_options options = { 0 };
	const strategy *how = strategy_find(c->o->strategy ? c->o->strategy : "min", &options);
	const bool random = how && how->choose == strategy_random;
	if (!how)
		return fail(c->d, CLAST_ERROR_ARGUMENT, "there is no strategy \"%s\"",
			    quote(c->o->strategy).text);
	c->seed = random ? options.seed + 1 : 0;
	find_kinds(c);
	find_roles(c);
	find_candidates(c);
	if (c->failed)
		return fail_memory(c->d, 0);
	set_cost(c);
	const clast_status s = build(c);
	return s ? s : how->choose == strategy_min ? solve_min(c) : solve_by(c, how, &options);
}
