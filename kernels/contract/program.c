#include "program.h"

typedef struct op_info {
	const char *name;
	uint8_t sources;
} op_info;

static const op_info info[PROGRAM_OP_COUNT] = {
	[PROGRAM_LOAD] = { "load", 0 },
	[PROGRAM_STORE] = { "store", 1 },
	[PROGRAM_CONST] = { "const", 0 },
	[PROGRAM_MOVE] = { "move", 1 },
	[PROGRAM_ADD] = { "add", 2 },
	[PROGRAM_SUB] = { "sub", 2 },
	[PROGRAM_MUL] = { "mul", 2 },
	[PROGRAM_DIV] = { "div", 2 },
	[PROGRAM_MAX] = { "max", 2 },
	[PROGRAM_MIN] = { "min", 2 },
	[PROGRAM_POW] = { "pow", 2 },
	[PROGRAM_MOD] = { "mod", 2 },
	[PROGRAM_PRELU] = { "prelu", 2 },
	[PROGRAM_ADD_CONST] = { "add_const", 1 },
	[PROGRAM_MUL_CONST] = { "mul_const", 1 },
	[PROGRAM_MUL_ADD] = { "mul_add", 3 },
	[PROGRAM_EQUAL] = { "equal", 2 },
	[PROGRAM_LESS] = { "less", 2 },
	[PROGRAM_LESS_EQUAL] = { "less_equal", 2 },
	[PROGRAM_GREATER] = { "greater", 2 },
	[PROGRAM_GREATER_EQUAL] = { "greater_equal", 2 },
	[PROGRAM_AND] = { "and", 2 },
	[PROGRAM_OR] = { "or", 2 },
	[PROGRAM_XOR] = { "xor", 2 },
	[PROGRAM_NOT] = { "not", 1 },
	[PROGRAM_IS_NAN] = { "is_nan", 1 },
	[PROGRAM_IS_INF] = { "is_inf", 1 },
	[PROGRAM_WHERE] = { "where", 3 },
	[PROGRAM_RELU] = { "relu", 1 },
	[PROGRAM_CLIP] = { "clip", 1 },
	[PROGRAM_LEAKY] = { "leaky", 1 },
	[PROGRAM_ELU] = { "elu", 1 },
	[PROGRAM_SELU] = { "selu", 1 },
	[PROGRAM_CELU] = { "celu", 1 },
	[PROGRAM_SIGMOID] = { "sigmoid", 1 },
	[PROGRAM_TANH] = { "tanh", 1 },
	[PROGRAM_HARD_SIGMOID] = { "hard_sigmoid", 1 },
	[PROGRAM_HARD_SWISH] = { "hard_swish", 1 },
	[PROGRAM_GELU] = { "gelu", 1 },
	[PROGRAM_GELU_TANH] = { "gelu_tanh", 1 },
	[PROGRAM_SILU] = { "silu", 1 },
	[PROGRAM_SOFTPLUS] = { "softplus", 1 },
	[PROGRAM_SOFTSIGN] = { "softsign", 1 },
	[PROGRAM_MISH] = { "mish", 1 },
	[PROGRAM_THRESHOLDED] = { "thresholded", 1 },
	[PROGRAM_SHRINK] = { "shrink", 1 },
	[PROGRAM_EXP] = { "exp", 1 },
	[PROGRAM_LOG] = { "log", 1 },
	[PROGRAM_SQRT] = { "sqrt", 1 },
	[PROGRAM_RSQRT] = { "rsqrt", 1 },
	[PROGRAM_RECIPROCAL] = { "reciprocal", 1 },
	[PROGRAM_ABS] = { "abs", 1 },
	[PROGRAM_NEG] = { "neg", 1 },
	[PROGRAM_SIGN] = { "sign", 1 },
	[PROGRAM_FLOOR] = { "floor", 1 },
	[PROGRAM_CEIL] = { "ceil", 1 },
	[PROGRAM_ROUND] = { "round", 1 },
	[PROGRAM_TRUNC] = { "trunc", 1 },
	[PROGRAM_SIN] = { "sin", 1 },
	[PROGRAM_COS] = { "cos", 1 },
	[PROGRAM_ERF] = { "erf", 1 },
	[PROGRAM_SQUARE] = { "square", 1 },
};

unsigned program_op_sources(program_op op)
{
	return (unsigned)op < PROGRAM_OP_COUNT ? info[op].sources : 0;
}

const char *program_op_name(program_op op)
{
	return (unsigned)op < PROGRAM_OP_COUNT ? info[op].name : "";
}

static bool instr_valid(const program_instr *in, unsigned operands, unsigned *set)
{
	if (in->op >= PROGRAM_OP_COUNT)
		return false;
	if (in->op == PROGRAM_LOAD && in->a >= operands)
		return false;
	if (in->dst >= (in->op == PROGRAM_STORE ? operands : PROGRAM_REGISTERS))
		return false;
	const uint8_t source[3] = { in->a, in->b, in->c };
	for (unsigned i = 0; i < info[in->op].sources; i++)
		if (source[i] >= PROGRAM_REGISTERS || !(*set >> source[i] & 1))
			return false;
	if (in->op != PROGRAM_STORE)
		*set |= 1u << in->dst;
	return true;
}

bool program_valid(const program *p, unsigned operands, unsigned preset)
{
	unsigned set = (1u << preset) - 1;
	if (p->count > PROGRAM_MAX_CODE || preset > PROGRAM_REGISTERS)
		return false;
	for (uint32_t i = 0; i < p->count; i++)
		if (!instr_valid(&p->code[i], operands, &set))
			return false;
	return true;
}
