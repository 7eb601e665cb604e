#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "strategy.h"

/* ---- Orders ---- */

typedef struct order_query {
	const clast_plan *p;
	const order *o;
} order_query;

static bool same_order(const void *context, uint32_t index)
{
	const order_query *q = context;
	return order_equal(&q->p->orders[index], q->o);
}

uint32_t plan_order(clast_plan *p, const order *o)
{
	if (!o->n)
		return 0;
	const order_query q = { p, o };
	const uint64_t hash = hash_bytes(o->factors, (size_t)o->n * sizeof o->factors[0]);
	const uint32_t found = index_set_find(&p->order_set, hash, same_order, &q);
	if (found != INDEX_NONE)
		return found;
	const uint32_t index = (uint32_t)p->order_count;
	if (!grow(&p->memory, &p->orders, &p->order_capacity, p->order_count + 1, sizeof *p->orders) ||
	    !index_set_add(&p->order_set, hash, index))
		return UINT32_MAX;
	p->orders[p->order_count++] = *o;
	return index;
}

/* ---- Building a block ---- */

/* A value of a graph around the one at hand, as some step of it reads it. */
typedef struct capture {
	value_id value;
	uint32_t order, conversion; /* of the choice, or NO_ID */
	uint32_t plan_value;
	struct capture *next;       /* of the block */
} capture;

typedef struct builder {
	clast_plan *p;
	clast_model *m;
	graph_id g;
	plan_block *block;
	capture **captures, **last_capture; /* by graph, the last of the graph at hand */
	order_choice choice;
	node_view *views;       /* by node */
	grouping groups;
	uint32_t *fact_of;      /* by graph value: fact of the block at hand, or NO_ID */
	uint32_t *variant;      /* by graph value: its first plan value; next_variant chains the others */
	uint32_t *plan_node;    /* by node */
	node_id anchor;         /* of the step being made */
	uint32_t *converted;    /* by conversion of the choice: its plan value, or NO_ID */
	size_t converted_count;
	uint32_t *next_variant; /* by plan value */
	size_t next_capacity;
	clast_diag *d;
} builder;

static clast_status append_id(builder *b, uint32_t **list, size_t *count, size_t *capacity, uint32_t id)
{
	if (!grow(&b->p->memory, list, capacity, *count + 1, sizeof **list))
		return fail_memory(b->d, 0);
	(*list)[(*count)++] = id;
	return CLAST_OK;
}

static clast_status add_ref(builder *b, uint32_t id, port need)
{
	clast_plan *p = b->p;
	if (!grow(&p->memory, &p->ports, &p->port_capacity, p->ref_count + 1, sizeof *p->ports))
		return fail_memory(b->d, 0);
	p->ports[p->ref_count] = need;
	if (id != NO_ID && need.need != PORT_ABSENT)
		p->values[id].read = true;
	return append_id(b, &p->refs, &p->ref_count, &p->ref_capacity, id);
}

static const port any_view = { PORT_VIEW, false };

static clast_status fact(builder *b, value_id v, uint32_t *out)
{
	clast_plan *p = b->p;
	if (v != NO_ID && b->fact_of[v] == NO_ID) {
		b->fact_of[v] = b->block->fact_count++;
		const clast_status s = append_id(b, &p->facts, &p->fact_count, &p->fact_capacity, v);
		if (s)
			return s;
	}
	*out = v == NO_ID ? NO_ID : b->fact_of[v];
	return CLAST_OK;
}

/* A new plan value of a graph value in an order. */
static clast_status new_variant(builder *b, value_id v, uint32_t o, uint32_t *out)
{
	clast_plan *p = b->p;
	uint32_t f;
	clast_status s = fact(b, v, &f);
	if (s)
		return s;
	if (!grow(&p->memory, &p->values, &p->value_capacity, p->value_count + 1, sizeof *p->values) ||
	    !grow(&p->memory, &b->next_variant, &b->next_capacity, p->value_count + 1, sizeof *b->next_variant))
		return fail_memory(b->d, 0);
	const uint32_t id = (uint32_t)p->value_count++;
	plan_value *x = &p->values[id];
	memset(x, 0, sizeof *x);
	x->fact = f;
	x->order = o;
	x->constant = b->m->values[v].constant != NULL;
	shape sh;
	int perm[CLAST_MAX_RANK] = { 0 };
	value_shape(b->m, v, &sh);
	for (int a = 0; a < CLAST_MAX_RANK; a++)
		perm[a] = a;
	x->whole = !o || order_axes(b->m->dims, &p->orders[o], &sh, perm);
	for (int a = 0; a < CLAST_MAX_RANK; a++)
		x->perm[a] = (uint8_t)perm[a];
	b->next_variant[id] = b->variant[v];
	b->variant[v] = id;
	b->block->value_count++;
	*out = id;
	return CLAST_OK;
}

