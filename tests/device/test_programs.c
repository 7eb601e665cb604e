/* Random elementwise programs: every instruction, operand type and stride, several inputs and outputs, one kernel each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(programs, .timeout = 900);

/* On whole numbers these are exact on both sides, so that comparisons and roundings agree too. */
static const program_op exact[] = {
	PROGRAM_MOVE, PROGRAM_ADD, PROGRAM_SUB, PROGRAM_MUL, PROGRAM_MAX, PROGRAM_MIN, PROGRAM_PRELU, PROGRAM_ADD_CONST, PROGRAM_MUL_CONST,
	PROGRAM_MUL_ADD, PROGRAM_EQUAL, PROGRAM_LESS, PROGRAM_LESS_EQUAL, PROGRAM_GREATER, PROGRAM_GREATER_EQUAL, PROGRAM_AND, PROGRAM_OR,
	PROGRAM_XOR, PROGRAM_NOT, PROGRAM_IS_NAN, PROGRAM_IS_INF, PROGRAM_WHERE, PROGRAM_RELU, PROGRAM_CLIP, PROGRAM_LEAKY,
	PROGRAM_THRESHOLDED, PROGRAM_SHRINK, PROGRAM_ABS, PROGRAM_NEG, PROGRAM_SIGN, PROGRAM_FLOOR, PROGRAM_CEIL, PROGRAM_ROUND,
	PROGRAM_TRUNC, PROGRAM_SQUARE, PROGRAM_CONST,
};
/* These are close where their arguments are, and small arguments give small results. */
static const program_op smooth[] = {
	PROGRAM_ADD, PROGRAM_SUB, PROGRAM_MUL, PROGRAM_MAX, PROGRAM_MIN, PROGRAM_PRELU, PROGRAM_MUL_ADD, PROGRAM_MUL_CONST, PROGRAM_ELU,
	PROGRAM_SELU, PROGRAM_CELU, PROGRAM_SIGMOID, PROGRAM_TANH, PROGRAM_HARD_SIGMOID, PROGRAM_HARD_SWISH, PROGRAM_GELU,
	PROGRAM_GELU_TANH, PROGRAM_SILU, PROGRAM_SOFTPLUS, PROGRAM_SOFTSIGN, PROGRAM_MISH, PROGRAM_EXP, PROGRAM_SIN, PROGRAM_COS,
	PROGRAM_ERF, PROGRAM_SQUARE,
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void add(program *g, program_op op, unsigned dst, unsigned a, unsigned b, unsigned c, float x, float y)
{
	g->code[g->count++] =
	        (program_instr){ .op = (uint8_t)op, .dst = (uint8_t)dst, .a = (uint8_t)a, .b = (uint8_t)b, .c = (uint8_t)c, .imm = { x, y } };
}

/* Loads `in` operands and stores to the others; between them whatever comes, each result brought back to a small range. */
static void random_program(rng *r, program *g, uint32_t in, uint32_t out, bool whole)
{
	const float least = whole ? -20 : -3, most = whole ? 20 : 3;
	unsigned set = in < PROGRAM_REGISTERS ? in : PROGRAM_REGISTERS;
	for (uint32_t i = 0; i < in; i++)
		add(g, PROGRAM_LOAD, i % PROGRAM_REGISTERS, i, 0, 0, 0, 0);
	while (g->count + 2 + out <= PROGRAM_MAX_CODE && !rng_chance(r, 4)) {
		const program_op op = whole ? exact[rng_range(r, 0, COUNT(exact) - 1)] : smooth[rng_range(r, 0, COUNT(smooth) - 1)];
		const unsigned dst = (unsigned)rng_range(r, 0, set < PROGRAM_REGISTERS ? set : set - 1);
		const float x = whole ? (float)rng_range(r, 0, 3) : 0.75f, y = whole ? (float)rng_range(r, 0, 3) : 0.5f;
		add(g, op, dst, (unsigned)rng_range(r, 0, set - 1), (unsigned)rng_range(r, 0, set - 1), (unsigned)rng_range(r, 0, set - 1), x, y);
		add(g, PROGRAM_CLIP, dst, dst, 0, 0, least, most);
		set += dst == set;
	}
	for (uint32_t i = 0; i < out; i++)
		add(g, PROGRAM_STORE, in + i, (unsigned)rng_range(r, 0, set - 1), 0, 0, 0, 0);
}

/* Strides of a dense operand whose axes lie in random order; a loaded one stands still along some of them. */
static size_t random_operand(rng *r, const eltwise_params *p, bool loaded, ptrdiff_t *stride)
{
	uint32_t order[KERNEL_MAX_AXES];
	ptrdiff_t at = 1;
	for (uint32_t i = 0; i < p->rank; i++)
		order[i] = i;
	for (uint32_t i = p->rank; i > 1 && rng_chance(r, 50); i--) {
		const uint32_t j = (uint32_t)rng_range(r, 0, i - 1), x = order[i - 1];
		order[i - 1] = order[j];
		order[j] = x;
	}
	for (uint32_t i = p->rank; i-- > 0;) {
		const uint32_t a = order[i];
		const bool still = loaded && rng_chance(r, 25);
		stride[a] = still ? 0 : at;
		at *= still ? 1 : (ptrdiff_t)p->extent[a];
		at += !still && rng_chance(r, 20) ? 1 : 0;
	}
	return span_of(p->rank, p->extent, stride);
}

static void fill_operand(rng *r, pair *x, uint32_t i, uint32_t dtype, size_t count, bool whole)
{
	float *f = random_floats(r, count);
	uint8_t bytes[8192];
	cr_assert_leq(count * kernel_dtype_bytes(dtype), sizeof bytes);
	for (size_t k = 0; whole && k < count; k++)
		f[k] = roundf(f[k] * 12);
	for (size_t k = 0; k < count; k++) {
		uint32_t bits;
		memcpy(&bits, &f[k], sizeof bits);
		if (dtype == KERNEL_I32)
			((int32_t *)(void *)bytes)[k] = (int32_t)f[k];
		else if (dtype == KERNEL_BF16)
			((uint16_t *)(void *)bytes)[k] = (uint16_t)(bits >> 16);
		else if (dtype == KERNEL_U8)
			bytes[k] = (uint8_t)fabsf(f[k]);
		else if (dtype == KERNEL_I8)
			bytes[k] = (uint8_t)(int8_t)f[k];
		else
			((float *)(void *)bytes)[k] = f[k];
	}
	pair_bytes(x, i, bytes, count * kernel_dtype_bytes(dtype));
	x->operand[i].floats = dtype == KERNEL_F32;
}

static void random_case(rng *r, bool whole)
{
	static const uint32_t types[] = { KERNEL_F32, KERNEL_F32, KERNEL_F32, KERNEL_U8, KERNEL_I8, KERNEL_BF16, KERNEL_I32 };
	eltwise_params p = { .rank = (uint32_t)rng_range(r, 1, 5) };
	const uint32_t in = (uint32_t)rng_range(r, 1, 8), out = (uint32_t)rng_range(r, 1, ELTWISE_MAX_OPERANDS - in < 4 ? ELTWISE_MAX_OPERANDS - in : 4);
	pair x;
	char what[100];
	for (uint32_t a = 0; a < p.rank; a++)
		p.extent[a] = rng_range(r, 1, p.rank == 1 ? 200 : p.rank < 4 ? 9 : 4);
	p.operands = in + out;
	pair_begin(&x, KERNEL_eltwise, &p);
	for (uint32_t i = 0; i < p.operands; i++) {
		/* what is rounded to integers may differ by one where it is not exact */
		p.operand[i].dtype = i < in || whole ? types[rng_range(r, 0, COUNT(types) - 1)] : KERNEL_F32;
		fill_operand(r, &x, i, p.operand[i].dtype, random_operand(r, &p, i < in, p.operand[i].stride), whole);
	}
	random_program(r, &p.program, in, out, whole);
	cr_assert(program_valid(&p.program, p.operands, 0));
	snprintf(what, sizeof what, "%s program of %u instructions, %u operands in, %u out, rank %u", whole ? "exact" : "smooth",
	         p.program.count, in, out, p.rank);
	pair_run(&x, whole ? 0 : 1e-4, what);
}

Test(programs, on_whole_numbers_give_the_same_bits, .init = pair_open, .fini = pair_close)
{
	rng r = { 50 };
	for (int i = 0; i < 30; i++)
		random_case(&r, true);
}

Test(programs, of_smooth_functions_agree, .init = pair_open, .fini = pair_close)
{
	rng r = { 51 };
	for (int i = 0; i < 20; i++)
		random_case(&r, false);
}

/* ---- Graphs: a plan makes one step of a chain, the step one launch ---- */

static const char *const unary[] = { "Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Softsign", "HardSwish", "Elu", "Softplus", "Erf", "Sin" };
static const char *const binary[] = { "Add", "Sub", "Mul", "Max", "Min" };

static clast_model *random_chain(rng *r, size_t length)
{
	static const int64_t shapes[][4] = { { 2, 5, 4, 7 }, { 1, 5, 1, 1 }, { 1, 1, 4, 7 }, { 1, 1, 1, 1 }, { 2, 5, 4, 1 } };
	static const char *const inputs[] = { "a", "b", "c", "d", "e" };
	clast_builder *b = NULL;
	clast_model *m = NULL;
	char names[40][24];
	cr_assert_eq(clast_builder_create(14, NULL, &b, NULL), CLAST_OK);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(clast_builder_input(b, inputs[i], CLAST_FLOAT32, 4, shapes[i], NULL, NULL), CLAST_OK);
	const char *last = "a";
	for (size_t k = 0; k < length; k++) {
		snprintf(names[k], sizeof names[k], "v%zu", k);
		const bool two = rng_chance(r, 50);
		const char *in[2] = { last, inputs[rng_range(r, 0, 4)] };
		const char *op = two ? binary[rng_range(r, 0, 4)] : unary[rng_range(r, 0, COUNT(unary) - 1)];
		cr_assert_eq(clast_builder_node(b, op, "", names[k], two ? 2 : 1, in, 1, (const char *[]){ names[k] }, 0, NULL, NULL), CLAST_OK);
		last = names[k];
	}
	cr_assert_eq(clast_builder_output(b, last, NULL), CLAST_OK);
	cr_assert_eq(clast_builder_finish(&b, &m, NULL), CLAST_OK);
	return m;
}

static size_t run_chain(clast_model *m, const char *where, float *out)
{
	clast_diag diag = { 0 };
	clast_plan *plan = NULL;
	clast_session *session = NULL;
	clast_tensor *x[5], *y = NULL;
	clast_plan_report report = { .struct_size = sizeof report };
	static const int64_t shapes[][4] = { { 2, 5, 4, 7 }, { 1, 5, 1, 1 }, { 1, 1, 4, 7 }, { 1, 1, 1, 1 }, { 2, 5, 4, 1 } };
	const clast_plan_options po = { .struct_size = sizeof po, .device = where };
	const clast_session_options so = { .struct_size = sizeof so, .threads = 1 };
	rng r = { 9 };
	cr_assert_eq(clast_plan_create(m, &po, &plan, &diag), CLAST_OK, "%s", diag.message);
	cr_assert_eq(clast_session_create(plan, &so, &session, &diag), CLAST_OK, "%s", diag.message);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 4, shapes[i], NULL, &x[i], &diag), CLAST_OK);
		for (size_t k = 0; k < clast_tensor_count(x[i]); k++)
			((float *)clast_tensor_data(x[i]))[k] = rng_float(&r);
	}
	cr_assert_eq(clast_session_run(session, 5, (const clast_tensor *const *)x, 1, &y, &diag), CLAST_OK, "%s", diag.message);
	cr_assert_eq(clast_tensor_read(y, out, 280 * sizeof *out), CLAST_OK);
	cr_assert_eq(clast_plan_get_report(plan, &report), CLAST_OK);
	for (int i = 0; i < 5; i++)
		clast_tensor_free(&x[i]);
	clast_session_free(&session);
	clast_plan_free(&plan);
	cr_expect_eq(strcmp(where, "cpu") ? report.cpu_steps : 0, 0);
	return report.device_steps;
}

Test(programs, chains_of_operators_become_one_launch)
{
	const char *name = device_or_skip();
	rng r = { 52 };
	for (int i = 0; i < 12; i++) {
		float a[280], b[280];
		clast_model *m = random_chain(&r, rng_range(&r, 2, 11));
		run_chain(m, "cpu", a);
		const size_t steps = run_chain(m, name, b);
		cr_expect_eq(steps, 1, "chain %d became %zu steps", i, steps);
		for (size_t k = 0; k < 280; k++)
			cr_assert_float_eq(a[k], b[k], 1e-5f + 1e-5f * fabsf(a[k]), "chain %d, element %zu: %.9g and %.9g", i, k, (double)a[k], (double)b[k]);
		clast_model_free(&m);
	}
}
