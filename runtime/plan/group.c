/* Grouping: elementwise nodes run inside the step that made their operand.
 *
 * A group has an anchor (a kernel with an epilogue, or an elementwise node) and elementwise nodes of the same shape and order after it.
 * It grows along the graph's order as long as nodes qualify, and is cut back to the last point where exactly one of its values is
 * used outside. Then nothing outside can depend on the inside but through that value, so the group can run where its last node
 * stands. */
#include <string.h>

#include "plan.h"

#define MAX_MEMBERS 24
#define LOOK_AHEAD 96 /* candidates tried a group */

typedef struct builder {
	clast_plan *p;
	clast_model *m;
	graph_id g;
	const node_view *views;
	const order_choice *choice;
	grouping *out;
	uint32_t *position;             /* of a node in the graph's list */
	uint32_t *use_start, *users;    /* consumers of each value, as positions */
	clast_diag *d;
} builder;

typedef struct state {
	node_id member[MAX_MEMBERS];
	uint32_t members;
	value_id value[MAX_MEMBERS];    /* output 0 of each member */
	uint8_t reg[MAX_MEMBERS];       /* register it lies in; 255: dead */
	uint32_t unseen[MAX_MEMBERS];   /* uses outside the group so far */
	value_id operand[FUSED_MAX_OPERANDS];
	fused f;
} state;

/* Consumers of values within this graph, in topological order. */
static clast_status list_users(builder *b)
{
	const graph *g = &b->m->graphs[b->g];
	mem *a = &b->p->memory;
	b->position = mem_array(a, b->m->node_count + 1, sizeof *b->position);
	b->use_start = mem_calloc(a, (b->m->value_count + 2) * sizeof *b->use_start);
	if (!b->position || !b->use_start)
		return fail_memory(b->d, 0);
	size_t total = 0;
	for (size_t i = 0; i < g->node_count; i++) {
		const node *n = &b->m->nodes[g->nodes[i]];
		b->position[g->nodes[i]] = (uint32_t)i;
		for (uint32_t j = 0; j < n->n_in; j++)
			if (n->in[j] != NO_ID) {
				b->use_start[n->in[j] + 2]++;
				total++;
			}
	}
	b->users = mem_array(a, total + 1, sizeof *b->users);
	if (!b->users)
		return fail_memory(b->d, 0);
	for (size_t v = 2; v < b->m->value_count + 2; v++)
		b->use_start[v] += b->use_start[v - 1];
	for (size_t i = 0; i < g->node_count; i++) {
		const node *n = &b->m->nodes[g->nodes[i]];
		for (uint32_t j = 0; j < n->n_in; j++)
			if (n->in[j] != NO_ID)
				b->users[b->use_start[n->in[j] + 1]++] = (uint32_t)i;
	}
	return CLAST_OK;
}

static void view_node(const builder *b, const node *n, infer_value *in, infer_value *out, lower_node *x)
{
	for (uint32_t i = 0; i < n->n_in; i++)
		value_infer(b->m, n->in[i], &in[i]);
	for (uint32_t i = 0; i < n->n_out; i++)
		value_infer(b->m, n->out[i], &out[i]);
	*x = (lower_node){ b->m, n, in, out };
}

#define MAX_FUSE_INPUTS 6

/* An elementwise node with the shape and order of the group that no other group has taken. */
static bool qualifies(const builder *b, node_id id, value_id like)
{
	const node *n = &b->m->nodes[id];
	if (b->out->first[id] != NO_ID || n->n_out != 1 || n->n_in > MAX_FUSE_INPUTS || b->views[id].family == FAMILY_REFERENCE)
		return false;
	infer_value in[MAX_FUSE_INPUTS], out[1];
	lower_node x;
	view_node(b, n, in, out, &x);
	const value *v = &b->m->values[n->out[0]], *w = &b->m->values[like];
	return fuse_accepts(&x) && v->rank == w->rank && v->rank >= 0 && v->dtype == w->dtype &&
	       !memcmp(v->dims, w->dims, (size_t)v->rank * sizeof(dim)) &&
	       b->choice->produced[n->out[0]] == b->choice->produced[like];
}

static int member_of(const state *s, value_id v)
{
	for (uint32_t i = 0; i < s->members; i++)
		if (s->value[i] == v)
			return (int)i;
	return -1;
}

