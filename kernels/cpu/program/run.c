#include "program/run.h"

#include "program/convert.h"
#include "vector/math.h"

/* A block in work: where the current value of each register lies. A register that was loaded from dense
 * memory is that memory; everything else lies in scratch. */
typedef struct block {
	size_t rows, cols, n;
	const float *reg[PROGRAM_REGISTERS];
	float *own[PROGRAM_REGISTERS];
} block;

static bool is_dense(const program_view *v, const block *b)
{
	return v->dtype == KERNEL_F32 && v->col == 1 && (b->rows == 1 || v->row == (ptrdiff_t)b->cols);
}

/* Registers may alias operand memory only if whole vectors can be read and nothing is stored while they live.
 */
static bool may_alias(const program_view *v, const block *b)
{
	return b->n % VEC == 0 && is_dense(v, b);
}

static void fill(float *to, float x, size_t n)
{
	const vec v = splat(x);
	size_t i = 0;
	for (; i + VEC <= n; i += VEC)
		store(to + i, v);
	for (; i < n; i++)
		to[i] = x;
}

static void load_row(const program_view *v, const char *from, size_t n, float *to)
{
	if (v->col == 0) {
		float x = 0;
		convert_in(v->dtype, from, 0, 1, &x);
		fill(to, x, n);
	} else if (v->dtype == KERNEL_F32 && v->col == 1) {
		copy_floats(to, (const float *)from, n);
	} else {
		convert_in(v->dtype, from, v->col, n, to);
	}
}

static void load_block(const program_view *v, const block *b, float *to)
{
	const ptrdiff_t step = v->row * (ptrdiff_t)kernel_dtype_bytes(v->dtype);
	if (is_dense(v, b)) {
		copy_floats(to, (const float *)v->base, b->n);
	} else if (v->col == 0 && v->row == 0) {
		load_row(v, v->base, b->n, to);
	} else if (v->row == 0) {
		load_row(v, v->base, b->cols, to);
		for (size_t r = 1; r < b->rows; r++)
			copy_floats(to + r * b->cols, to, b->cols);
	} else {
		for (size_t r = 0; r < b->rows; r++)
			load_row(v, v->base + (ptrdiff_t)r * step, b->cols, to + r * b->cols);
	}
}

static void store_block(const program_view *v, const block *b, const float *from)
{
	if ((const char *)from == v->base)
		return;
	if (is_dense(v, b)) {
		copy_floats((float *)v->base, from, b->n);
		return;
	}
	const ptrdiff_t step = v->row * (ptrdiff_t)kernel_dtype_bytes(v->dtype);
	for (size_t r = 0; r < b->rows; r++) {
		char *to = v->base + (ptrdiff_t)r * step;
		if (v->dtype == KERNEL_F32 && v->col == 1)
			copy_floats((float *)to, from + r * b->cols, b->cols);
		else
			convert_out(v->dtype, from + r * b->cols, b->cols, to, v->col);
	}
}

/* x^y through doubles, so that the result is rounded once: relative error of 2^log2 about 1e-9. Only for x
 * normal, positive and finite, |y| finite. */
typedef double dvec __attribute__((vector_size(8 * VEC)));
typedef int64_t lvec __attribute__((vector_size(8 * VEC)));

