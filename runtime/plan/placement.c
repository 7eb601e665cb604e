/* Where each step of a plan with a device runs, solved exactly as orders are.
 *
 * Memory moves whole bases (spec.h), and only when a side needs what the other has written. So a class of the problem is a base as one step
 * left it, its "orders" are the two sides, and a conversion is the copy, made once however many steps want it. A step is a group: what it
 * reads, what it writes, and what it writes over have to be on its side. The problem has two labels and is a minimum cut.
 *
 * Whoever names a device wants it to be used: what comes in and goes out is copied for nothing, and the device counts as several times
 * as fast as the CPU whatever the two are. Then a step that the device can compute stays there unless the copies around it, owed to
 * neighbours that only the CPU computes, take longer than the CPU does. */
#include <string.h>

#include "solve.h"
#include "spec_parts.h"

enum { HOST, DEVICE };

/* A GPU against the CPU beside it. */
#define DEVICE_SPEEDUP 8
/* Nanoseconds of a copy, and of a byte of it: a wait and 10 GB/s over a bus, or a wait alone where the memory is the same. */
#define BUS_WAIT 10000
#define BUS_BYTES_PER_NS 10
#define SHARED_WAIT 2000

typedef struct placement {
	specialisation *s;
	problem problem;
	uint32_t *version;      /* by base: the class of what lies there now, NO_ID before anything was written */
	uint32_t *group_step;   /* by group; NO_ID: a border */
	size_t group_capacity;
	bool shared;
	clast_diag *d;
} placement;

static size_t base_bytes(const specialisation *s, uint32_t base, const tensor_view *inputs)
{
	if (base >= s->input_count)
		return s->buffers[base - s->input_count].bytes;
	ptrdiff_t low;
	size_t bytes;
	view_span(&inputs[base], &low, &bytes);
	return bytes;
}

static clast_status add_class(placement *x, size_t bytes, bool border, uint32_t *class)
{
	const uint64_t copy = border ? 0 : x->shared ? SHARED_WAIT : BUS_WAIT + bytes / BUS_BYTES_PER_NS;
	const uint64_t table[4] = { 0, copy, copy, 0 };
	return problem_add_class(&x->problem, 2, table, false, class, x->d);
}

/* A group whose ports are all on the side of its configuration. */
static clast_status add_group(placement *x, uint32_t step, uint32_t ports, const problem_port *list, uint32_t configs, const uint64_t *cost,
                              const uint16_t *side)
{
	mem *m = x->s->memory;
	uint32_t group;
	uint16_t *table = mem_array(m, (size_t)ports * configs + 1, sizeof *table);
	if (!table)
		return fail_memory(x->d, 0);
	for (uint32_t c = 0; c < configs; c++)
		for (uint32_t k = 0; k < ports; k++)
			table[c * ports + k] = side[c];
	clast_status s = problem_add_group(&x->problem, ports, list, configs, cost, table, PROBLEM_NONE, &group, x->d);
	mem_free(m, table, ((size_t)ports * configs + 1) * sizeof *table);
	if (!s && !grow(m, &x->group_step, &x->group_capacity, group + 1, sizeof *x->group_step))
		s = fail_memory(x->d, 0);
	if (!s)
		x->group_step[group] = step;
	return s;
}

static clast_status add_border(placement *x, uint32_t class, bool produced)
{
	const problem_port list = { .class = class, .produced = produced };
	const uint64_t nothing = 0;
	const uint16_t host = HOST;
	return add_group(x, NO_ID, 1, &list, 1, &nothing, &host);
}

/* What the CPU would take, on a few cores. */
static uint64_t cpu_time(const specialisation *s, const plan_step *step)
{
	const double ns = lower_time(spec_step_operations(s, step), spec_step_bytes(s, step)) / 4;
	return ns < 1e12 ? (uint64_t)ns + DEVICE_SPEEDUP : (uint64_t)1e12;
}

/* The bases that a step needs on its side, each once: what it reads and what it writes over. */
typedef struct operands {
	uint32_t *base;
	bool *written;
	uint32_t count;
} operands;

static void note_operand(const specialisation *s, operands *o, uint32_t pv, bool written)
{
	if (pv == NO_ID || !place_of(s, pv)->known || place_of(s, pv)->base >= BASE_ABSOLUTE)
		return;
	const uint32_t base = place_of(s, pv)->base;
	uint32_t i = 0;
	while (i < o->count && o->base[i] != base)
		i++;
	if (i == o->count) {
		o->base[o->count] = base;
		o->written[o->count++] = false;
	}
	o->written[i] |= written;
}