static int free_register(const state *s)
{
	bool used[PROGRAM_REGISTERS] = { false };
	for (uint32_t i = 0; i < s->members; i++)
		if (s->reg[i] != 255)
			used[s->reg[i]] = true;
	for (int r = 0; r < FUSE_TEMP; r++)
		if (!used[r])
			return r;
	return -1;
}

/* A full-shape operand must come in the group's order; then the step converts it like any other PORT_SAME operand. */
static int add_operand(state *s, value_id v)
{
	for (uint32_t i = 0; i < s->f.operand_count; i++)
		if (s->operand[i] == v)
			return (int)i;
	if (s->f.operand_count == FUSED_MAX_OPERANDS)
		return -1;
	s->operand[s->f.operand_count] = v;
	return (int)s->f.operand_count++;
}

static bool append(const builder *b, state *s, node_id id)
{
	const node *n = &b->m->nodes[id];
	infer_value in[MAX_FUSE_INPUTS], out[1];
	uint8_t sources[MAX_FUSE_INPUTS] = { 0 };
	lower_node x;
	if (s->members == MAX_MEMBERS)
		return false;
	view_node(b, n, in, out, &x);
	for (uint32_t i = 0; i < n->n_in; i++) {
		if (n->in[i] == NO_ID)
			continue;
		if (in[i].data && view_count(in[i].data) == 1) {
			sources[i] = 255;
			continue;
		}
		const int inside = member_of(s, n->in[i]);
		const int operand = inside < 0 ? add_operand(s, n->in[i]) : 0;
		if (operand < 0)
			return false;
		sources[i] = inside >= 0 ? s->reg[inside] : (uint8_t)(16 + operand);
	}
	for (uint32_t i = 0; i < n->n_in; i++) { /* a value whose last use this is gives its register */
		const int inside = n->in[i] == NO_ID ? -1 : member_of(s, n->in[i]);
		if (inside >= 0 && --s->unseen[inside] == 0)
			s->reg[inside] = 255;
	}
	const int reg = free_register(s);
	if (reg < 0 || !fuse_append(&x, &s->f.program, sources, (uint8_t)reg))
		return false;
	s->member[s->members] = id;
	s->value[s->members] = n->out[0];
	s->reg[s->members] = (uint8_t)reg;
	s->unseen[s->members++] = b->m->values[n->out[0]].uses;
	return true;
}

static void start(const builder *b, state *s, node_id anchor, bool elementwise)
{
	memset(s, 0, sizeof *s);
	if (elementwise)
		return;
	const value_id v = b->m->nodes[anchor].out[0];
	s->member[0] = anchor;
	s->value[0] = v;
	s->unseen[0] = b->m->values[v].uses;
	s->members = 1;
}

/* The earliest consumer, after position `from`, of any value of the group. */
static uint32_t next_user(const builder *b, const state *s, uint32_t from)
{
	uint32_t best = UINT32_MAX;
	for (uint32_t i = 0; i < s->members; i++) {
		const uint32_t end = b->use_start[s->value[i] + 1];
		for (uint32_t k = b->use_start[s->value[i]]; k < end; k++)
			if (b->users[k] > from && b->users[k] < best)
				best = b->users[k];
	}
	return best;
}

/* Closed: only the last member's value is used outside. */
static bool is_closed(const state *s)
{
	for (uint32_t i = 0; i + 1 < s->members; i++)
		if (s->unseen[i])
			return false;
	return s->members > 0;
}

/* The result has to lie in register 0. */
static bool finish(state *s)
{
	const uint8_t reg = s->reg[s->members - 1];
	if (!reg)
		return true;
	if (s->f.program.count == PROGRAM_MAX_CODE)
		return false;
	s->f.program.code[s->f.program.count++] = (program_instr){ .op = PROGRAM_MOVE, .dst = 0, .a = reg };
	return true;
}

