/* Elementwise programs: every operation against the C library in double, over operands of all kinds. */
#include "harness.h"

/* ---- What the operations mean ---- */

static double apply(const program_instr *in, double a, double b, double c)
{
	const double p = in->imm[0], q = in->imm[1];
	switch ((program_op)in->op) {
	case PROGRAM_MOVE:
		return a;
	case PROGRAM_CONST:
		return p;
	case PROGRAM_ADD:
		return a + b;
	case PROGRAM_SUB:
		return a - b;
	case PROGRAM_MUL:
		return a * b;
	case PROGRAM_DIV:
		return a / b;
	case PROGRAM_MAX:
		return isnan(a) || isnan(b) ? NAN : fmax(a, b);
	case PROGRAM_MIN:
		return isnan(a) || isnan(b) ? NAN : fmin(a, b);
	case PROGRAM_POW:
		return pow(a, b);
	case PROGRAM_MOD:
		return fmod(a, b);
	case PROGRAM_PRELU:
		return a < 0 ? a * b : a;
	case PROGRAM_ADD_CONST:
		return a + p;
	case PROGRAM_MUL_CONST:
		return a * p;
	case PROGRAM_MUL_ADD:
		return a * b + c;
	case PROGRAM_EQUAL:
		return a == b;
	case PROGRAM_LESS:
		return a < b;
	case PROGRAM_LESS_EQUAL:
		return a <= b;
	case PROGRAM_GREATER:
		return a > b;
	case PROGRAM_GREATER_EQUAL:
		return a >= b;
	case PROGRAM_AND:
		return a != 0 && b != 0;
	case PROGRAM_OR:
		return a != 0 || b != 0;
	case PROGRAM_XOR:
		return (a != 0) != (b != 0);
	case PROGRAM_NOT:
		return a == 0;
	case PROGRAM_IS_NAN:
		return isnan(a);
	case PROGRAM_IS_INF:
		return (p != 0 && a == -INFINITY) || (q != 0 && a == INFINITY);
	case PROGRAM_WHERE:
		return a != 0 ? b : c;
	case PROGRAM_RELU:
		return isnan(a) || a > 0 ? a : 0;
	case PROGRAM_CLIP:
		return isnan(a) ? a : fmin(fmax(a, p), q);
	case PROGRAM_LEAKY:
		return a < 0 ? p * a : a;
	case PROGRAM_ELU:
		return a < 0 ? p * expm1(a) : a;
	case PROGRAM_SELU:
		return q * (a <= 0 ? p * expm1(a) : a);
	case PROGRAM_CELU:
		return a < 0 ? p * expm1(a / p) : a;
	case PROGRAM_SIGMOID:
		return 1 / (1 + exp(-a));
	case PROGRAM_TANH:
		return tanh(a);
	case PROGRAM_HARD_SIGMOID:
		return isnan(a) ? a : fmax(0, fmin(1, p * a + q));
	case PROGRAM_HARD_SWISH:
		return isnan(a) ? a : a * fmax(0, fmin(1, a / 6 + 0.5));
	case PROGRAM_GELU:
		return a / 2 * (1 + erf(a * sqrt(0.5)));
	case PROGRAM_GELU_TANH:
		return a / 2 * (1 + tanh(sqrt(2 / M_PI) * (a + 0.044715 * a * a * a)));
	case PROGRAM_SILU:
		return a / (1 + exp(-p * a));
	case PROGRAM_SOFTPLUS:
		return fmax(a, 0) + log1p(exp(-fabs(a)));
	case PROGRAM_SOFTSIGN:
		return a / (1 + fabs(a));
	case PROGRAM_MISH:
		return a * tanh(fmax(a, 0) + log1p(exp(-fabs(a))));
	case PROGRAM_THRESHOLDED:
		return a > p ? a : 0;
	case PROGRAM_SHRINK:
		return a < -p ? a + q : a > p ? a - q : 0;
	case PROGRAM_EXP:
		return exp(a);
	case PROGRAM_LOG:
		return log(a);
	case PROGRAM_SQRT:
		return sqrt(a);
	case PROGRAM_RSQRT:
		return 1 / sqrt(a);
	case PROGRAM_RECIPROCAL:
		return 1 / a;
	case PROGRAM_ABS:
		return fabs(a);
	case PROGRAM_NEG:
		return -a;
	case PROGRAM_SIGN:
		return isnan(a) ? a : a > 0 ? 1 : a < 0 ? -1 : 0;
	case PROGRAM_FLOOR:
		return floor(a);
	case PROGRAM_CEIL:
		return ceil(a);
	case PROGRAM_ROUND:
		return rint(a);
	case PROGRAM_TRUNC:
		return trunc(a);
	case PROGRAM_SIN:
		return sin(a);
	case PROGRAM_COS:
		return cos(a);
	case PROGRAM_ERF:
		return erf(a);
	case PROGRAM_SQUARE:
		return a * a;
	case PROGRAM_LOAD:
	case PROGRAM_STORE:
	case PROGRAM_OP_COUNT:
		break;
	}
	cr_assert_fail("unknown operation %u", in->op);
	return 0;
}