/* The first of them in an order; *fresh tells that it is new and still to be made. */
static clast_status variant(builder *b, value_id v, uint32_t o, uint32_t *out, bool *fresh)
{
	uint32_t found = NO_ID;
	for (uint32_t x = b->variant[v]; x != NO_ID; x = b->next_variant[x])
		if (b->p->values[x].order == o)
			found = x;
	*out = found;
	*fresh = found == NO_ID;
	return *fresh ? new_variant(b, v, o, out) : CLAST_OK;
}

static clast_status add_step(builder *b, plan_step step)
{
	clast_plan *p = b->p;
	if (!grow(&p->memory, &p->steps, &p->step_capacity, p->step_count + 1, sizeof *p->steps))
		return fail_memory(b->d, 0);
	p->steps[p->step_count++] = step;
	b->block->step_count++;
	return CLAST_OK;
}

/* The graph at hand gets the value from the one around it, which brings it into that order if need be. */
static clast_status add_capture(builder *b, value_id v, uint32_t o, uint32_t c, uint32_t made)
{
	capture *x = bump_array(&b->p->region, 1, sizeof *x);
	if (!x)
		return fail_memory(b->d, sizeof *x);
	*x = (capture){ v, o, c, made, NULL };
	*b->last_capture = x;
	b->last_capture = &x->next;
	b->block->capture_count++;
	return CLAST_OK;
}

static bool is_outside(const builder *b, value_id v)
{
	const node_id made = b->m->values[v].producer;
	return (made == NO_ID ? b->m->values[v].graph : b->m->nodes[made].graph) != b->g;
}

/* The plan value of v in order o, converting from the order it was produced in if need be. */
static clast_status operand(builder *b, value_id v, uint32_t o, uint32_t *out)
{
	clast_plan *p = b->p;
	bool fresh;
	const uint32_t made = b->choice.produced[v];
	/* Constants are read in any order by strides; they are never converted. */
	if (b->m->values[v].constant)
		o = 0;
	clast_status s = variant(b, v, o, out, &fresh);
	if (s || !fresh || b->m->values[v].constant)
		return s;
	if (is_outside(b, v))
		return add_capture(b, v, o, NO_ID, *out);
	if (o == made)
		return CLAST_OK;
	uint32_t from;
	const uint32_t to = *out;
	s = variant(b, v, made, &from, &fresh);
	plan_step step = { .kind = STEP_CONVERT, .node = NO_ID, .n_in = 1, .n_out = 1, .refs = (uint32_t)p->ref_count,
		           .fused = NO_ID };
	if (!s)
		s = add_ref(b, from, any_view);
	if (!s)
		s = add_ref(b, to, any_view);
	return s ? s : add_step(b, step);
}

/* The plan value that a conversion of the choice makes, with those it is made from. */
static clast_status conversion(builder *b, uint32_t c, uint32_t *out)
{
	clast_plan *p = b->p;
	const order_conversion x = b->choice.conversions[c];
	uint32_t from;
	bool fresh;
	if (b->converted[c] != NO_ID && b->converted[c] >= b->block->first_value) { /* of this block */
		*out = b->converted[c];
		return CLAST_OK;
	}
	if (is_outside(b, x.value)) {
		const clast_status made = new_variant(b, x.value, x.order, out);
		b->converted[c] = *out;
		return made ? made : add_capture(b, x.value, x.order, c, *out);
	}
	clast_status s = x.from == NO_ID ? variant(b, x.value, b->choice.produced[x.value], &from, &fresh) : conversion(b, x.from, &from);
	if (!s)
		s = new_variant(b, x.value, x.order, out);
	b->converted[c] = *out;
	plan_step step = { .kind = STEP_CONVERT, .node = NO_ID, .n_in = 1, .n_out = 1, .refs = (uint32_t)p->ref_count, .fused = NO_ID };
	if (!s)
		s = add_ref(b, from, any_view);
	if (!s)
		s = add_ref(b, *out, any_view);
	return s ? s : add_step(b, step);
}

static bool is_pure_view(const node *n)
{
	for (uint32_t j = 1; j < n->n_out; j++)
		if (n->out[j] != NO_ID)
			return false;
	return (n->op->rule == RULE_PERMUTE || n->op->rule == RULE_REGROUP) && n->op->views != NULL;
}

/* What goes into bodies has to lie as they expect it, constants too. */
static clast_status body_operand(builder *b, const node *n, uint32_t i, uint32_t *out)
{
	const value_id v = n->in[i];
	const uint32_t o = plan_end_order(b->p, n, END_IN, 0, i, b->choice.produced);
	bool fresh;
	return b->m->values[v].constant ? variant(b, v, o, out, &fresh) : operand(b, v, o, out);
}