static inline void pow_normal(const float *x, const float *y, float *to)
{
	double m[VEC], e[VEC], t[VEC];
	for (int i = 0; i < VEC; i++) {
		const int32_t bits = (int32_t)bits_of_float(x[i]);
		const int32_t exponent = (bits - 0x3f3504f3) >> 23;
		m[i] = float_of_bits((uint32_t)(bits - exponent * (1 << 23)));
		e[i] = exponent;
	}
	for (int i = 0; i < VEC; i++) {
		/* log2(m) = 2 / ln 2 * atanh((m - 1) / (m + 1)), |s| < 0.172 */
		const double s = (m[i] - 1) / (m[i] + 1), q = s * s;
		double p = 1.0 / 13 * q + 1.0 / 11;
		p = p * q + 1.0 / 9;
		p = p * q + 1.0 / 7;
		p = p * q + 1.0 / 5;
		p = p * q + 1.0 / 3;
		p = p * q * s + s;
		t[i] = (p * 2.885390081777926815 + e[i]) * y[i];
	}
	for (int i = 0; i < VEC; i++) {
		double v = t[i] < -160 ? -160 : t[i];
		v = v > 130 ? 130 : v;
		/* Adding 1.5 * 2^52 rounds to an integer. */
		const double shifted = v + 6755399441055744.0, n = shifted - 6755399441055744.0;
		const double f = (v - n) * 0.6931471805599453094;
		double p = f * (1.0 / 40320) + 1.0 / 5040;
		p = p * f + 1.0 / 720;
		p = p * f + 1.0 / 120;
		p = p * f + 1.0 / 24;
		p = p * f + 1.0 / 6;
		p = p * f + 0.5;
		p = p * f + 1;
		p = p * f + 1;
		uint64_t bits;
		memcpy(&bits, &shifted, sizeof bits);
		bits = (bits + 1023) << 52;
		double scale;
		memcpy(&scale, &bits, sizeof scale);
		to[i] = (float)(p * scale);
	}
}

static vec vec_pow(vec x, vec y)
{
	float a[VEC], b[VEC], to[VEC];
	memcpy(a, &x, sizeof a);
	memcpy(b, &y, sizeof b);
	const ivec plain = (x >= 1.17549435e-38f) & (x < INFINITY) & (vec_abs(y) < INFINITY);
	int32_t ok[VEC], all = -1;
	memcpy(ok, &plain, sizeof ok);
	for (int i = 0; i < VEC; i++)
		all &= ok[i];
	if (all)
		pow_normal(a, b, to);
	else
		for (int i = 0; i < VEC; i++)
			to[i] = powf(a[i], b[i]);
	memcpy(&x, to, sizeof x);
	return x;
}

static vec vec_mod(vec x, vec y)
{
	for (int i = 0; i < VEC; i++)
		x[i] = fmodf(x[i], y[i]);
	return x;
}

ALWAYS_INLINE vec mask_to_float(ivec mask)
{
	return (vec)(mask & (ivec)splat(1.0f));
}

/* The larger (smaller), NaN if either is. */
ALWAYS_INLINE vec max_nan(vec a, vec b)
{
	return vec_select(a == a, vec_max(a, b), a);
}

ALWAYS_INLINE vec min_nan(vec a, vec b)
{
	return vec_select(a == a, vec_min(a, b), a);
}

ALWAYS_INLINE vec softplus(vec x)
{
	return vec_max(splat(0), x) + vec_log1p(vec_exp(-vec_abs(x)));
}

/* One loop over the block for each operation; x, y, z are the sources. */
#define EACH(value)                                                                                          \
	for (size_t i = 0; i < n; i += VEC) {                                                                \
		const vec x = load(a + i);                                                                   \
		store(to + i, value);                                                                        \
	}                                                                                                    \
	break
#define EACH2(value)                                                                                         \
	for (size_t i = 0; i < n; i += VEC) {                                                                \
		const vec x = load(a + i), y = load(b + i);                                                  \
		store(to + i, value);                                                                        \
	}                                                                                                    \
	break
#define EACH3(value)                                                                                         \
	for (size_t i = 0; i < n; i += VEC) {                                                                \
		const vec x = load(a + i), y = load(b + i), z = load(c + i);                                 \
		store(to + i, value);                                                                        \
	}                                                                                                    \
	break

static void run_arithmetic(const program_instr *in, size_t n, const float *a, const float *b, const float *c,
			   float *to)
{
	const vec k = splat(in->imm[0]);
	switch (in->op) {
	case PROGRAM_CONST:
		fill(to, in->imm[0], n);
		break;
	case PROGRAM_MOVE:
		EACH(x);
	case PROGRAM_ADD:
		EACH2(x + y);
	case PROGRAM_SUB:
		EACH2(x - y);
	case PROGRAM_MUL:
		EACH2(x * y);
	case PROGRAM_DIV:
		EACH2(x / y);
	case PROGRAM_MAX:
		EACH2(max_nan(x, y));
	case PROGRAM_MIN:
		EACH2(min_nan(x, y));
	case PROGRAM_POW:
		EACH2(vec_pow(x, y));
	case PROGRAM_MOD:
		EACH2(vec_mod(x, y));
	case PROGRAM_PRELU:
		EACH2(vec_select(x < 0.0f, x * y, x));
	case PROGRAM_ADD_CONST:
		EACH(x + k);
	case PROGRAM_MUL_CONST:
		EACH(x * k);
	case PROGRAM_MUL_ADD:
		EACH3(x * y + z);
	}
}