/* Units in the last place of the float nearest to `exact`. */
static double ulps(float got, double exact)
{
	if (isnan(exact) || isnan(got))
		return isnan(exact) && isnan(got) ? 0 : INFINITY;
	/* Magnitudes that round to infinity. */
	if (fabs(exact) >= 0x1.ffffffp127 || isinf(got))
		return fabs(exact) >= 0x1.fffffcp127 && fabs(got) >= 0x1.fffffcp127f &&
				       !signbit(got) == !signbit(exact)
			       ? 0
			       : INFINITY;
	int e;
	frexp(exact, &e);
	e = e < -125 ? -125 : e;
	return fabs(got - exact) / ldexp(1, e - 24);
}

/* How far each operation may be off, in units in the last place; where a sum cancels, the unit is that of 1
 * or of the argument. */
typedef struct bound {
	double ulps, absolute;
} bound;

static bound bound_of(program_op op, double a, double b, double c)
{
	switch (op) {
	case PROGRAM_MUL_ADD:
		return (bound){ 0.501, 0x1p-23 * (fabs(a * b) + fabs(c)) };
	case PROGRAM_GELU:
		return (bound){ 4, fabs(a) * 0x1p-23 };
	case PROGRAM_GELU_TANH:
		return (bound){ 6, fabs(a) * 0x1p-22 };
	case PROGRAM_SIN:
	case PROGRAM_COS:
		return (bound){ 2, 0x1p-25 };
	case PROGRAM_MISH:
		return (bound){ 6, fabs(a) * 0x1p-148 };
	case PROGRAM_SILU:
		return (bound){ 4, fabs(a) * 0x1p-148 };
	case PROGRAM_SOFTPLUS:
	case PROGRAM_TANH:
	case PROGRAM_ELU:
	case PROGRAM_SELU:
	case PROGRAM_CELU:
		return (bound){ 4, 0x1p-149 };
	case PROGRAM_HARD_SIGMOID:
	case PROGRAM_HARD_SWISH:
		return (bound){ 2, 0x1p-23 };
	case PROGRAM_SIGMOID:
	case PROGRAM_EXP:
	case PROGRAM_LOG:
	case PROGRAM_ERF:
		return (bound){ 3, 0x1p-149 };
	case PROGRAM_RSQRT:
	case PROGRAM_SOFTSIGN:
		return (bound){ 1.51, 0 };
	case PROGRAM_POW:
		return (bound){ 1, 0 };
	default:
		return (bound){ 0.5000001, 0 };
	}
}

static program_instr random_instr(rng *r, program_op op)
{
	program_instr in = { .op = (uint8_t)op, .dst = 3, .a = 0, .b = 1, .c = 2 };
	in.imm[0] = rng_float(r);
	in.imm[1] = rng_float(r);
	if (op == PROGRAM_CLIP && in.imm[0] > in.imm[1]) {
		const float x = in.imm[0];
		in.imm[0] = in.imm[1];
		in.imm[1] = x;
	}
	if (op == PROGRAM_SHRINK || op == PROGRAM_CELU)
		in.imm[0] = fabsf(in.imm[0]) + 0.125f;
	if (op == PROGRAM_SILU)
		in.imm[0] = 1;
	return in;
}

/* dst = op(x, y, z) over n elements of three tensors. */
static eltwise_params three_operands(const program_instr *in, size_t n)
{
	eltwise_params p = { .rank = 1, .operands = 4, .extent = { n } };
	for (int i = 0; i < 4; i++)
		p.operand[i].stride[0] = 1;
	program *code = &p.program;
	for (uint8_t i = 0; i < 3; i++)
		code->code[code->count++] = (program_instr){ .op = PROGRAM_LOAD, .dst = i, .a = i };
	code->code[code->count++] = *in;
	code->code[code->count++] = (program_instr){ .op = PROGRAM_STORE, .dst = 3, .a = in->dst };
	cr_assert(program_valid(code, 4, 0));
	return p;
}