/* Orders in which the anchor's operands are read: those its ports ask for. */
static clast_status anchor_operands(builder *b, const node *n, const node_view *view, uint32_t *in)
{
	clast_plan *p = b->p;
	const uint32_t same = n->n_out && n->out[0] != NO_ID ? b->choice.produced[n->out[0]] : 0;
	clast_status s = CLAST_OK;
	for (uint32_t i = 0; !s && i < n->n_in; i++) {
		in[i] = NO_ID;
		const value_id v = n->in[i];
		if (v == NO_ID)
			continue;
		const uint32_t *reads = b->choice.reads[b->anchor];
		if (reads && reads[i] != NO_ID) {
			s = conversion(b, reads[i], &in[i]);
			continue;
		}
		if (n->n_bodies) {
			s = body_operand(b, n, i, &in[i]);
			continue;
		}
		shape sh;
		value_shape(b->m, v, &sh);
		const uint32_t o = plan_port_order(p, &sh, view->ports[i], b->choice.produced[v], same);
		if (o == UINT32_MAX)
			return fail_memory(b->d, 0);
		s = operand(b, v, o, &in[i]);
	}
	return s;
}

/* Operands of a program: full-shape ones in the order of the group; broadcast ones as they lie if their axes are whole, unless the order
 * of the group splits axes: then in the same factors. */
static clast_status fused_operand(builder *b, value_id v, value_id like, uint32_t *out)
{
	clast_plan *p = b->p;
	shape x, y;
	value_shape(b->m, v, &x);
	value_shape(b->m, like, &y);
	const bool full = x.rank == y.rank && !memcmp(x.dims, y.dims, (size_t)x.rank * sizeof(dim));
	const port need = { full ? PORT_SAME : PORT_WHOLE, false };
	const uint32_t made = b->choice.produced[like];
	uint32_t o = plan_port_order(p, &x, need, b->choice.produced[v], made);
	int perm[CLAST_MAX_RANK];
	order part;
	if (!full && made && !order_axes(b->m->dims, &p->orders[made], &y, perm) &&
	    order_restricted(b->m->dims, &p->orders[made], &y, &x, &part))
		o = plan_order(p, &part);
	return o == UINT32_MAX ? fail_memory(b->d, 0) : operand(b, v, o, out);
}

/* A pure view needs an input order that passes through it; if the produced one does not, row-major does. */
static uint32_t view_input_order(builder *b, const node *n)
{
	const uint32_t from = b->choice.produced[n->in[0]];
	uint32_t to;
	return plan_view_order(b->p, n, from, &to) && to == b->choice.produced[n->out[0]] ? from : 0;
}

/* Whether a view has to copy: what it reads does not become what it leaves by new names of axes alone. */
static void check_view(builder *b, const node *n, uint32_t in, uint32_t out, plan_step *step)
{
	clast_plan *p = b->p;
	uint32_t to;
	if (b->m->values[n->in[0]].rank < 0 || b->m->values[n->out[0]].rank < 0 || p->values[in].constant)
		return;
	if (plan_view_order(p, n, p->values[in].order, &to))
		step->unmoved = to;
	step->barred = step->unmoved != p->values[out].order;
}

static clast_status add_step_node(builder *b, plan_step *step, node_id id)
{
	clast_plan *p = b->p;
	if (!step->node_count++)
		step->nodes = (uint32_t)p->step_node_count;
	return append_id(b, &p->step_nodes, &p->step_node_count, &p->step_node_capacity, b->plan_node[id]);
}

/* Plan values of a step while it is put together. */
typedef struct operands {
	uint32_t *in, *out, fused[FUSED_MAX_OPERANDS];
} operands;

static clast_status step_inputs(builder *b, const node *n, const node_view *view, node_id tail, const plan_step *step,
                                operands *x)
{
	clast_status s = CLAST_OK;
	b->anchor = step->node;
	if (step->kind != STEP_ELTWISE)
		s = anchor_operands(b, n, view, x->in);
	const uint32_t *reads = b->choice.reads[step->node];
	if (!s && step->kind == STEP_VIEW && !(reads && reads[0] != NO_ID))
		s = operand(b, n->in[0], view_input_order(b, n), &x->in[0]);
	for (uint32_t i = 0; !s && i < step->n_fused; i++)
		s = fused_operand(b, b->groups.operands[step->node][i], b->m->nodes[tail].out[0], &x->fused[i]);
	return s;
}

/* Outputs: the tail's first, then whatever else the anchor has. Where an output of a node that is needed for another one is constant, the
 * node writes into a value that nobody reads: the constant belongs to the model. */
static clast_status step_outputs(builder *b, const node *n, node_id tail, const plan_step *step, operands *x)
{
	clast_status s = CLAST_OK;
	bool fresh;
	for (uint32_t j = 0; !s && j < step->n_out; j++) {
		const value_id v = j ? n->out[j] : b->m->nodes[tail].out[0];
		x->out[j] = NO_ID;
		if (v == NO_ID)
			continue;
		if (!b->m->values[v].constant) {
			s = variant(b, v, b->choice.produced[v], &x->out[j], &fresh);
			continue;
		}
		const uint32_t read = b->variant[v];
		s = new_variant(b, v, 0, &x->out[j]);
		if (!s)
			b->p->values[x->out[j]].constant = false;
		b->variant[v] = read;
	}
	return s;
}

