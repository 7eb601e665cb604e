/* Activations written out become one instruction, and only where that computes the same. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "cpu_kernels.h"
#include "lower.h"

#define R(...) (const program_instr[]){ __VA_ARGS__ }, sizeof((const program_instr[]){ __VA_ARGS__ }) / sizeof(program_instr)
#define CONST(d, k) { .op = PROGRAM_CONST, .dst = d, .imm = { k } }
#define UNARY(o, d, x, ...) { .op = PROGRAM_##o, .dst = d, .a = x, .imm = { __VA_ARGS__ } }
#define BINARY(o, d, x, y) { .op = PROGRAM_##o, .dst = d, .a = x, .b = y }

enum { COUNT = 1000 };

/* The program as an epilogue would run it: register 0 comes from memory and goes back. */
static void evaluate(const program *p, const float *in, float *out)
{
	eltwise_params e = { .rank = 1, .operands = 2, .extent = { COUNT } };
	e.operand[0].stride[0] = e.operand[1].stride[0] = 1;
	program *code = &e.program;
	code->code[code->count++] = (program_instr){ .op = PROGRAM_LOAD, .dst = 0, .a = 0 };
	memcpy(code->code + 1, p->code, p->count * sizeof *p->code);
	code->count += p->count;
	code->code[code->count++] = (program_instr){ .op = PROGRAM_STORE, .dst = 1, .a = 0 };
	const compute_kernel *k = cpu_kernels_get()->kernel[KERNEL_eltwise];
	void *scratch = aligned_alloc(64, (k->scratch_bytes(&e) + 64) / 64 * 64);
	void *args[] = { (void *)(uintptr_t)in, out };
	k->run(&e, args, 0, k->tasks(&e), scratch);
	free(scratch);
}

/* wanted: instructions that stay; what: one that must be among them, or PROGRAM_OP_COUNT. */
static void check(const program_instr *code, size_t count, uint32_t wanted, program_op what)
{
	static float in[COUNT], before[COUNT], after[COUNT];
	program p = { .count = (uint32_t)count }, q;
	memcpy(p.code, code, count * sizeof *code);
	q = p;
	for (int i = 0; i < COUNT; i++)
		in[i] = (float)(i - COUNT / 2) / 60;
	program_simplify(&q);
	cr_assert_eq(q.count, wanted, "%u instructions, expected %u", q.count, wanted);
	cr_assert(program_valid(&q, 1, 1));
	bool found = what == PROGRAM_OP_COUNT;
	for (uint32_t i = 0; i < q.count; i++)
		found |= q.code[i].op == what;
	cr_assert(found, "no %s", program_op_name(what));
	evaluate(&p, in, before);
	evaluate(&q, in, after);
	for (int i = 0; i < COUNT; i++)
		cr_assert_float_eq(after[i], before[i], 1e-6 + 1e-6 * fabs(before[i]), "%g gives %g, expected %g", (double)in[i],
		                   (double)after[i], (double)before[i]);
}

Test(simplify, gates)
{
	check(R(UNARY(SIGMOID, 1, 0), BINARY(MUL, 0, 0, 1)), 1, PROGRAM_SILU);
	check(R(UNARY(SIGMOID, 1, 0), BINARY(MUL, 0, 1, 0)), 1, PROGRAM_SILU);
	check(R(UNARY(HARD_SIGMOID, 3, 0, 0.16666667f, 0.5f), BINARY(MUL, 0, 3, 0)), 1, PROGRAM_HARD_SWISH);
	check(R(UNARY(NEG, 2, 0), UNARY(SIGMOID, 1, 2), UNARY(ABS, 0, 0), BINARY(MUL, 1, 2, 1), BINARY(ADD, 0, 0, 1)), 4,
	      PROGRAM_SILU);
	check(R(UNARY(SIGMOID, 1, 0), BINARY(MUL, 0, 0, 1), UNARY(SIGMOID, 1, 0), BINARY(MUL, 0, 0, 1)), 2, PROGRAM_SILU);
}