static void list_operands(const specialisation *s, const plan_step *step, operands *o)
{
	const uint32_t *refs = s->plan->refs;
	const uint32_t own = (uint32_t)step->n_in + step->n_out + step->n_fused;
	o->count = 0;
	for (uint32_t i = 0; i < own; i++)
		note_operand(s, o, refs[step->refs + i], i >= step->n_in && i < (uint32_t)step->n_in + step->n_out);
	for (uint32_t i = 0; i < step->capture_count; i++)
		note_operand(s, o, refs[step->captures + i], false);
}

/* Ports of a step; what it writes becomes the newest version. */
static clast_status add_ports(placement *x, const operands *o, problem_port *list, uint32_t *ports, const tensor_view *inputs)
{
	clast_status s = CLAST_OK;
	*ports = 0;
	for (uint32_t i = 0; !s && i < o->count; i++) {
		uint32_t *version = &x->version[o->base[i]];
		if (*version != NO_ID)
			list[(*ports)++] = (problem_port){ .class = *version };
		if (!o->written[i])
			continue;
		s = add_class(x, base_bytes(x->s, o->base[i], inputs), false, version);
		if (!s)
			list[(*ports)++] = (problem_port){ .class = *version, .produced = true };
	}
	return s;
}

static clast_status add_step(placement *x, uint32_t index, operands *o, problem_port *list, const tensor_view *inputs)
{
	const specialisation *s = x->s;
	const plan_step *step = &s->plan->steps[s->block->first_step + index];
	const spec_step *made = &s->steps[index];
	uint32_t ports;
	if (made->mode == MODE_NOTHING)
		return CLAST_OK;
	list_operands(s, step, o);
	const clast_status status = add_ports(x, o, list, &ports, inputs);
	if (status || !ports)
		return status;
	const bool late = made->mode == MODE_LATE, either = made->mode == MODE_DEVICE || (late && made->why == WHY_LATE);
	const uint64_t time = late ? DEVICE_SPEEDUP : cpu_time(s, step), cost[2] = { time / DEVICE_SPEEDUP, time };
	const uint16_t sides[2] = { DEVICE, HOST };
	return either ? add_group(x, index, ports, list, 2, cost, sides) : add_group(x, index, ports, list, 1, cost + 1, sides + 1);
}

/* What comes into a body and goes out of it is copied in each of its rounds. */
static bool is_main(const specialisation *s)
{
	return s->block == &s->plan->blocks[0];
}

static clast_status add_inputs(placement *x, const tensor_view *inputs)
{
	clast_status s = CLAST_OK;
	for (uint32_t i = 0; !s && i < x->s->input_count; i++) {
		s = add_class(x, base_bytes(x->s, i, inputs), is_main(x->s), &x->version[i]);
		if (!s)
			s = add_border(x, x->version[i], true);
	}
	return s;
}

static clast_status add_outputs(placement *x)
{
	const specialisation *s = x->s;
	clast_status status = CLAST_OK;
	for (uint32_t i = 0; !status && i < s->block->output_count && !is_main(s); i++) {
		const spec_place *p = place_of(s, s->plan->refs[s->block->outputs + i]);
		if (p->known && p->base < BASE_ABSOLUTE && x->version[p->base] != NO_ID)
			status = add_border(x, x->version[p->base], false);
	}
	return status;
}

static clast_status build(placement *x, const tensor_view *inputs)
{
	const specialisation *s = x->s;
	size_t most = 0;
	for (uint32_t i = 0; i < s->block->step_count; i++) {
		const plan_step *step = &s->plan->steps[s->block->first_step + i];
		const size_t n = (size_t)step->n_in + step->n_out + step->n_fused + step->capture_count;
		most = n > most ? n : most;
	}
	const size_t bytes = (most + 1) * (sizeof(uint32_t) + sizeof(bool) + 2 * sizeof(problem_port));
	problem_port *list = mem_alloc(s->memory, bytes);
	if (!list)
		return fail_memory(x->d, bytes);
	operands o = { .base = (uint32_t *)(list + 2 * (most + 1)) };
	o.written = (bool *)(o.base + most + 1);
	clast_status status = add_inputs(x, inputs);
	for (uint32_t i = 0; !status && i < s->block->step_count; i++)
		status = add_step(x, i, &o, list, inputs);
	mem_free(s->memory, list, bytes);
	if (!status)
		status = add_outputs(x);
	return status ? status : problem_finish(&x->problem, x->d);
}