static clast_status step_refs(builder *b, const node_view *view, plan_step *step, const operands *x)
{
	const bool anchored = step->kind == STEP_NODE;
	const port same = { PORT_SAME, false };
	clast_status s = CLAST_OK;
	step->refs = (uint32_t)b->p->ref_count;
	for (uint32_t i = 0; !s && i < step->n_in; i++)
		s = add_ref(b, x->in[i], anchored ? view->ports[i] : any_view);
	for (uint32_t j = 0; !s && j < step->n_out; j++)
		s = add_ref(b, x->out[j], anchored ? view->ports[step->n_in + j] : any_view);
	for (uint32_t i = 0; !s && i < step->n_fused; i++)
		s = add_ref(b, x->fused[i], same);
	return s;
}

/* What the bodies read of this block, in the order in which they list it. */
static clast_status step_captures(builder *b, const node *n, plan_step *step)
{
	clast_status s = CLAST_OK;
	size_t total = 0, k = 0;
	for (uint32_t j = 0; j < n->n_bodies; j++)
		total += b->p->blocks[n->bodies[j]].capture_count;
	uint32_t *ids = mem_array(&b->p->memory, total + 1, sizeof *ids);
	if (!ids)
		return fail_memory(b->d, 0);
	for (uint32_t j = 0; j < n->n_bodies; j++)
		for (const capture *x = b->captures[n->bodies[j]]; !s && x; x = x->next, k++)
			s = x->conversion == NO_ID ? operand(b, x->value, x->order, &ids[k]) : conversion(b, x->conversion, &ids[k]);
	step->captures = (uint32_t)b->p->ref_count;
	step->capture_count = (uint32_t)total;
	for (size_t i = 0; !s && i < total; i++)
		s = add_ref(b, ids[i], any_view);
	mem_free(&b->p->memory, ids, (total + 1) * sizeof *ids);
	return s;
}

/* One step for the node, or for its group, which ends with tail. */
static clast_status emit(builder *b, node_id id, node_id tail, const node_view *view)
{
	clast_plan *p = b->p;
	const node *n = &b->m->nodes[id];
	const bool grouped = b->groups.first[id] != NO_ID;
	plan_step step = { .kind = STEP_NODE, .node = id, .family = view->family, .n_in = (uint16_t)n->n_in,
		           .n_out = (uint16_t)n->n_out, .fused = NO_ID, .unmoved = NO_ID };
	operands x;
	clast_status s = CLAST_OK;
	if (n->n_in >= UINT16_MAX || n->n_out >= UINT16_MAX)
		return node_fail(b->m, id, fail(b->d, CLAST_ERROR_LIMIT, "more than %d operands", UINT16_MAX - 1), b->d);
	if (is_pure_view(n)) {
		step.kind = STEP_VIEW;
		step.n_out = 1;
	} else if (grouped && b->groups.elementwise[id]) {
		step.kind = STEP_ELTWISE;
		step.n_in = 0;
		step.n_out = 1;
	} else if (view->family != FAMILY_REFERENCE && !family_at(view->family)->lower) {
		step.family = FAMILY_REFERENCE; /* an elementwise node that no program holds */
	}
	if (grouped) {
		step.fused = b->groups.fused[id];
		step.n_fused = (uint16_t)p->fused[step.fused].operand_count;
	}
	for (uint32_t i = 0; !s && grouped && i < b->groups.member_count[id]; i++)
		s = add_step_node(b, &step, b->groups.members[id][i]);
	if (!grouped)
		s = add_step_node(b, &step, id);
	const size_t count = (size_t)step.n_in + step.n_out;
	x.in = mem_array(&p->memory, count, sizeof *x.in);
	x.out = x.in ? x.in + step.n_in : NULL;
	if (!s && !x.in)
		s = fail_memory(b->d, 0);
	if (!s)
		s = step_inputs(b, n, view, tail, &step, &x);
	if (!s && n->n_bodies)
		s = step_captures(b, n, &step);
	if (!s)
		s = step_outputs(b, n, tail, &step, &x);
	if (!s && step.kind == STEP_VIEW)
		check_view(b, n, x.in[0], x.out[0], &step);
	if (!s)
		s = step_refs(b, view, &step, &x);
	mem_free(&p->memory, x.in, count * sizeof *x.in);
	return s ? s : add_step(b, step);
}

