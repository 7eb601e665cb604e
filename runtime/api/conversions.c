/* What is converted in a plan, which operator asks for it, and what would make it needless. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "checked.h"

/* Where a plan value comes from and who reads it first. */
typedef struct flow {
	uint32_t *maker;  /* by plan value: a step, or NO_ID: an input */
	uint32_t *reader; /* by plan value: a step, OUTPUT or NO_ID */
	uint32_t *operand; /* by plan value: which input of the reader */
} flow;
#define OUTPUT (NO_ID - 1)

bool step_converts(const plan_step *step)
{
	return step->kind == STEP_CONVERT || (step->kind == STEP_VIEW && step->barred);
}

static void note_reader(flow *f, uint32_t pv, uint32_t reader, uint32_t operand)
{
	if (pv == NO_ID || f->reader[pv] != NO_ID)
		return;
	f->reader[pv] = reader;
	f->operand[pv] = operand;
}

/* Operand k of a step: inputs, outputs, operands of the program, captures. */
static uint32_t first_capture(const plan_step *s)
{
	return (uint32_t)s->n_in + s->n_out + s->n_fused;
}

/* Capture k of a step as its body knows it. */
static uint32_t capture_inside(const clast_plan *p, const plan_step *s, uint32_t k)
{
	const node *n = &p->model->nodes[s->node];
	for (uint32_t j = 0; j < n->n_bodies; j++) {
		const plan_block *b = &p->blocks[n->bodies[j]];
		if (k < b->capture_count)
			return p->refs[b->captures + k];
		k -= b->capture_count;
	}
	return NO_ID;
}

static void fill_flow(const clast_plan *p, flow *f)
{
	memset(f->maker, 0xff, p->value_count * sizeof *f->maker);
	memset(f->reader, 0xff, p->value_count * sizeof *f->reader);
	for (uint32_t i = 0; i < p->step_count; i++) {
		const plan_step *s = &p->steps[i];
		const uint32_t *refs = p->refs + s->refs;
		for (uint32_t k = 0; k < s->n_in; k++)
			note_reader(f, refs[k], i, k);
		for (uint32_t k = 0; k < s->n_fused; k++)
			note_reader(f, step_fused(p, s)[k], i, (uint32_t)s->n_in + s->n_out + k);
		for (uint32_t k = 0; k < s->capture_count; k++)
			note_reader(f, p->refs[s->captures + k], i, first_capture(s) + k);
		for (uint32_t k = 0; k < s->n_out; k++)
			if (step_out(p, s)[k] != NO_ID)
				f->maker[step_out(p, s)[k]] = i;
	}
	for (size_t b = 0; b < p->block_count; b++)
		for (uint32_t i = 0; i < p->blocks[b].output_count; i++)
			note_reader(f, p->refs[p->blocks[b].outputs + i], OUTPUT, 0);
}

/* Views and windows hand on what they are given: the step behind them asks for the order, or made it. */
static bool hands_on(const clast_plan *p, uint32_t step)
{
	const plan_step *s = &p->steps[step];
	return (s->kind == STEP_VIEW && !s->barred) ||
	       (s->kind == STEP_NODE && s->family != FAMILY_REFERENCE && s->n_out == 1 && p->model->nodes[s->node].op->window);
}

static uint32_t real_reader(const clast_plan *p, const flow *f, uint32_t pv, uint32_t *operand)
{
	uint32_t step = f->reader[pv];
	*operand = f->operand[pv];
	while (step < OUTPUT) {
		const plan_step *s = &p->steps[step];
		if (*operand >= first_capture(s))
			pv = capture_inside(p, s, *operand - first_capture(s));
		else if (hands_on(p, step))
			pv = step_out(p, s)[0];
		else
			break;
		step = f->reader[pv];
		*operand = f->operand[pv];
	}
	return step;
}

static uint32_t real_maker(const clast_plan *p, const flow *f, uint32_t pv)
{
	uint32_t step = f->maker[pv];
	while (step != NO_ID && hands_on(p, step))
		step = f->maker[step_in(p, &p->steps[step])[0]];
	return step;
}

const plan_block *plan_block_of(const clast_plan *p, size_t index)
{
	for (size_t i = 0; i < p->block_count; i++)
		if (index >= p->blocks[i].first_step && index - p->blocks[i].first_step < p->blocks[i].step_count)
			return &p->blocks[i];
	return NULL;
}

static value_id value_of(const clast_plan *p, const plan_block *b, uint32_t pv)
{
	return p->facts[b->first_fact + p->values[pv].fact];
}

static void order_text_of(const clast_plan *p, const plan_block *b, uint32_t pv, uint32_t o, char *text, size_t size)
{
	shape s;
	value_shape(p->model, value_of(p, b, pv), &s);
	plan_order_text(p, &p->orders[o], &s, text, size);
}