/* Multiplying and adding in two roundings differs where the product overflows. */
static bool may_overflow(program_op op, double a, double b)
{
	return (op == PROGRAM_MUL_ADD || op == PROGRAM_GELU_TANH) && fabs(a) * fmax(fabs(b), a * a) > 1e37;
}

static void check_op(rng *r, program_op op)
{
	const size_t n = 5003;
	const program_instr in = random_instr(r, op);
	const eltwise_params p = three_operands(&in, n);
	float *x[3];
	for (int o = 0; o < 3; o++) {
		x[o] = floats_new(n);
		for (size_t i = 0; i < n; i++)
			x[o][i] = rng_any(r);
	}
	EACH_ISA(t)
	{
		float *out = floats_untouched(n), *again = floats_untouched(n);
		void *args[] = { x[0], x[1], x[2], out };
		run_whole(t->kernel[KERNEL_eltwise], &p, args);
		for (size_t i = 0; i < n; i++) {
			const double a = x[0][i], b = x[1][i], c = x[2][i], want = apply(&in, a, b, c);
			const bound limit = bound_of(op, a, b, c);
			if (may_overflow(op, a, b))
				continue;
			cr_assert(ulps(out[i], want) <= limit.ulps || fabs(out[i] - want) <= limit.absolute,
				  "%s: %s(%a, %a, %a; %a, %a) is %a, expected %a (%g ulp)", t->isa,
				  program_op_name(op), a, b, c, (double)in.imm[0], (double)in.imm[1],
				  (double)out[i], want, ulps(out[i], want));
		}
		args[3] = again;
		run_pieces(r, t->kernel[KERNEL_eltwise], &p, args);
		cr_assert(same_bits(out, again, n * sizeof(float)), "%s: the cut into pieces shows", t->isa);
	}
	memory_free_all();
}

Test(program, every_operation_agrees_with_the_c_library)
{
	rng r = { 31 };
	for (program_op op = PROGRAM_CONST; op < PROGRAM_OP_COUNT; op++)
		check_op(&r, op);
}

Test(program, functions_are_exact_at_their_special_values)
{
	static const struct {
		program_op op;
		float x, y;
	} cases[] = {
		{ PROGRAM_EXP, -INFINITY, 0 },
		{ PROGRAM_EXP, INFINITY, INFINITY },
		{ PROGRAM_EXP, 0, 1 },
		{ PROGRAM_EXP, -200, 0 },
		{ PROGRAM_EXP, 89, INFINITY },
		{ PROGRAM_LOG, 0, -INFINITY },
		{ PROGRAM_LOG, -1, NAN },
		{ PROGRAM_LOG, INFINITY, INFINITY },
		{ PROGRAM_LOG, 1, 0 },
		{ PROGRAM_TANH, INFINITY, 1 },
		{ PROGRAM_TANH, -INFINITY, -1 },
		{ PROGRAM_TANH, -0.0f, -0.0f },
		{ PROGRAM_ERF, INFINITY, 1 },
		{ PROGRAM_ERF, -INFINITY, -1 },
		{ PROGRAM_ERF, -0.0f, -0.0f },
		{ PROGRAM_SIGMOID, INFINITY, 1 },
		{ PROGRAM_SIGMOID, -INFINITY, 0 },
		{ PROGRAM_SIGMOID, 0, 0.5f },
		{ PROGRAM_SIN, INFINITY, NAN },
		{ PROGRAM_COS, INFINITY, NAN },
		{ PROGRAM_SIN, -0.0f, -0.0f },
		{ PROGRAM_SQRT, -0.0f, -0.0f },
		{ PROGRAM_SQRT, -1, NAN },
		{ PROGRAM_RELU, NAN, NAN },
		{ PROGRAM_ROUND, -0.5f, -0.0f },
		{ PROGRAM_ROUND, 2.5f, 2 },
		{ PROGRAM_ROUND, 8388609, 8388609 },
		{ PROGRAM_CEIL, -0.5f, -0.0f },
		{ PROGRAM_FLOOR, -0.0f, -0.0f },
		{ PROGRAM_TRUNC, -0.5f, -0.0f },
		{ PROGRAM_FLOOR, -8388609, -8388609 },
		{ PROGRAM_SOFTPLUS, INFINITY, INFINITY },
		{ PROGRAM_SOFTPLUS, -INFINITY, 0 },
		{ PROGRAM_RECIPROCAL, -0.0f, -INFINITY },
	};
	EACH_ISA(t)
	{
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
			const program_instr in = { .op = (uint8_t)cases[i].op, .dst = 3 };
			const eltwise_params p = three_operands(&in, 1);
			float x = cases[i].x, y = 7;
			void *args[] = { &x, &x, &x, &y };
			run_whole(t->kernel[KERNEL_eltwise], &p, args);
			cr_assert((isnan(y) && isnan(cases[i].y)) ||
					  (y == cases[i].y && !signbit(y) == !signbit(cases[i].y)),
				  "%s: %s(%g) is %g", t->isa, program_op_name(cases[i].op), (double)x,
				  (double)y);
			memory_free_all();
		}
	}
}