static clast_status keep(builder *b, node_id anchor, bool elementwise, const state *s)
{
	clast_plan *p = b->p;
	mem *a = &p->memory;
	if (!grow(a, &p->fused, &p->fused_capacity, p->fused_count + 1, sizeof *p->fused))
		return fail_memory(b->d, 0);
	value_id *operands = bump_array(&p->region, FUSED_MAX_OPERANDS, sizeof *operands);
	node_id *members = bump_array(&p->region, s->members, sizeof *members);
	if (!operands || !members)
		return fail_memory(b->d, 0);
	memcpy(operands, s->operand, sizeof s->operand);
	memcpy(members, s->member, s->members * sizeof *members);
	b->out->operands[anchor] = operands;
	b->out->tail[anchor] = s->member[s->members - 1];
	b->out->fused[anchor] = (uint32_t)p->fused_count;
	b->out->members[anchor] = members;
	b->out->elementwise[anchor] = elementwise;
	b->out->member_count[anchor] = s->members;
	for (uint32_t i = 0; i < s->members; i++)
		b->out->first[s->member[i]] = anchor;
	p->fused[p->fused_count] = s->f;
	program_simplify(&p->fused[p->fused_count++].program);
	return CLAST_OK;
}

static bool is_output(const builder *b, value_id v)
{
	/* Uses by graph outputs and by captures are no users here, so such a value never closes. */
	return b->m->values[v].uses > b->use_start[v + 1] - b->use_start[v];
}

static clast_status grow_group(builder *b, node_id anchor, bool elementwise)
{
	const graph *g = &b->m->graphs[b->g];
	const value_id like = b->m->nodes[anchor].out[0];
	state now, best;
	bool found = false;
	start(b, &now, anchor, elementwise);
	if (elementwise && !append(b, &now, anchor))
		return CLAST_OK;
	best = now;
	found = elementwise && finish(&best);
	uint32_t at = b->position[anchor];
	for (int tries = 0; tries < LOOK_AHEAD && !b->p->keep_values; tries++) {
		at = next_user(b, &now, at);
		if (at == UINT32_MAX || !qualifies(b, g->nodes[at], like) || !append(b, &now, g->nodes[at]))
			break;
		if (is_closed(&now)) {
			state done = now;
			if (finish(&done)) {
				best = done;
				found = true;
			}
		}
		if (is_output(b, b->m->nodes[g->nodes[at]].out[0]))
			break;
	}
	return found ? keep(b, anchor, elementwise, &best) : CLAST_OK;
}

static clast_status allocate(builder *b)
{
	grouping *o = b->out;
	bump *r = &b->p->region;
	const size_t n = b->m->node_count + 1;
	memset(o, 0, sizeof *o);
	o->first = bump_array(r, n, sizeof *o->first);
	o->tail = bump_array(r, n, sizeof *o->tail);
	o->fused = bump_array(r, n, sizeof *o->fused);
	o->members = bump_array(r, n, sizeof *o->members);
	o->member_count = bump_array(r, n, sizeof *o->member_count);
	o->operands = bump_array(r, n, sizeof *o->operands);
	o->elementwise = bump_array(r, n, sizeof *o->elementwise);
	if (!o->elementwise || !o->first || !o->tail || !o->fused || !o->members || !o->member_count || !o->operands)
		return fail_memory(b->d, 0);
	memset(o->first, 0xff, n * sizeof *o->first);
	memset(o->fused, 0xff, n * sizeof *o->fused);
	return CLAST_OK;
}

clast_status group_nodes(clast_plan *p, graph_id g, const node_view *views, const order_choice *choice, grouping *out,
                         clast_diag *d)
{
	builder b = { .p = p, .m = p->model, .g = g, .views = views, .choice = choice, .out = out, .d = d };
	const graph *x = &p->model->graphs[g];
	clast_status s = out->first ? CLAST_OK : allocate(&b);
	if (!s)
		s = list_users(&b);
	for (size_t i = 0; !s && i < x->node_count; i++) {
		const node_id id = x->nodes[i];
		const node *n = &p->model->nodes[id];
		if (out->first[id] != NO_ID || views[id].family == FAMILY_REFERENCE || n->out[0] == NO_ID)
			continue;
		const bool elementwise = n->n_out == 1 && qualifies(&b, id, n->out[0]);
		if (elementwise || family_at(views[id].family)->epilogue)
			s = grow_group(&b, id, elementwise);
	}
	mem_free(&p->memory, b.position, (p->model->node_count + 1) * sizeof *b.position);
	if (b.use_start) {
		const size_t total = b.use_start[p->model->value_count + 1];
		mem_free(&p->memory, b.users, (total + 1) * sizeof *b.users);
	}
	mem_free(&p->memory, b.use_start, (p->model->value_count + 2) * sizeof *b.use_start);
	return s;
}