static size_t bytes_of(clast_plan *p, value_id id)
{
	const value *v = &p->model->values[id];
	int64_t dims[CLAST_MAX_RANK];
	size_t bytes = 0;
	for (int a = 0; a < v->rank; a++)
		dims[a] = plan_extent(p, v->dims[a]);
	return v->rank >= 0 && tensor_bytes(v->dtype, (size_t)v->rank, dims, &bytes) ? bytes : 0;
}

static bool is_last(const clast_plan *p, value_id id, uint32_t o)
{
	shape s;
	order last;
	value_shape(p->model, id, &s);
	return s.rank >= 3 && order_last(p->model->dims, &s, &last) && order_equal(&last, &p->orders[o]);
}

static bool is_listed(const clast_plan *p, uint32_t first, uint32_t count, uint32_t pv)
{
	for (uint32_t i = 0; i < count; i++)
		if (p->refs[first + i] == pv)
			return true;
	return false;
}

static const char *op_of(const clast_plan *p, uint32_t step)
{
	const plan_step *s = &p->steps[step];
	return s->node == NO_ID ? "the conversion" : p->model->nodes[s->node].op->name;
}

/* A conversion and what surrounds it. */
typedef struct context {
	const clast_plan *p;
	const plan_block *block;
	uint32_t in, out, maker, reader, operand; /* plan values; steps behind views */
	value_id value;
	char from[256], to[256];
	bool input, output; /* it reads an input of the block, or makes an output of it */
} context;

/* Why the reader takes no other order. */
static void reason_text(const context *c, const plan_step *step, char *text, size_t size)
{
	const clast_plan *p = c->p;
	if (step->kind == STEP_VIEW) {
		snprintf(text, size,
		         step->unmoved == NO_ID ? "the factors of %s do not fit the axes that %s makes" :
		                                  "what comes after takes another order than the %s that %s leaves where nothing moves",
		         c->from, op_of(p, (uint32_t)(step - p->steps)));
		return;
	}
	if (c->reader >= OUTPUT) {
		snprintf(text, size, c->block == p->blocks ? "outputs are handed over in %s" : "what leaves this body goes on in %s", c->to);
		return;
	}
	const plan_step *reader = &p->steps[c->reader];
	const char *reads = op_of(p, c->reader);
	if (reader->node != NO_ID && p->model->nodes[reader->node].n_bodies) {
		snprintf(text, size, "the bodies of %s take it in %s", reads, c->to);
		return;
	}
	if (c->operand >= (uint32_t)reader->n_in + reader->n_out || reader->kind == STEP_ELTWISE) {
		snprintf(text, size, "%s takes its operands in one order", reads);
		return;
	}
	switch (reader->kind == STEP_NODE ? p->ports[reader->refs + c->operand].need : PORT_VIEW) {
	case PORT_LAST:
		snprintf(text, size, "%s reads channels innermost", reads);
		break;
	case PORT_INTERLEAVED:
		snprintf(text, size, "%s reads channels innermost, groups in turns", reads);
		break;
	case PORT_FIRST:
		snprintf(text, size, "%s reads row-major order", reads);
		break;
	case PORT_BLOCKED:
		snprintf(text, size, "%s reads channels in blocks", reads);
		break;
	case PORT_ROWS:
		snprintf(text, size, "%s reads rows: its last axis innermost", reads);
		break;
	case PORT_MATRIX:
		snprintf(text, size, "%s reads matrices: one of their axes innermost", reads);
		break;
	case PORT_WHOLE:
		snprintf(text, size, "%s reads whole axes", reads);
		break;
	default:
		snprintf(text, size, "%s leaves %s to what comes after it", reads, c->to);
	}
}

static const char *article(const char *noun)
{
	return strchr("AEIOU", noun[0]) ? "an" : "a";
}

static void remedy_text(const context *c, const plan_step *step, char *text, size_t size)
{
	const clast_plan *p = c->p;
	const bool border = c->block == p->blocks;
	const char *reader = c->reader < OUTPUT ? op_of(p, c->reader) : border ? "caller" : "loop or branch";
	const char *maker = c->maker == NO_ID ? "caller" : op_of(p, c->maker);
	if (border && c->input && is_last(p, c->value, p->values[c->out].order))
		snprintf(text, size, "--input-layout last");
	else if (border && c->output && is_last(p, c->value, p->values[c->in].order))
		snprintf(text, size, "--output-layout last");
	else if (c->input)
		snprintf(text, size, "%s %s that reads %s", article(reader), reader, c->from);
	else if (step->kind == STEP_VIEW)
		snprintf(text, size, "%s %s that moves while it writes", article(maker), maker);
	else if (c->reader < OUTPUT && c->maker != NO_ID)
		snprintf(text, size, "%s %s that writes %s, or %s %s that reads %s", article(maker), maker, c->to, article(reader), reader,
		         c->from);
	else
		snprintf(text, size, "%s %s that writes %s", article(maker), maker, c->to);
}