Test(simplify, gates_of_something_else_stay)
{
	check(R(UNARY(HARD_SIGMOID, 1, 0, 0.2f, 0.5f), BINARY(MUL, 0, 0, 1)), 2, PROGRAM_HARD_SIGMOID);
	check(R(UNARY(NEG, 2, 0), UNARY(SIGMOID, 1, 2), BINARY(MUL, 0, 0, 1)), 3, PROGRAM_SIGMOID);
	check(R(UNARY(SIGMOID, 1, 0), BINARY(MUL, 0, 0, 1), BINARY(ADD, 0, 0, 1)), 3, PROGRAM_SIGMOID);
	check(R(UNARY(SIGMOID, 1, 0), BINARY(MUL, 0, 1, 1)), 2, PROGRAM_SIGMOID);
	/* Register 0 is another value by the time of the product. */
	check(R(UNARY(SIGMOID, 1, 0), UNARY(ABS, 0, 0), BINARY(MUL, 0, 0, 1)), 3, PROGRAM_SIGMOID);
	check(R(UNARY(MOVE, 2, 0), UNARY(SIGMOID, 1, 2), UNARY(ABS, 2, 2), BINARY(MUL, 0, 0, 1), BINARY(ADD, 0, 0, 2)), 5,
	      PROGRAM_SIGMOID);
}

Test(simplify, gelu_in_every_form)
{
	const float root = 1.41421356f, inverse = 0.70710678f;
	check(R(CONST(6, root), BINARY(DIV, 1, 0, 6), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1), BINARY(MUL, 1, 0, 1),
	        UNARY(MUL_CONST, 0, 1, 0.5f)),
	      1, PROGRAM_GELU);
	check(R(UNARY(MUL_CONST, 1, 0, inverse), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1), BINARY(MUL, 0, 1, 0),
	        UNARY(MUL_CONST, 0, 0, 0.5f)),
	      1, PROGRAM_GELU);
	check(R(UNARY(MUL_CONST, 2, 0, 0.5f), UNARY(MUL_CONST, 1, 0, inverse), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1),
	        BINARY(MUL, 0, 2, 1)),
	      1, PROGRAM_GELU);
	check(R(UNARY(MUL_CONST, 1, 0, inverse), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1), UNARY(MUL_CONST, 1, 1, 0.5f),
	        BINARY(MUL, 0, 0, 1)),
	      1, PROGRAM_GELU);
	check(R(UNARY(NEG, 3, 0), CONST(6, root), BINARY(DIV, 1, 3, 6), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1),
	        BINARY(MUL, 3, 3, 1), UNARY(MUL_CONST, 3, 3, 0.5f), BINARY(SUB, 0, 3, 0)),
	      3, PROGRAM_GELU);
}

Test(simplify, other_uses_of_erf_stay)
{
	const float inverse = 0.70710678f;
	check(R(UNARY(MUL_CONST, 1, 0, 0.7f), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1), BINARY(MUL, 0, 0, 1),
	        UNARY(MUL_CONST, 0, 0, 0.5f)),
	      5, PROGRAM_ERF);
	check(R(UNARY(MUL_CONST, 1, 0, inverse), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1), BINARY(MUL, 0, 0, 1)), 4, PROGRAM_ERF);
	check(R(UNARY(MUL_CONST, 2, 0, 0.5f), UNARY(MUL_CONST, 1, 0, inverse), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1),
	        UNARY(MUL_CONST, 1, 1, 0.5f), BINARY(MUL, 0, 2, 1)),
	      6, PROGRAM_ERF);
	/* 1 + erf is read twice. */
	check(R(UNARY(MUL_CONST, 1, 0, inverse), UNARY(ERF, 1, 1), UNARY(ADD_CONST, 1, 1, 1), BINARY(MUL, 0, 0, 1),
	        UNARY(MUL_CONST, 0, 0, 0.5f), BINARY(ADD, 0, 0, 1)),
	      6, PROGRAM_ERF);
	/* Both factors begin alike; only one of them is erf's. */
	check(R(UNARY(MUL_CONST, 1, 0, 0.5f), UNARY(MUL_CONST, 2, 0, 0.5f), BINARY(MUL, 0, 1, 2)), 3, PROGRAM_MUL);
}