static void run_mask(const program_instr *in, size_t n, const float *a, const float *b, const float *c,
		     float *to)
{
	const vec zero = splat(0);
	const float low = in->imm[0] != 0 ? -INFINITY : NAN, high = in->imm[1] != 0 ? INFINITY : NAN;
	switch (in->op) {
	case PROGRAM_EQUAL:
		EACH2(mask_to_float(x == y));
	case PROGRAM_LESS:
		EACH2(mask_to_float(x < y));
	case PROGRAM_LESS_EQUAL:
		EACH2(mask_to_float(x <= y));
	case PROGRAM_GREATER:
		EACH2(mask_to_float(x > y));
	case PROGRAM_GREATER_EQUAL:
		EACH2(mask_to_float(x >= y));
	case PROGRAM_AND:
		EACH2(mask_to_float((x != zero) & (y != zero)));
	case PROGRAM_OR:
		EACH2(mask_to_float((x != zero) | (y != zero)));
	case PROGRAM_XOR:
		EACH2(mask_to_float((x != zero) ^ (y != zero)));
	case PROGRAM_NOT:
		EACH(mask_to_float(x == zero));
	case PROGRAM_IS_NAN:
		EACH(mask_to_float(x != x));
	case PROGRAM_IS_INF:
		EACH(mask_to_float((x == low) | (x == high)));
	case PROGRAM_WHERE:
		EACH3(vec_select(x != zero, y, z));
	}
}

static void run_activation(const program_instr *in, size_t n, const float *a, float *to)
{
	const vec p = splat(in->imm[0]), q = splat(in->imm[1]), zero = splat(0), one = splat(1);
	switch (in->op) {
	case PROGRAM_RELU:
		EACH(vec_max(zero, x));
	case PROGRAM_CLIP:
		EACH(vec_clamp(x, p, q));
	case PROGRAM_LEAKY:
		EACH(vec_select(x < zero, x * p, x));
	case PROGRAM_ELU:
		EACH(vec_select(x < zero, p * vec_expm1(x), x));
	case PROGRAM_SELU:
		EACH(q * vec_select(x <= zero, p * vec_expm1(x), x));
	case PROGRAM_CELU:
		EACH(vec_select(x < zero, p * vec_expm1(x / p), x));
	case PROGRAM_SIGMOID:
		EACH(vec_sigmoid(x));
	case PROGRAM_TANH:
		EACH(vec_tanh(x));
	case PROGRAM_HARD_SIGMOID:
		EACH(vec_clamp(x * p + q, zero, one));
	case PROGRAM_HARD_SWISH:
		EACH(x * vec_clamp(x * (1.0f / 6) + 0.5f, zero, one));
	case PROGRAM_GELU:
		EACH(vec_gelu(x));
	case PROGRAM_GELU_TANH:
		EACH(x * 0.5f * (1.0f + vec_tanh((x * x * x * 0.044715f + x) * 0.797884561f)));
	case PROGRAM_SILU:
		if (in->imm[0] == 1) {
			EACH(x * vec_sigmoid(x));
		}
		EACH(x * vec_sigmoid(x * p));
	case PROGRAM_SOFTPLUS:
		EACH(softplus(x));
	case PROGRAM_SOFTSIGN:
		EACH(x / (1.0f + vec_abs(x)));
	case PROGRAM_MISH:
		EACH(x * vec_tanh(softplus(x)));
	case PROGRAM_THRESHOLDED:
		EACH(vec_select(x > p, x, zero));
	case PROGRAM_SHRINK:
		EACH(vec_select(x < -p, x + q, vec_select(x > p, x - q, zero)));
	}
}