static void look_around(clast_plan *p, const flow *f, uint32_t index, context *c)
{
	const plan_step *step = &p->steps[index];
	const plan_block *b = plan_block_of(p, index);
	*c = (context){ .p = p, .block = b, .in = step_in(p, step)[0], .out = step_out(p, step)[0] };
	c->value = value_of(p, b, step->kind == STEP_VIEW ? c->out : c->in);
	c->maker = real_maker(p, f, c->in);
	c->reader = real_reader(p, f, c->out, &c->operand);
	c->input = is_listed(p, b->inputs, b->input_count, c->in);
	c->output = is_listed(p, b->outputs, b->output_count, c->out);
	order_text_of(p, b, c->in, p->values[c->in].order, c->from, sizeof c->from);
	order_text_of(p, b, c->out, p->values[c->out].order, c->to, sizeof c->to);
	if (step->kind == STEP_VIEW && step->unmoved != NO_ID) /* both in terms of the output's axes */
		order_text_of(p, b, c->out, step->unmoved, c->from, sizeof c->from);
}

static const char *kept(clast_plan *p, const char *text)
{
	return bump_string(&p->region, text, strlen(text));
}

static bool describe(clast_plan *p, const flow *f, uint32_t index, clast_transpose_info *t)
{
	const plan_step *step = &p->steps[index];
	char reason[512], remedy[1024];
	context c;
	look_around(p, f, index, &c);
	reason_text(&c, step, reason, sizeof reason);
	remedy_text(&c, step, remedy, sizeof remedy);
	const bool view = step->kind == STEP_VIEW, read = !view && c.reader < OUTPUT && p->steps[c.reader].node != NO_ID;
	const node_id forces = view ? step->node : read ? p->steps[c.reader].node : NO_ID;
	*t = (clast_transpose_info){ .step = index,
		                     .value = p->model->values[c.value].name,
		                     .from = kept(p, c.from),
		                     .to = kept(p, c.to),
		                     .bytes = bytes_of(p, c.value),
		                     .io = c.block == p->blocks && (c.input || c.output),
		                     .op = forces == NO_ID ? "" : p->model->nodes[forces].op->name,
		                     .node = forces == NO_ID ? "" : node_name(p->model, forces),
		                     .reason = kept(p, reason),
		                     .remedy = kept(p, remedy),
		                     .times = p->runs[c.block->graph] };
	return t->from && t->to && t->reason && t->remedy;
}

/* Made when first asked for; the plan's lock is held. */
static clast_status list_conversions(clast_plan *p)
{
	size_t n = 0;
	clast_status s = CLAST_OK;
	const size_t values = p->value_count + 1;
	for (size_t i = 0; i < p->step_count; i++)
		n += step_converts(&p->steps[i]);
	flow f = { bump_array(&p->region, values, sizeof *f.maker), mem_array(&p->memory, values, sizeof *f.reader),
		   mem_array(&p->memory, values, sizeof *f.operand) };
	clast_transpose_info *list = bump_array(&p->region, n + 1, sizeof *list);
	if (!f.maker || !f.reader || !f.operand || !list)
		s = CLAST_ERROR_MEMORY;
	else
		fill_flow(p, &f);
	for (uint32_t i = 0, k = 0; !s && i < p->step_count; i++)
		if (step_converts(&p->steps[i]) && !describe(p, &f, i, &list[k++]))
			s = CLAST_ERROR_MEMORY;
	mem_free(&p->memory, f.reader, values * sizeof *f.reader);
	mem_free(&p->memory, f.operand, values * sizeof *f.operand);
	if (!s) {
		p->makers = f.maker;
		p->transposes = list;
		p->transpose_count = n;
	}
	return s;
}

clast_status plan_conversions(clast_plan *p)
{
	clast_status s = CLAST_OK;
	pthread_mutex_lock(&p->lock);
	pthread_mutex_lock(&p->model->lock); /* orders are written with dims */
	if (!p->transposes)
		s = list_conversions(p);
	pthread_mutex_unlock(&p->model->lock);
	pthread_mutex_unlock(&p->lock);
	return s;
}

size_t clast_plan_transpose_count(const clast_plan *plan)
{
	return plan && !plan_conversions((clast_plan *)plan) ? plan->transpose_count : 0;
}

clast_status clast_plan_transpose(const clast_plan *plan, size_t index, clast_transpose_info *out)
{
	if (!plan || !out || !out->struct_size || out->struct_size > sizeof *out)
		return CLAST_ERROR_ARGUMENT;
	const clast_status s = plan_conversions((clast_plan *)plan);
	if (s || index >= plan->transpose_count)
		return s ? s : CLAST_ERROR_ARGUMENT;
	clast_transpose_info t = plan->transposes[index];
	t.struct_size = out->struct_size;
	memcpy(out, &t, out->struct_size);
	return CLAST_OK;
}
