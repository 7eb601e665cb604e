/* Activations that models write out as several operators become the one instruction that computes them. */
#include <math.h>
#include <string.h>

#include "lower.h"

/* Where values come from: def[s] is the instruction that sets source s of an instruction (REGISTER_0: what register 0
 * holds at the start). uses counts how often the result of an instruction is read. */
enum { REGISTER_0 = PROGRAM_MAX_CODE, NOWHERE };

typedef struct flow {
	program *p;
	uint8_t def[PROGRAM_MAX_CODE][3];
	uint8_t uses[PROGRAM_MAX_CODE + 2];
	bool gone[PROGRAM_MAX_CODE];
} flow;

static const uint8_t *source(const program_instr *in, unsigned s)
{
	return s == 0 ? &in->a : s == 1 ? &in->b : &in->c;
}

static unsigned source_count(const program_instr *in)
{
	return in->op == PROGRAM_STORE ? 1 : program_op_sources(in->op);
}

static void follow(flow *f, program *p)
{
	uint8_t holds[PROGRAM_REGISTERS];
	memset(f, 0, sizeof *f);
	memset(holds, NOWHERE, sizeof holds);
	holds[0] = REGISTER_0;
	f->p = p;
	for (uint32_t i = 0; i < p->count; i++) {
		const program_instr *in = &p->code[i];
		for (unsigned s = 0; s < source_count(in); s++) {
			f->def[i][s] = holds[*source(in, s)];
			f->uses[f->def[i][s]]++;
		}
		if (in->op != PROGRAM_STORE)
			holds[in->dst] = (uint8_t)i;
	}
	f->uses[holds[0]]++;
}

/* The instruction `at`, if it is `what` and nothing else reads its result. */
static const program_instr *only(const flow *f, uint8_t at, program_op what)
{
	return at < f->p->count && f->p->code[at].op == what && f->uses[at] == 1 ? &f->p->code[at] : NULL;
}

static bool close_to(float x, double wanted)
{
	return fabs(x - wanted) <= 1e-6 * fabs(wanted);
}

/* Whether `at` multiplies by `factor`; *x is what it multiplies. */
static bool times_constant(flow *f, uint8_t at, double factor, uint8_t *x)
{
	const program_instr *in;
	if ((in = only(f, at, PROGRAM_MUL_CONST)) && close_to(in->imm[0], factor)) {
		*x = f->def[at][0];
		return f->gone[at] = true;
	}
	const program_instr *k;
	if ((in = only(f, at, PROGRAM_DIV)) && (k = only(f, f->def[at][1], PROGRAM_CONST)) && close_to(k->imm[0], 1 / factor)) {
		*x = f->def[at][0];
		return f->gone[at] = f->gone[f->def[at][1]] = true;
	}
	return false;
}

/* Whether `at` is 1 + erf(x / sqrt(2)). */
static bool one_plus_erf(flow *f, uint8_t at, uint8_t *x)
{
	const program_instr *sum = only(f, at, PROGRAM_ADD_CONST);
	const uint8_t erf = sum ? f->def[at][0] : NOWHERE;
	if (!sum || sum->imm[0] != 1 || !only(f, erf, PROGRAM_ERF) || !times_constant(f, f->def[erf][0], M_SQRT1_2, x))
		return false;
	return f->gone[at] = f->gone[erf] = true;
}

/* x * (1 + erf(x / sqrt(2))) / 2, the half on either factor or on the product. `product` multiplies; *halved: the half was found. */
static bool gelu_product(flow *f, uint8_t product, uint8_t *x, bool *halved)
{
	for (int s = 0; s < 2; s++) {
		uint8_t one = f->def[product][s], other = f->def[product][1 - s], inner;
		memset(f->gone, 0, sizeof f->gone); /* what the other side left */
		*halved = times_constant(f, one, 0.5, &inner);
		if (*halved)
			one = inner;
		if (!one_plus_erf(f, one, x))
			continue;
		if (other == *x)
			return true;
		return !*halved && (*halved = times_constant(f, other, 0.5, &inner)) && inner == *x;
	}
	return false;
}

static bool match_gelu(flow *f, uint8_t at, uint8_t *x, program_instr *to)
{
	const program_instr *in = &f->p->code[at];
	uint8_t product = at;
	bool halved;
	if (in->op == PROGRAM_MUL_CONST && in->imm[0] == 0.5f) {
		product = f->def[at][0];
		if (!only(f, product, PROGRAM_MUL) || !gelu_product(f, product, x, &halved) || halved)
			return false;
		f->gone[product] = true;
	} else if (in->op != PROGRAM_MUL || !gelu_product(f, at, x, &halved) || !halved) {
		return false;
	}
	to->op = PROGRAM_GELU;
	return true;
}

/* x * sigmoid(x), x * hard_sigmoid(x) */
static bool match_gate(flow *f, uint8_t at, uint8_t *x, program_instr *to)
{
	if (f->p->code[at].op != PROGRAM_MUL)
		return false;
	for (int s = 0; s < 2; s++) {
		const uint8_t gate = f->def[at][s];
		*x = f->def[at][1 - s];
		const program_instr *hard = only(f, gate, PROGRAM_HARD_SIGMOID);
		if (!hard && !only(f, gate, PROGRAM_SIGMOID))
			continue;
		if (f->def[gate][0] != *x || (hard && (!close_to(hard->imm[0], 1.0 / 6) || hard->imm[1] != 0.5f)))
			continue;
		f->gone[gate] = true;
		to->op = hard ? PROGRAM_HARD_SWISH : PROGRAM_SILU;
		to->imm[0] = hard ? 0 : 1;
		return true;
	}
	return false;
}

/* The register that held the result of `def` still holds it at instruction `at`, once what is gone does not write it. */
static bool still_there(const flow *f, uint8_t def, uint8_t at, uint8_t *reg)
{
	*reg = def == REGISTER_0 ? 0 : f->p->code[def].dst;
	for (uint32_t i = def == REGISTER_0 ? 0 : def + 1u; i < at; i++)
		if (!f->gone[i] && f->p->code[i].op != PROGRAM_STORE && f->p->code[i].dst == *reg)
			return false;
	return true;
}

/* x: what defines the value that the activation is of. */
static bool replace(flow *f, uint8_t at, bool (*match)(flow *, uint8_t, uint8_t *, program_instr *))
{
	uint8_t x;
	program *p = f->p;
	program_instr to = { .dst = p->code[at].dst };
	memset(f->gone, 0, sizeof f->gone);
	if (!match(f, at, &x, &to) || x == NOWHERE || !still_there(f, x, at, &to.a))
		return false;
	p->code[at] = to;
	uint32_t count = 0;
	for (uint32_t i = 0; i < p->count; i++)
		if (!f->gone[i])
			p->code[count++] = p->code[i];
	p->count = count;
	return true;
}

void program_simplify(program *p)
{
	flow f;
	follow(&f, p);
	for (uint8_t i = 0; i < p->count; i++) {
		if (!replace(&f, i, match_gelu) && !replace(&f, i, match_gate))
			continue;
		follow(&f, p);
		i = 0;
	}
}