/* ---- Operands: axes, strides, broadcasting, dtypes ---- */

typedef struct space {
	eltwise_params p;
	char *data[ELTWISE_MAX_OPERANDS];
	size_t count[ELTWISE_MAX_OPERANDS];
} space;

/* Operand o gets each axis with a stride of its own order, with gaps, or none. */
static void random_operand(rng *r, space *s, uint32_t o, bool stored)
{
	eltwise_params *p = &s->p;
	size_t order[KERNEL_MAX_AXES];
	for (size_t i = 0; i < p->rank; i++)
		order[i] = i;
	for (size_t i = 0; i + 1 < p->rank && rng_chance(r, 50); i++) {
		const size_t j = rng_range(r, i, p->rank - 1), k = order[i];
		order[i] = order[j];
		order[j] = k;
	}
	size_t step = rng_chance(r, 15) ? 2 : 1;
	for (size_t i = p->rank; i-- > 0;) {
		const size_t axis = order[i];
		if (!stored && rng_chance(r, 25))
			continue;
		p->operand[o].stride[axis] = (ptrdiff_t)step;
		step = step * p->extent[axis] + (rng_chance(r, 20) ? rng_range(r, 0, 4) : 0);
	}
	static const kernel_dtype dtypes[] = { KERNEL_F32, KERNEL_F32, KERNEL_F32,  KERNEL_U8,
					       KERNEL_I8,  KERNEL_F16, KERNEL_BF16, KERNEL_I32 };
	p->operand[o].dtype = dtypes[rng_range(r, 0, 7)];
	s->count[o] = span(p->rank, p->extent, p->operand[o].stride);
	const size_t bytes = s->count[o] * kernel_dtype_bytes(p->operand[o].dtype);
	s->data[o] = memory_new(bytes);
	if (p->operand[o].dtype == KERNEL_F32) {
		for (size_t i = 0; i < s->count[o]; i++)
			((float *)s->data[o])[i] = rng_float(r) * 100;
	} else if (p->operand[o].dtype == KERNEL_I32) {
		for (size_t i = 0; i < s->count[o]; i++)
			((int32_t *)s->data[o])[i] = (int32_t)rng_range(r, 0, 4000) - 2000;
	} else {
		/* Small exponents, so that any bits are ordinary numbers. */
		for (size_t i = 0; i < bytes; i++)
			s->data[o][i] = (char)(rng_next(r) & 0x3f);
	}
}

static double read_operand(uint32_t dtype, const void *data, ptrdiff_t at)
{
	uint32_t bits;
	float f;
	switch (dtype) {
	case KERNEL_U8:
		return ((const uint8_t *)data)[at];
	case KERNEL_I8:
		return ((const int8_t *)data)[at];
	case KERNEL_I32:
		return ((const int32_t *)data)[at];
	case KERNEL_BF16:
		bits = (uint32_t)((const uint16_t *)data)[at] << 16;
		memcpy(&f, &bits, sizeof f);
		return f;
	case KERNEL_F16: {
		const uint16_t h = ((const uint16_t *)data)[at];
		const int e = h >> 10 & 31, m = h & 1023;
		const double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
		return h >> 15 ? -v : v;
	}
	default:
		return ((const float *)data)[at];
	}
}

/* Half a unit of what the stored type can tell apart near v. */
static double resolution(uint32_t dtype, double v)
{
	switch (dtype) {
	case KERNEL_F32:
		return 0;
	case KERNEL_F16:
		return fmax(fabs(v) * 0x1p-11, 0x1p-25);
	case KERNEL_BF16:
		return fabs(v) * 0x1p-8;
	default:
		return 0.5;
	}
}