static clast_status list_nodes(builder *b)
{
	clast_plan *p = b->p;
	const graph *g = &b->m->graphs[b->g];
	clast_status s = CLAST_OK;
	b->block->first_node = (uint32_t)p->node_count;
	for (size_t i = 0; !s && i < g->node_count; i++) {
		const node *n = &b->m->nodes[g->nodes[i]];
		if (!grow(&p->memory, &p->nodes, &p->node_capacity, p->node_count + 1, sizeof *p->nodes))
			return fail_memory(b->d, 0);
		b->plan_node[g->nodes[i]] = (uint32_t)p->node_count;
		p->nodes[p->node_count++] = (plan_node){ g->nodes[i], (uint32_t)p->fact_ref_count };
		for (uint32_t j = 0; !s && j < n->n_in + n->n_out; j++) {
			uint32_t f;
			s = fact(b, n->in[j], &f); /* in and out are one array */
			if (!s)
				s = append_id(b, &p->fact_refs, &p->fact_ref_count, &p->fact_ref_capacity, f);
		}
	}
	b->block->node_count = (uint32_t)(p->node_count - b->block->first_node);
	return s;
}

/* The nodes' needs, made once: family and ports. */
static clast_status view_nodes(builder *b, graph_id id)
{
	clast_plan *p = b->p;
	const graph *g = &b->m->graphs[id];
	for (size_t i = 0; !g->refusal && i < g->node_count; i++) {
		const node *n = &b->m->nodes[g->nodes[i]];
		node_view *v = &b->views[g->nodes[i]];
		const size_t count = (size_t)n->n_in + n->n_out;
		infer_value *facts = mem_array(&p->memory, count + 1, sizeof *facts);
		v->ports = bump_array(&p->region, count + 1, sizeof *v->ports);
		if (!facts || !v->ports) {
			mem_free(&p->memory, facts, (count + 1) * sizeof *facts);
			return fail_memory(b->d, 0);
		}
		for (size_t j = 0; j < count; j++)
			value_infer(b->m, n->in[j], &facts[j]);
		const lower_node x = { b->m, n, facts, facts + n->n_in };
		v->family = FAMILY_REFERENCE;
		if (p->precision != CLAST_PRECISION_REFERENCE && !is_pure_view(n))
			v->family = family_find(&x, v->ports);
		if (v->family == FAMILY_REFERENCE)
			for (size_t j = 0; j < count; j++)
				v->ports[j] = (port){ PORT_VIEW, false };
		mem_free(&p->memory, facts, (count + 1) * sizeof *facts);
		for (uint32_t j = 0; j < n->n_bodies; j++) {
			const clast_status s = view_nodes(b, n->bodies[j]);
			if (s)
				return s;
		}
	}
	return CLAST_OK;
}

static clast_status list_variants(builder *b, size_t n, const value_id *values, const uint32_t *orders, uint32_t *offset,
                                  uint32_t *count)
{
	clast_plan *p = b->p;
	uint32_t *ids = mem_array(&p->memory, n + 1, sizeof *ids);
	bool fresh;
	clast_status s = ids ? CLAST_OK : fail_memory(b->d, 0);
	for (size_t i = 0; !s && i < n; i++) /* bodies leave constants as those around them expect them */
		s = b->g && b->m->values[values[i]].constant ? variant(b, values[i], orders[i], &ids[i], &fresh) :
		                                               operand(b, values[i], orders ? orders[i] : b->choice.produced[values[i]], &ids[i]);
	*offset = (uint32_t)p->ref_count;
	*count = (uint32_t)n;
	for (size_t i = 0; !s && i < n; i++)
		s = add_ref(b, ids[i], any_view);
	mem_free(&p->memory, ids, (n + 1) * sizeof *ids);
	return s;
}

/* The contract at the border: row-major or channels-last for images. */
static uint32_t border_order(builder *b, value_id v, const char *layout)
{
	shape s;
	order o;
	value_shape(b->m, v, &s);
	if (strcmp(layout, "last") || s.rank < 3 || !order_last(b->m->dims, &s, &o))
		return 0;
	return plan_order(b->p, &o);
}

/* Orders of the whole model by the strategy; plan values of its conversions come as they are needed. */
static clast_status choose(builder *b)
{
	clast_plan *p = b->p;
	const graph *g = &b->m->graphs[0];
	const bool plain = p->seed || p->precision == CLAST_PRECISION_REFERENCE;
	uint32_t *orders = mem_array(&p->memory, g->output_count + 1, sizeof *orders);
	if (!orders)
		return fail_memory(b->d, 0);
	for (size_t i = 0; i < g->input_count; i++)
		b->choice.produced[g->inputs[i]] = border_order(b, g->inputs[i], p->input_layout);
	for (size_t i = 0; i < g->output_count; i++)
		orders[i] = border_order(b, g->outputs[i], p->output_layout);
	const clast_status s = plain ? choose_orders(p, b->views, &b->choice, b->d) : layout_choose(p, b->views, orders, &b->choice, b->d);
	mem_free(&p->memory, orders, (g->output_count + 1) * sizeof *orders);
	const size_t n = b->choice.conversion_count;
	if (s || !grow(&p->memory, &b->converted, &b->converted_count, n + 1, sizeof *b->converted))
		return s ? s : fail_memory(b->d, 0);
	memset(b->converted, 0xff, b->converted_count * sizeof *b->converted);
	return CLAST_OK;
}