static void run_function(const program_instr *in, size_t n, const float *a, float *to)
{
	const vec zero = splat(0), one = splat(1);
	switch (in->op) {
	case PROGRAM_EXP:
		EACH(vec_exp(x));
	case PROGRAM_LOG:
		EACH(vec_log(x));
	case PROGRAM_SQRT:
		EACH(vec_sqrt(x));
	case PROGRAM_RSQRT:
		EACH(one / vec_sqrt(x));
	case PROGRAM_RECIPROCAL:
		EACH(one / x);
	case PROGRAM_ABS:
		EACH(vec_abs(x));
	case PROGRAM_NEG:
		EACH(-x);
	case PROGRAM_SIGN:
		EACH(vec_select((x < zero) | (x > zero), vec_copysign(one, x), x));
	case PROGRAM_FLOOR:
		EACH(vec_floor(x));
	case PROGRAM_CEIL:
		EACH(vec_ceil(x));
	case PROGRAM_ROUND:
		EACH(vec_round(x));
	case PROGRAM_TRUNC:
		EACH(vec_trunc(x));
	case PROGRAM_SIN:
		EACH(vec_sin(x));
	case PROGRAM_COS:
		EACH(vec_cos(x));
	case PROGRAM_ERF:
		EACH(vec_erf(x));
	case PROGRAM_SQUARE:
		EACH(x * x);
	}
}

static void run_instr(const program_instr *in, size_t n, const float *a, const float *b, const float *c,
		      float *to)
{
	if (in->op < PROGRAM_EQUAL)
		run_arithmetic(in, n, a, b, c, to);
	else if (in->op < PROGRAM_RELU)
		run_mask(in, n, a, b, c, to);
	else if (in->op < PROGRAM_EXP)
		run_activation(in, n, a, to);
	else
		run_function(in, n, a, to);
}

/* What follows from the program alone. */
typedef struct outline {
	bool alias_loads; /* nothing is read after the first store: loaded registers may be operand memory */
	uint32_t last;    /* the instruction whose result is stored last and only, or count */
	unsigned final;   /* operand it is stored to (EPILOGUE_OUT: `out`) */
} outline;

enum { EPILOGUE_OUT = 255 };

static outline outline_of(const program *p, const program_view *out)
{
	outline o = { true, p->count, EPILOGUE_OUT };
	uint32_t stores = 0;
	for (uint32_t i = 0; i < p->count; i++)
		stores += p->code[i].op == PROGRAM_STORE;
	const program_instr *end = p->code + p->count;
	if (out) {
		o.alias_loads = stores == 0;
		if (stores == 0 && p->count > 0 && end[-1].dst == 0)
			o.last = p->count - 1;
	} else {
		o.alias_loads = stores == 1 && end[-1].op == PROGRAM_STORE;
		if (o.alias_loads && p->count > 1 && end[-2].dst == end[-1].a) {
			o.last = p->count - 2;
			o.final = end[-1].dst;
		}
	}
	if (o.last < p->count && p->code[o.last].op == PROGRAM_LOAD)
		o.last = p->count;
	return o;
}

static void run_block(const program *p, const outline *o, const program_view *view, const program_view *in,
		      const program_view *out, block *b)
{
	const size_t padded = div_up(b->n, VEC) * VEC;
	if (in) {
		b->reg[0] = b->own[0];
		if (o->alias_loads && may_alias(in, b))
			b->reg[0] = (const float *)in->base;
		else
			load_block(in, b, b->own[0]);
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const program_instr *c = &p->code[i];
		if (c->op == PROGRAM_STORE) {
			store_block(&view[c->dst], b, b->reg[c->a]);
			continue;
		}
		float *to = b->own[c->dst];
		if (c->op == PROGRAM_LOAD) {
			if (o->alias_loads && may_alias(&view[c->a], b)) {
				b->reg[c->dst] = (const float *)view[c->a].base;
				continue;
			}
			load_block(&view[c->a], b, to);
		} else {
			const program_view *final = o->final == EPILOGUE_OUT ? out : &view[o->final];
			if (i == o->last && may_alias(final, b))
				to = (float *) final->base;
			run_instr(c, padded, b->reg[c->a], b->reg[c->b], b->reg[c->c], to);
		}
		b->reg[c->dst] = to;
	}
	if (out)
		store_block(out, b, b->reg[0]);
}