static double saturate(uint32_t dtype, double v)
{
	switch (dtype) {
	case KERNEL_U8:
		return fmin(fmax(v, 0), 255);
	case KERNEL_I8:
		return fmin(fmax(v, -128), 127);
	default:
		return v;
	}
}

static size_t index_of(const eltwise_params *p, size_t position, uint32_t o)
{
	size_t at = 0;
	for (size_t i = p->rank; i-- > 0;) {
		at += position % p->extent[i] * (size_t)p->operand[o].stride[i];
		position /= p->extent[i];
	}
	return at;
}

static void check_space(rng *r, const space *s, bool in_place)
{
	const eltwise_params *p = &s->p;
	size_t positions = 1;
	for (size_t i = 0; i < p->rank; i++)
		positions *= p->extent[i];
	EACH_ISA(t)
	{
		char *out[2];
		const size_t bytes = s->count[3] * kernel_dtype_bytes(p->operand[3].dtype);
		for (int run = 0; run < 2; run++) {
			out[run] = memory_new(bytes);
			memcpy(out[run], in_place ? s->data[0] : s->data[3], bytes);
			void *args[] = { in_place ? out[run] : s->data[0], s->data[1], s->data[2], out[run] };
			if (run)
				run_pieces(r, t->kernel[KERNEL_eltwise], p, args);
			else
				run_whole(t->kernel[KERNEL_eltwise], p, args);
		}
		cr_assert(same_bits(out[0], out[1], bytes), "%s: the cut into pieces shows", t->isa);
		for (size_t i = 0; i < positions; i++) {
			double v[3];
			for (uint32_t o = 0; o < 3; o++)
				v[o] = read_operand(p->operand[o].dtype, s->data[o],
						    (ptrdiff_t)index_of(p, i, o));
			const double sum = (double)(float)(v[0] + v[1]), want = sum - v[2];
			const double got =
				read_operand(p->operand[3].dtype, out[0], (ptrdiff_t)index_of(p, i, 3));
			const double slack =
				(fabs(sum) + fabs(v[2])) * 0x1p-23 + resolution(p->operand[3].dtype, want);
			cr_assert(fabs(got - saturate(p->operand[3].dtype, want)) <= slack * 1.0001,
				  "%s: position %zu is %g, expected %g", t->isa, i, got, want);
		}
	}
	memory_free_all();
}

Test(program, operands_may_lie_and_broadcast_in_any_way)
{
	rng r = { 32 };
	for (int n = 0; n < 500; n++) {
		space s = { .p = { .rank = (uint32_t)rng_range(&r, 0, 5), .operands = 4 } };
		for (size_t i = 0; i < s.p.rank; i++)
			s.p.extent[i] = rng_range(&r, 1, rng_chance(&r, 20) ? 40 : 6);
		if (n % 25 == 0 && s.p.rank > 0)
			s.p.extent[s.p.rank - 1] = 1500;
		for (uint32_t o = 0; o < 4; o++)
			random_operand(&r, &s, o, o == 3);
		const bool in_place = n % 3 == 0;
		if (in_place) {
			s.p.operand[0] = s.p.operand[3];
			s.data[0] = s.data[3];
		}
		program *p = &s.p.program;
		p->count = 6;
		for (uint8_t i = 0; i < 3; i++)
			p->code[i] = (program_instr){ .op = PROGRAM_LOAD, .dst = i, .a = i };
		p->code[3] = (program_instr){ .op = PROGRAM_ADD, .dst = 1, .a = 0, .b = 1 };
		p->code[4] = (program_instr){ .op = PROGRAM_SUB, .dst = 7, .a = 1, .b = 2 };
		p->code[5] = (program_instr){ .op = PROGRAM_STORE, .dst = 3, .a = 7 };
		check_space(&r, &s, in_place);
	}
}