/* owner: the node that has the graph as its body number `body`; NULL for the main graph. */
static clast_status leave_block(builder *b, const node *owner, uint32_t body)
{
	clast_plan *p = b->p;
	const graph *g = &b->m->graphs[b->g];
	uint32_t *orders = mem_array(&p->memory, g->output_count + 1, sizeof *orders);
	if (!orders)
		return fail_memory(b->d, 0);
	for (uint32_t i = 0; i < g->output_count; i++)
		orders[i] = owner ? plan_end_order(p, owner, END_BODY_OUT, body, i, b->choice.produced) :
		                    border_order(b, g->outputs[i], p->output_layout);
	const clast_status s = list_variants(b, g->output_count, g->outputs, orders, &b->block->outputs, &b->block->output_count);
	mem_free(&p->memory, orders, (g->output_count + 1) * sizeof *orders);
	return s;
}

static clast_status list_captures(builder *b)
{
	clast_status s = CLAST_OK;
	b->block->captures = (uint32_t)b->p->ref_count;
	for (const capture *x = b->captures[b->g]; !s && x; x = x->next)
		s = add_ref(b, x->plan_value, any_view);
	return s;
}

static clast_status build_block(builder *b, graph_id id, const node *owner, uint32_t body)
{
	clast_plan *p = b->p;
	const graph *g = &b->m->graphs[id];
	plan_block *k = &p->blocks[id];
	b->g = id;
	b->block = k;
	b->last_capture = &b->captures[id];
	k->graph = id;
	k->first_value = (uint32_t)p->value_count;
	k->first_step = (uint32_t)p->step_count;
	k->first_fact = (uint32_t)p->fact_count;
	memset(b->fact_of, 0xff, b->m->value_count * sizeof *b->fact_of);
	memset(b->variant, 0xff, b->m->value_count * sizeof *b->variant);
	clast_status s = list_variants(b, g->input_count, g->inputs, NULL, &k->inputs, &k->input_count);
	if (!s)
		s = list_nodes(b);
	if (!s)
		s = group_nodes(p, id, b->views, &b->choice, &b->groups, b->d);
	for (size_t i = 0; !s && i < g->node_count; i++) {
		const node_id n = g->nodes[i], anchor = b->groups.first[n];
		if (anchor == NO_ID)
			s = emit(b, n, n, &b->views[n]);
		else if (b->groups.tail[anchor] == n)
			s = emit(b, anchor, n, &b->views[anchor]);
	}
	if (!s)
		s = leave_block(b, owner, body);
	return s ? s : list_captures(b);
}

/* Inner blocks before outer ones: those around them have to bring what they capture into the orders that they read. */
static clast_status build_blocks(builder *b, graph_id g, const node *owner, uint32_t body)
{
	clast_status s = CLAST_OK;
	if (b->m->graphs[g].refusal)
		return CLAST_OK;
	for (size_t i = 0; !s && i < b->m->graphs[g].node_count; i++) {
		const node *n = &b->m->nodes[b->m->graphs[g].nodes[i]];
		for (uint32_t j = 0; !s && j < n->n_bodies; j++)
			s = build_blocks(b, n->bodies[j], n, j);
	}
	return s ? s : build_block(b, g, owner, body);
}

/* Copies the steps of a block and then those of its bodies. */
static void copy_steps(builder *b, graph_id g, const plan_step *from, size_t *count)
{
	plan_block *k = &b->p->blocks[g];
	if (b->m->graphs[g].refusal)
		return;
	memcpy(b->p->steps + *count, from + k->first_step, k->step_count * sizeof *from);
	k->first_step = (uint32_t)*count;
	*count += k->step_count;
	for (size_t i = 0; i < b->m->graphs[g].node_count; i++) {
		const node *n = &b->m->nodes[b->m->graphs[g].nodes[i]];
		for (uint32_t j = 0; j < n->n_bodies; j++)
			copy_steps(b, n->bodies[j], from, count);
	}
}

/* Reports list outer blocks before inner ones. */
static clast_status sort_steps(builder *b)
{
	clast_plan *p = b->p;
	plan_step *copy = mem_array(&p->memory, p->step_count + 1, sizeof *copy);
	size_t count = 0;
	if (!copy)
		return fail_memory(b->d, 0);
	memcpy(copy, p->steps, p->step_count * sizeof *copy);
	copy_steps(b, 0, copy, &count);
	mem_free(&p->memory, copy, (p->step_count + 1) * sizeof *copy);
	return CLAST_OK;
}