static program_view view_at(const program_view *v, size_t row, size_t col)
{
	program_view w = *v;
	const ptrdiff_t offset = (ptrdiff_t)row * v->row + (ptrdiff_t)col * v->col;
	w.base += offset * (ptrdiff_t)kernel_dtype_bytes(v->dtype);
	return w;
}

static bool one_run(const program_view *v, size_t cols)
{
	return v->row == v->col * (ptrdiff_t)cols;
}

void program_run(const program *p, size_t rows, size_t cols, const program_view *view, const program_view *in,
		 const program_view *out, void *scratch)
{
	block b;
	for (size_t i = 0; i < PROGRAM_REGISTERS; i++)
		b.reg[i] = b.own[i] = (float *)scratch + i * PROGRAM_BLOCK;
	unsigned views = 0;
	for (uint32_t i = 0; i < p->count; i++) {
		const program_instr *c = &p->code[i];
		const unsigned used = c->op == PROGRAM_LOAD    ? c->a + 1u
				      : c->op == PROGRAM_STORE ? c->dst + 1u
							       : 0;
		views = used > views ? used : views;
	}
	bool merge = (!in || one_run(in, cols)) && (!out || one_run(out, cols));
	for (unsigned i = 0; i < views; i++)
		merge = merge && one_run(&view[i], cols);
	if (merge) {
		cols *= rows;
		rows = 1;
	}
	const outline o = outline_of(p, out);
	const size_t wide = size_min(cols, PROGRAM_BLOCK),
		     high = cols ? size_max(1, PROGRAM_BLOCK / cols) : 1;
	for (size_t r = 0; r < rows; r += high) {
		for (size_t c = 0; c < cols;) {
			b.rows = size_min(high, rows - r);
			b.cols = size_min(wide, cols - c);
			/* A single row is cut so that all but its last few elements are whole vectors. */
			if (b.rows == 1 && b.cols > VEC)
				b.cols -= b.cols % VEC;
			b.n = b.rows * b.cols;
			program_view at[ELTWISE_MAX_OPERANDS], first, last;
			for (unsigned i = 0; i < views; i++)
				at[i] = view_at(&view[i], r, c);
			if (in)
				first = view_at(in, r, c);
			if (out)
				last = view_at(out, r, c);
			run_block(p, &o, at, in ? &first : NULL, out ? &last : NULL, &b);
			c += b.cols;
		}
	}
}

void epilogue_run_along(const epilogue *e, void *const *args, size_t first, size_t axes, const size_t *at,
			size_t row_axis, size_t col_axis, size_t rows, size_t cols, const float *in,
			ptrdiff_t in_row, float *out, ptrdiff_t out_row, void *scratch)
{
	if (!(e->flags & EPILOGUE_PROGRAM)) {
		for (size_t r = 0; r < rows; r++)
			copy_floats(out + (ptrdiff_t)r * out_row, in + (ptrdiff_t)r * in_row, cols);
		return;
	}
	program_view view[EPILOGUE_MAX_OPERANDS];
	for (uint32_t i = 0; i < e->operands; i++) {
		const ptrdiff_t *stride = e->operand[i].stride;
		ptrdiff_t offset = 0;
		for (size_t a = 0; a < axes; a++)
			offset += (ptrdiff_t)at[a] * stride[a];
		const uint32_t dtype = e->operand[i].dtype;
		view[i] = (program_view){ (char *)args[first + i] +
						  offset * (ptrdiff_t)kernel_dtype_bytes(dtype),
					  dtype, stride[row_axis], stride[col_axis] };
	}
	const program_view from = { (char *)in, KERNEL_F32, in_row, 1 };
	const program_view to = { (char *)out, KERNEL_F32, out_row, 1 };
	program_run(&e->program, rows, cols, view, &from, &to, scratch);
}
