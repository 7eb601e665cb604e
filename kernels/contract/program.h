/* Elementwise programs: fusion as data.
 *
 * A program is straight-line code over registers. A register holds one float32 for every element of a block;
 * CPU kernels interpret an instruction for a whole block that stays in the first-level cache, OpenCL turns
 * the program into source. Registers may be overwritten; dst may equal any source. Unset registers are
 * undefined.
 *
 * Comparisons and logic give and take masks: 0 is false, anything else true, results are 0 or 1.
 * Transcendental functions agree with the exact result to the bound in units in the last place that
 * kernels/cpu/vector/math.h states (at most 4), and give the IEEE results for NaN, infinities and zeros. */
#ifndef CONTRACT_PROGRAM_H
#define CONTRACT_PROGRAM_H

#include "kernel.h"

#define PROGRAM_MAX_CODE 40
#define PROGRAM_REGISTERS 8

typedef enum program_op {
	/* dst = operand `a`, converted to float32 */
	PROGRAM_LOAD,
	/* operand `dst` = register a. To an integer: rounded half to even and saturated, NaN gives 0. */
	PROGRAM_STORE,
	PROGRAM_CONST, /* dst = imm[0] */
	PROGRAM_MOVE,
	/* dst = a op b */
	PROGRAM_ADD,
	PROGRAM_SUB,
	PROGRAM_MUL,
	PROGRAM_DIV,
	PROGRAM_MAX, /* NaN if either is NaN */
	PROGRAM_MIN, /* NaN if either is NaN */
	PROGRAM_POW,
	PROGRAM_MOD,   /* C's fmod */
	PROGRAM_PRELU, /* a < 0 ? a * b : a */
	/* dst = a op imm[0] */
	PROGRAM_ADD_CONST,
	PROGRAM_MUL_CONST,
	/* dst = a * b + c; rounded once where the ISA can */
	PROGRAM_MUL_ADD,
	/* masks */
	PROGRAM_EQUAL,
	PROGRAM_LESS,
	PROGRAM_LESS_EQUAL,
	PROGRAM_GREATER,
	PROGRAM_GREATER_EQUAL,
	PROGRAM_AND,
	PROGRAM_OR,
	PROGRAM_XOR,
	PROGRAM_NOT,
	PROGRAM_IS_NAN,
	PROGRAM_IS_INF, /* imm[0] != 0: of -inf, imm[1] != 0: of +inf */
	PROGRAM_WHERE,  /* a ? b : c */
	/* dst = f(a) */
	PROGRAM_RELU,
	PROGRAM_CLIP,  /* min(max(a, imm[0]), imm[1]); NaN stays NaN */
	PROGRAM_LEAKY, /* a < 0 ? imm[0] * a : a */
	PROGRAM_ELU,   /* a < 0 ? imm[0] * (exp(a) - 1) : a */
	PROGRAM_SELU,  /* imm[1] * (a <= 0 ? imm[0] * (exp(a) - 1) : a) */
	PROGRAM_CELU,  /* max(a, 0) + min(0, imm[0] * (exp(a / imm[0]) - 1)) */
	PROGRAM_SIGMOID,
	PROGRAM_TANH,
	PROGRAM_HARD_SIGMOID, /* max(0, min(1, imm[0] * a + imm[1])) */
	PROGRAM_HARD_SWISH,   /* a * max(0, min(1, a / 6 + 0.5)) */
	PROGRAM_GELU,         /* a / 2 * (1 + erf(a / sqrt(2))) */
	PROGRAM_GELU_TANH,    /* a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 * a^3))) */
	PROGRAM_SILU,         /* a * sigmoid(imm[0] * a) */
	PROGRAM_SOFTPLUS,     /* log(exp(a) + 1) */
	PROGRAM_SOFTSIGN,     /* a / (1 + |a|) */
	PROGRAM_MISH,         /* a * tanh(softplus(a)) */
	PROGRAM_THRESHOLDED,  /* a > imm[0] ? a : 0 */
	PROGRAM_SHRINK,       /* a < -imm[0] ? a + imm[1] : a > imm[0] ? a - imm[1] : 0 */
	PROGRAM_EXP,
	PROGRAM_LOG,
	PROGRAM_SQRT,
	PROGRAM_RSQRT, /* 1 / sqrt(a) */
	PROGRAM_RECIPROCAL,
	PROGRAM_ABS,
	PROGRAM_NEG,
	PROGRAM_SIGN, /* -1, 0, 1; NaN stays NaN */
	PROGRAM_FLOOR,
	PROGRAM_CEIL,
	PROGRAM_ROUND, /* half to even */
	PROGRAM_TRUNC,
	PROGRAM_SIN,
	PROGRAM_COS,
	PROGRAM_ERF,
	PROGRAM_SQUARE,
	PROGRAM_OP_COUNT
} program_op;