/* Which dims are symbols: shapes met while running give them their values. */
static clast_status list_symbols(clast_plan *p, clast_diag *d)
{
	const dim_table *t = p->model->dims;
	const size_t n = dim_symbol_count(t);
	for (size_t i = 0; i < n; i++) {
		const size_t at = (size_t)(dim_symbol_at(t, i) - DIM_FIRST_ID);
		p->symbol_of_count = at + 1 > p->symbol_of_count ? at + 1 : p->symbol_of_count;
	}
	p->symbol_of = bump_array(&p->region, p->symbol_of_count + 1, sizeof *p->symbol_of);
	if (!p->symbol_of)
		return fail_memory(d, 0);
	memset(p->symbol_of, 0xff, p->symbol_of_count * sizeof *p->symbol_of);
	for (size_t i = 0; i < n; i++)
		p->symbol_of[dim_symbol_at(t, i) - DIM_FIRST_ID] = (uint32_t)i;
	return CLAST_OK;
}

static clast_status build(clast_plan *p, const clast_plan_options *o, clast_diag *d)
{
	clast_model *m = p->model;
	builder b = { .p = p, .m = m, .d = d };
	const size_t values = m->value_count + 1, nodes = m->node_count + 1;
	b.choice.produced = mem_calloc(&p->memory, values * sizeof *b.choice.produced);
	b.fact_of = mem_array(&p->memory, values, sizeof *b.fact_of);
	b.variant = mem_array(&p->memory, values, sizeof *b.variant);
	b.views = mem_calloc(&p->memory, nodes * sizeof *b.views);
	b.choice.reads = mem_calloc(&p->memory, nodes * sizeof *b.choice.reads);
	b.plan_node = mem_calloc(&p->memory, nodes * sizeof *b.plan_node);
	p->block_count = m->graph_count;
	p->blocks = bump_array(&p->region, m->graph_count, sizeof *p->blocks);
	b.captures = bump_array(&p->region, m->graph_count, sizeof *b.captures);
	clast_status s = b.choice.produced && b.fact_of && b.variant && b.views && b.plan_node && b.choice.reads && p->blocks && b.captures ? CLAST_OK : fail_memory(d, 0);
	const order row_major = { 0 };
	if (!s && !grow(&p->memory, &p->orders, &p->order_capacity, 1, sizeof *p->orders))
		s = fail_memory(d, 0);
	if (!s) {
		p->orders[0] = row_major;
		p->order_count = 1;
		s = plan_wishes(p, o, d);
	}
	if (!s)
		s = plan_count_runs(p, d);
	if (!s)
		s = view_nodes(&b, 0);
	if (!s)
		s = choose(&b);
	if (!s)
		s = build_blocks(&b, 0, NULL, 0);
	if (!s && m->graph_count > 1)
		s = sort_steps(&b);
	if (!s) {
		if (dim_symbol_count(m->dims)) /* once, before reports ask from several threads */
			plan_extent(p, dim_symbol_at(m->dims, 0));
	}
	if (!s)
		s = list_symbols(p, d);
	mem_free(&p->memory, b.choice.produced, values * sizeof *b.choice.produced);
	mem_free(&p->memory, b.fact_of, values * sizeof *b.fact_of);
	mem_free(&p->memory, b.variant, values * sizeof *b.variant);
	mem_free(&p->memory, b.views, nodes * sizeof *b.views);
	mem_free(&p->memory, b.choice.reads, nodes * sizeof *b.choice.reads);
	mem_free(&p->memory, b.choice.conversions, b.choice.conversion_capacity * sizeof *b.choice.conversions);
	mem_free(&p->memory, b.converted, b.converted_count * sizeof *b.converted);
	mem_free(&p->memory, b.plan_node, nodes * sizeof *b.plan_node);
	mem_free(&p->memory, b.next_variant, b.next_capacity * sizeof *b.next_variant);
	return s;
}

/* ---- The plan ---- */

static clast_status read_options(clast_plan *p, const clast_plan_options *o, clast_diag *d)
{
	p->strategy = "min";
	p->input_layout = p->output_layout = "first";
	if (!o)
		return CLAST_OK;
	p->precision = o->precision;
	p->keep_values = o->keep_values;
	const char *how = o->strategy ? o->strategy : "min", *in = o->input_layout ? o->input_layout : "first",
		   *out = o->output_layout ? o->output_layout : "first";
	if (!strncmp(how, "random:", 7)) {
		char *end;
		p->seed = strtoull(how + 7, &end, 10) + 1;
		if (*end || end == how + 7)
			return fail(d, CLAST_ERROR_ARGUMENT, "strategy \"%s\": expected random:SEED", quote(how).text);
	} else if (!strategy_find(how, NULL) || !strcmp(how, "random")) {
		return fail(d, CLAST_ERROR_ARGUMENT,
		            "strategy \"%s\" is unknown; known are min, wrap, first, last, blocked, lazy, push, manual and random:SEED",
		            quote(how).text);
	}
	static const char *const objectives[] = { "time", "measured", "bytes", "count" };
	const char *objective = o->objective ? o->objective : "time";
	while (p->objective < 4 && strcmp(objective, objectives[p->objective]) != 0)
		p->objective++;
	if (p->objective == 4)
		return fail(d, CLAST_ERROR_ARGUMENT, "objective \"%s\" is unknown; known are time, measured, bytes and count",
		            quote(objective).text);
	if ((strcmp(in, "first") && strcmp(in, "last")) || (strcmp(out, "first") && strcmp(out, "last")))
		return fail(d, CLAST_ERROR_ARGUMENT, "a layout of inputs and outputs is first or last");
	p->strategy = bump_string(&p->region, how, strlen(how));
	p->input_layout = strcmp(in, "last") ? "first" : "last";
	p->output_layout = strcmp(out, "last") ? "first" : "last";
	return p->strategy ? device_open(o->device, &p->device, d) : fail_memory(d, 0);
}