/* Steps that the device could compute and the CPU had better. */
static bool read_answer(const placement *x, const assignment *a, bool *off)
{
	bool any = false;
	for (size_t g = 0; g < x->problem.groups; g++) {
		if (x->group_step[g] == NO_ID || x->problem.group[g].configs < 2)
			continue;
		off[x->group_step[g]] = a->config[g] == 1;
		any |= a->config[g] == 1;
	}
	return any;
}

/* Inputs of bodies may be any views; those that go backwards lie before their address. */
static bool go_forwards(const specialisation *s, const tensor_view *inputs)
{
	for (uint32_t i = 0; i < s->input_count; i++) {
		ptrdiff_t low;
		size_t bytes;
		view_span(&inputs[i], &low, &bytes);
		if (low < 0)
			return false;
	}
	return true;
}

clast_status placement_choose(specialisation *s, const tensor_view *inputs, bool *off, bool *any, clast_diag *d)
{
	const size_t bases = s->input_count + s->buffer_count + 1;
	placement x = { .s = s, .shared = device_shares_memory(s->plan->device), .d = d };
	solution found;
	*any = false;
	if (!go_forwards(s, inputs)) {
		memset(off, 1, s->block->step_count * sizeof *off);
		*any = true;
		return CLAST_OK;
	}
	if (device_takes_all(s->plan->device))
		return CLAST_OK;
	problem_init(&x.problem, s->memory);
	x.version = mem_array(s->memory, bases, sizeof *x.version);
	clast_status status = x.version ? CLAST_OK : fail_memory(d, 0);
	for (size_t i = 0; !status && i < bases; i++)
		x.version[i] = NO_ID;
	if (!status)
		status = build(&x, inputs);
	if (!status)
		status = solve(&x.problem, NULL, s->memory, &found, d);
	if (!status) {
		*any = read_answer(&x, &found.best, off);
		s->placement_cost = assignment_cost(&found.best);
		s->placement_bound = found.bound;
		solution_release(&found);
	}
	problem_release(&x.problem);
	mem_free(s->memory, x.version, bases * sizeof *x.version);
	mem_free(s->memory, x.group_step, x.group_capacity * sizeof *x.group_step);
	return status;
}

/* ---- What is copied in a run ---- */

typedef struct side_state {
	bool host, device;
} side_state;

static void need(specialisation *s, side_state *at, bool on_device, size_t bytes)
{
	bool *here = on_device ? &at->device : &at->host;
	const bool there = on_device ? at->host : at->device;
	if (*here || !there)
		return;
	*here = true;
	s->copies++;
	s->moved_bytes += device_shares_memory(s->plan->device) ? 0 : bytes;
}

static void count_step(specialisation *s, uint32_t index, operands *o, side_state *at, const tensor_view *inputs)
{
	const bool on_device = s->steps[index].mode == MODE_DEVICE;
	if (s->steps[index].mode == MODE_NOTHING || s->steps[index].mode == MODE_LATE)
		return;
	list_operands(s, &s->plan->steps[s->block->first_step + index], o);
	for (uint32_t i = 0; i < o->count; i++) {
		need(s, &at[o->base[i]], on_device, base_bytes(s, o->base[i], inputs));
		if (o->written[i])
			at[o->base[i]] = (side_state){ .host = !on_device, .device = on_device };
	}
}

clast_status placement_count(specialisation *s, const tensor_view *inputs, clast_diag *d)
{
	const size_t bases = s->input_count + s->buffer_count + 1, bytes = bases * (sizeof(side_state) + sizeof(uint32_t) + sizeof(bool));
	uint32_t *list = mem_calloc(s->memory, bytes); /* a step has no more operands than there are bases, each once */
	if (!list)
		return fail_memory(d, bytes);
	side_state *at = (side_state *)(list + bases);
	operands o = { .base = list, .written = (bool *)(at + bases) };
	for (uint32_t i = 0; i < s->input_count; i++)
		at[i].host = true;
	for (uint32_t i = 0; i < s->block->step_count; i++)
		count_step(s, i, &o, at, inputs);
	for (uint32_t i = 0; i < s->block->output_count; i++) {
		const spec_place *p = place_of(s, s->plan->refs[s->block->outputs + i]);
		if (p->known && p->base < BASE_ABSOLUTE)
			need(s, &at[p->base], false, base_bytes(s, p->base, inputs));
	}
	mem_free(s->memory, list, bytes);
	return CLAST_OK;
}