Test(program, a_loaded_register_keeps_its_value_when_the_memory_is_overwritten)
{
	EACH_ISA(t)
	{
		enum { N = 64 };
		float x[N], y[N];
		eltwise_params p = { .rank = 1, .operands = 2, .extent = { N } };
		p.operand[0].stride[0] = p.operand[1].stride[0] = 1;
		const program_instr code[] = { { .op = PROGRAM_LOAD, .dst = 0, .a = 0 },
					       { .op = PROGRAM_NEG, .dst = 1, .a = 0 },
					       { .op = PROGRAM_STORE, .dst = 0, .a = 1 },
					       { .op = PROGRAM_ADD_CONST, .dst = 0, .a = 0, .imm = { 1 } },
					       { .op = PROGRAM_STORE, .dst = 1, .a = 0 } };
		memcpy(p.program.code, code, sizeof code);
		p.program.count = 5;
		for (int i = 0; i < N; i++)
			x[i] = (float)i;
		void *args[] = { x, y };
		run_whole(t->kernel[KERNEL_eltwise], &p, args);
		for (int i = 0; i < N; i++)
			cr_assert(x[i] == -(float)i && y[i] == (float)i + 1);
	}
	memory_free_all();
}

Test(program, halves_convert_exactly_both_ways)
{
	EACH_ISA(t)
	{
		uint16_t *half = memory_new(65536 * 2), *back = memory_new(65536 * 2);
		float *wide = floats_new(65536);
		for (uint32_t i = 0; i < 65536; i++)
			half[i] = (uint16_t)i;
		eltwise_params p = { .rank = 1, .operands = 3, .extent = { 65536 } };
		p.operand[0].dtype = p.operand[2].dtype = KERNEL_F16;
		for (int i = 0; i < 3; i++)
			p.operand[i].stride[0] = 1;
		p.program.count = 3;
		p.program.code[0] = (program_instr){ .op = PROGRAM_LOAD };
		p.program.code[1] = (program_instr){ .op = PROGRAM_STORE, .dst = 1 };
		p.program.code[2] = (program_instr){ .op = PROGRAM_STORE, .dst = 2 };
		void *args[] = { half, wide, back };
		run_whole(t->kernel[KERNEL_eltwise], &p, args);
		for (uint32_t i = 0; i < 65536; i++) {
			const double want = read_operand(KERNEL_F16, half, i);
			cr_assert((isnan(want) && isnan(wide[i])) || wide[i] == want, "%s: %x", t->isa, i);
			cr_assert(isnan(want) ? (back[i] & 0x7fff) > 0x7c00 : back[i] == half[i], "%s: %x",
				  t->isa, i);
		}
		memory_free_all();
	}
}

Test(program, floats_round_to_the_nearest_half)
{
	rng r = { 33 };
	EACH_ISA(t)
	{
		enum { N = 20000 };
		float *wide = floats_new(N);
		uint16_t *half = memory_new(N * 2);
		for (int i = 0; i < N; i++)
			wide[i] = ldexpf(rng_float(&r), (int)rng_range(&r, 0, 44) - 27);
		eltwise_params p = { .rank = 1, .operands = 2, .extent = { N } };
		p.operand[0].stride[0] = p.operand[1].stride[0] = 1;
		p.operand[1].dtype = KERNEL_F16;
		p.program.count = 2;
		p.program.code[0] = (program_instr){ .op = PROGRAM_LOAD };
		p.program.code[1] = (program_instr){ .op = PROGRAM_STORE, .dst = 1 };
		void *args[] = { wide, half };
		run_whole(t->kernel[KERNEL_eltwise], &p, args);
		for (int i = 0; i < N; i++) {
			const double got = read_operand(KERNEL_F16, half, i), x = wide[i];
			if (fabs(x) >= 65520)
				cr_assert(isinf(got));
			else
				cr_assert(fabs(got - x) <= fmax(fabs(x) * 0x1p-11, 0x1p-25),
					  "%s: %a became %a", t->isa, x, got);
		}
		memory_free_all();
	}
}

Test(program, a_broken_program_is_not_valid)
{
	program p = { .count = 1 };
	p.code[0] = (program_instr){ .op = PROGRAM_OP_COUNT };
	cr_assert(!program_valid(&p, 4, 0));
	p.code[0] = (program_instr){ .op = PROGRAM_NEG, .dst = 0, .a = 0 };
	cr_assert(!program_valid(&p, 4, 0), "register 0 is not set");
	cr_assert(program_valid(&p, 4, 1));
	p.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 0, .a = 4 };
	cr_assert(!program_valid(&p, 4, 0));
	p.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = PROGRAM_REGISTERS, .a = 0 };
	cr_assert(!program_valid(&p, 4, 0));
	p.code[0] = (program_instr){ .op = PROGRAM_STORE, .dst = 4, .a = 0 };
	cr_assert(!program_valid(&p, 4, 1));
	p.count = PROGRAM_MAX_CODE + 1;
	cr_assert(!program_valid(&p, 4, 1));
}