step_why plan_step_why(const clast_plan *p, const plan_block *b, const plan_step *step)
{
	if (!p->device || p->precision == CLAST_PRECISION_REFERENCE)
		return WHY_NO_DEVICE;
	if (step->node != NO_ID && p->model->nodes[step->node].op->flags & OP_BODIES)
		return WHY_BODY;
	if (step->kind == STEP_NODE && step->family == FAMILY_REFERENCE)
		return WHY_REFERENCE;
	const uint32_t pv = step_out(p, step)[0];
	if (pv == NO_ID || p->values[pv].constant)
		return WHY_REFERENCE;
	const clast_dtype t = p->model->values[p->facts[b->first_fact + p->values[pv].fact]].dtype;
	return t == CLAST_FLOAT32 || t == CLAST_FLOAT16 || t == CLAST_BFLOAT16 || t == CLAST_BOOL ? WHY_DEVICE : WHY_DTYPE;
}

static clast_status choose_tiles(clast_plan *p, clast_diag *d)
{
	if (p->precision == CLAST_PRECISION_EXACT || p->precision == CLAST_PRECISION_REFERENCE || p->model->low_memory)
		return CLAST_OK;
	p->tiles = bump_array(&p->region, p->model->node_count + 1, sizeof *p->tiles);
	if (!p->tiles)
		return fail_memory(d, 0);
	return lower_tiles(p->model, p->precision == CLAST_PRECISION_FAST, &p->memory, p->tiles, &p->chain, d);
}

clast_status plan_create(clast_model *m, const clast_plan_options *o, const plan_times *times, clast_plan **out, clast_diag *d)
{
	*out = NULL;
	mem boot;
	mem_init(&boot, &m->memory.allocator, 0);
	clast_plan *p = mem_calloc(&boot, sizeof *p);
	if (!p)
		return fail_memory(d, sizeof *p);
	p->references = 1;
	p->model = m;
	model_retain(m);
	mem_init(&p->memory, &m->memory.allocator, m->limits.memory_bytes);
	bump_init(&p->region, &p->memory);
	index_set_init(&p->order_set, &p->memory);
	index_set_init(&p->weight_set, &p->memory);
	index_set_init(&p->device_weight_set, &p->memory);
	pthread_mutex_init(&p->lock, NULL);
	p->times = times;
	p->strip_cache = cpu_cache_sizes()->l2;
	clast_status s = read_options(p, o, d);
	if (!s) {
		pthread_mutex_lock(&m->lock);
		s = choose_tiles(p, d);
		if (!s)
			s = build(p, o, d);
		pthread_mutex_unlock(&m->lock);
	}
	p->times = NULL;
	if (s) {
		plan_release(p);
		return s;
	}
	*out = p;
	return CLAST_OK;
}

void plan_retain(clast_plan *p)
{
	atomic_fetch_add(&p->references, 1);
}

void plan_release(clast_plan *p)
{
	if (!p || atomic_fetch_sub(&p->references, 1) != 1)
		return;
	mem *a = &p->memory;
	plan_release_weights(p);
	plan_release_device(p);
	mem_free(a, p->values, p->value_capacity * sizeof *p->values);
	mem_free(a, p->steps, p->step_capacity * sizeof *p->steps);
	mem_free(a, p->nodes, p->node_capacity * sizeof *p->nodes);
	mem_free(a, p->fused, p->fused_capacity * sizeof *p->fused);
	mem_free(a, p->refs, p->ref_capacity * sizeof *p->refs);
	mem_free(a, p->fact_refs, p->fact_ref_capacity * sizeof *p->fact_refs);
	mem_free(a, p->facts, p->fact_capacity * sizeof *p->facts);
	mem_free(a, p->ports, p->port_capacity * sizeof *p->ports);
	mem_free(a, p->step_nodes, p->step_node_capacity * sizeof *p->step_nodes);
	mem_free(a, p->orders, p->order_capacity * sizeof *p->orders);
	index_set_release(&p->order_set);
	bump_release(&p->region);
	pthread_mutex_destroy(&p->lock);
	clast_model *m = p->model;
	mem boot = p->memory;
	mem_free(&boot, p, sizeof *p);
	model_release(m);
}