typedef struct program_instr {
	uint8_t op; /* program_op */
	uint8_t dst;
	uint8_t a, b, c;
	uint8_t reserved[3]; /* 0 */
	float imm[2];
} program_instr;

typedef struct program {
	uint32_t count;
	program_instr code[PROGRAM_MAX_CODE];
} program;

/* How many of a, b, c the instruction reads as registers (PROGRAM_LOAD: 0), and its name ("hard_sigmoid"). */
unsigned program_op_sources(program_op op);
const char *program_op_name(program_op op);

/* Whether every register and operand index of the program is in range, and every register is set before use.
 * operands: how many there are. preset: registers that hold a value at the start (1 in an epilogue, else 0).
 * Kernels rely on it; a plan read from a file must be asked. */
bool program_valid(const program *p, unsigned operands, unsigned preset);

/* ---- The stand-alone kernel: a program over every element of a space of up to KERNEL_MAX_AXES axes ---- */

#define ELTWISE_MAX_OPERANDS 12

typedef struct eltwise_operand {
	uint32_t dtype;                    /* kernel_dtype */
	ptrdiff_t stride[KERNEL_MAX_AXES]; /* 0 broadcasts; must not be 0 for a stored operand with extent > 1
					    */
} eltwise_operand;

/* args[i] is operand i. Operands written by PROGRAM_STORE may be the same memory as loaded ones if dtype and
 * strides are the same. Fast where the innermost axis is contiguous or broadcast in every operand, and long.
 */
typedef struct eltwise_params {
	uint32_t rank;
	uint32_t operands;
	size_t extent[KERNEL_MAX_AXES]; /* outermost first */
	eltwise_operand operand[ELTWISE_MAX_OPERANDS];
	program program;
} eltwise_params;

/* ---- The same as the last act of a kernel that computes something else ---- */

#define EPILOGUE_MAX_OPERANDS 8
#define EPILOGUE_MAX_AXES 7

enum { EPILOGUE_RESIDUAL = 1, EPILOGUE_CLAMP = 2, EPILOGUE_PROGRAM = 4 };

/* v = result + bias; with EPILOGUE_RESIDUAL v += residual; with EPILOGUE_CLAMP v = min(max(v, min), max), NaN
 * stays; with EPILOGUE_PROGRAM the program runs with v in register 0 and leaves there what is written to the
 * output (PROGRAM_STORE may write further tensors of the same extents). Strides follow the axes of the
 * kernel's output, outermost first, as the kernel lists them; the last is the channel (column) axis. Residual
 * and operands are fast where that stride is 1 (or 0 for operands). Residual and operands may be the memory
 * of the output if strides are equal. */
typedef struct epilogue {
	uint32_t flags;
	float min, max;
	uint32_t operands;
	ptrdiff_t residual[EPILOGUE_MAX_AXES];
	struct {
		uint32_t dtype;
		ptrdiff_t stride[EPILOGUE_MAX_AXES];
	} operand[EPILOGUE_MAX_OPERANDS];
	program program;
} epilogue;

#endif
