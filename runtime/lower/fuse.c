/* Elementwise operators as instructions of programs. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "clip_attrs.h"
#include "elementwise.h"
#include "lower.h"

/* How the attributes become the instruction's immediates. */
typedef enum imm_rule { IMM_NONE, IMM_ALPHA, IMM_ALPHA_BETA, IMM_ALPHA_GAMMA, IMM_LAMBDA_BIAS } imm_rule;

typedef struct fusible {
	const char *name;
	program_op op;
	uint8_t sources; /* 1, 2; 0: as many as the node has, folded from the left */
	imm_rule imm;
} fusible;

/* One line an operator. Those that need more than one instruction or look at their inputs are in append_special. */
static const fusible fusibles[] = {
	{ "Abs", PROGRAM_ABS, 1, IMM_NONE },
	{ "Add", PROGRAM_ADD, 2, IMM_NONE },
	{ "Ceil", PROGRAM_CEIL, 1, IMM_NONE },
	{ "Celu", PROGRAM_CELU, 1, IMM_ALPHA },
	{ "Cos", PROGRAM_COS, 1, IMM_NONE },
	{ "Div", PROGRAM_DIV, 2, IMM_NONE },
	{ "Elu", PROGRAM_ELU, 1, IMM_ALPHA },
	{ "Erf", PROGRAM_ERF, 1, IMM_NONE },
	{ "Exp", PROGRAM_EXP, 1, IMM_NONE },
	{ "Floor", PROGRAM_FLOOR, 1, IMM_NONE },
	{ "Gelu", PROGRAM_GELU, 1, IMM_NONE },
	{ "HardSigmoid", PROGRAM_HARD_SIGMOID, 1, IMM_ALPHA_BETA },
	{ "HardSwish", PROGRAM_HARD_SWISH, 1, IMM_NONE },
	{ "LeakyRelu", PROGRAM_LEAKY, 1, IMM_ALPHA },
	{ "Log", PROGRAM_LOG, 1, IMM_NONE },
	{ "Max", PROGRAM_MAX, 0, IMM_NONE },
	{ "Min", PROGRAM_MIN, 0, IMM_NONE },
	{ "Mish", PROGRAM_MISH, 1, IMM_NONE },
	{ "Mul", PROGRAM_MUL, 2, IMM_NONE },
	{ "Neg", PROGRAM_NEG, 1, IMM_NONE },
	{ "PRelu", PROGRAM_PRELU, 2, IMM_NONE },
	{ "Pow", PROGRAM_POW, 2, IMM_NONE },
	{ "Reciprocal", PROGRAM_RECIPROCAL, 1, IMM_NONE },
	{ "Relu", PROGRAM_RELU, 1, IMM_NONE },
	{ "Round", PROGRAM_ROUND, 1, IMM_NONE },
	{ "Selu", PROGRAM_SELU, 1, IMM_ALPHA_GAMMA },
	{ "Shrink", PROGRAM_SHRINK, 1, IMM_LAMBDA_BIAS },
	{ "Sigmoid", PROGRAM_SIGMOID, 1, IMM_NONE },
	{ "Sign", PROGRAM_SIGN, 1, IMM_NONE },
	{ "Sin", PROGRAM_SIN, 1, IMM_NONE },
	{ "Softplus", PROGRAM_SOFTPLUS, 1, IMM_NONE },
	{ "Softsign", PROGRAM_SOFTSIGN, 1, IMM_NONE },
	{ "Sqrt", PROGRAM_SQRT, 1, IMM_NONE },
	{ "Sub", PROGRAM_SUB, 2, IMM_NONE },
	{ "Sum", PROGRAM_ADD, 0, IMM_NONE },
	{ "Swish", PROGRAM_SILU, 1, IMM_ALPHA },
	{ "Tanh", PROGRAM_TANH, 1, IMM_NONE },
	{ "ThresholdedRelu", PROGRAM_THRESHOLDED, 1, IMM_ALPHA },
};

/* Operators whose result is true or false. */
typedef struct predicate {
	const char *name;
	program_op op;
	uint8_t sources;
	bool masks; /* of bool; otherwise of numbers */
} predicate;

static const predicate predicates[] = {
	{ "And", PROGRAM_AND, 2, true },
	{ "Equal", PROGRAM_EQUAL, 2, false },
	{ "Greater", PROGRAM_GREATER, 2, false },
	{ "GreaterOrEqual", PROGRAM_GREATER_EQUAL, 2, false },
	{ "IsInf", PROGRAM_IS_INF, 1, false },
	{ "IsNaN", PROGRAM_IS_NAN, 1, false },
	{ "Less", PROGRAM_LESS, 2, false },
	{ "LessOrEqual", PROGRAM_LESS_EQUAL, 2, false },
	{ "Not", PROGRAM_NOT, 1, true },
	{ "Or", PROGRAM_OR, 2, true },
	{ "Xor", PROGRAM_XOR, 2, true },
};

static const predicate *find_predicate(const char *name)
{
	for (size_t i = 0; i < sizeof predicates / sizeof *predicates; i++)
		if (!strcmp(predicates[i].name, name))
			return &predicates[i];
	return NULL;
}

static const fusible *find(const char *name)
{
	for (size_t i = 0; i < sizeof fusibles / sizeof *fusibles; i++)
		if (!strcmp(fusibles[i].name, name))
			return &fusibles[i];
	return NULL;
}

static bool scalar_of(const infer_value *v, double *x)
{
	if (!v->present || !v->data || !v->data->data || view_count(v->data) != 1)
		return false;
	*x = load_real(v->data, 0);
	return true;
}

static bool is_clip(const lower_node *x)
{
	return !strcmp(x->n->op->name, "Clip") && !x->n->op->domain[0];
}

/* The bounds of Clip if they are known now. */
static bool clip_bounds(const lower_node *x, float *low, float *high)
{
	double lo = -INFINITY, hi = INFINITY;
	if (x->n->version < 11) {
		const clip_attrs *a = x->n->attrs;
		lo = a->min;
		hi = a->max;
	} else {
		if (x->n->n_in > 1 && x->in[1].present && !scalar_of(&x->in[1], &lo))
			return false;
		if (x->n->n_in > 2 && x->in[2].present && !scalar_of(&x->in[2], &hi))
			return false;
	}
	*low = (float)lo;
	*high = (float)hi;
	return true;
}

static bool is_where(const lower_node *x)
{
	return !strcmp(x->n->op->name, "Where") && !x->n->op->domain[0];
}

static bool is_cast(const lower_node *x)
{
	return !strcmp(x->n->op->name, "Cast") && !x->n->op->domain[0];
}

/* Registers are float32, which holds these without loss. */
static bool is_small_float(clast_dtype t)
{
	return t == CLAST_FLOAT32 || t == CLAST_FLOAT16 || t == CLAST_BFLOAT16;
}

static bool is_small_integer(clast_dtype t)
{
	return t == CLAST_BOOL || t == CLAST_UINT8 || t == CLAST_INT8;
}

/* Conversions whose result a rounding store gives. From reals to integers ONNX cuts off, and what does not fit is left to the reference. */
static bool casts(clast_dtype from, clast_dtype to)
{
	if (to == CLAST_BOOL)
		return is_small_float(from) || is_small_integer(from) || from == CLAST_INT32;
	if (is_small_float(to))
		return is_small_float(from) || is_small_integer(from) || (from == CLAST_INT32 && to == CLAST_FLOAT32);
	return to == CLAST_INT32 && is_small_integer(from);
}

static bool inputs_are(const lower_node *x, uint32_t first, clast_dtype t)
{
	for (uint32_t i = first; i < x->n->n_in; i++)
		if (x->in[i].present && x->in[i].dtype != t)
			return false;
	return true;
}

static bool accepts_predicate(const lower_node *x, const predicate *p)
{
	const clast_dtype t = x->in[0].dtype;
	const elementwise_attrs *a = x->n->attrs;
	if (p->sources == 2 && x->n->version < 7 && a->broadcast && a->axis != NO_AXIS)
		return false;
	return x->out[0].dtype == CLAST_BOOL && x->n->n_in == p->sources && inputs_are(x, 1, t) &&
	       (p->masks ? t == CLAST_BOOL : is_small_float(t) || is_small_integer(t));
}

/* Before opset 7 the second operand may be aligned to an axis of the first. */
static bool is_plain_broadcast(const lower_node *x)
{
	const bool arithmetic = !strcmp(x->n->op->name, "Add") || !strcmp(x->n->op->name, "Sub") || !strcmp(x->n->op->name, "Mul") ||
	                        !strcmp(x->n->op->name, "Div") || !strcmp(x->n->op->name, "Pow") || !strcmp(x->n->op->name, "PRelu");
	if (!arithmetic || x->n->version >= 7)
		return true;
	const elementwise_attrs *a = x->n->attrs;
	return !strcmp(x->n->op->name, "PRelu") || !a->broadcast || a->axis == NO_AXIS;
}

bool fuse_accepts(const lower_node *x)
{
	const node *n = x->n;
	float lo, hi;
	if (n->op->domain[0] || n->n_out != 1 || !x->out[0].present || !n->n_in || !x->in[0].present)
		return false;
	const clast_dtype t = x->out[0].dtype;
	const predicate *p = find_predicate(n->op->name);
	if (p)
		return accepts_predicate(x, p);
	if (is_cast(x))
		return casts(x->in[0].dtype, t);
	if (is_where(x))
		return (is_small_float(t) || is_small_integer(t)) && x->in[0].dtype == CLAST_BOOL && inputs_are(x, 1, t);
	if (!is_small_float(t) || !inputs_are(x, 0, t))
		return false;
	if (is_clip(x))
		return clip_bounds(x, &lo, &hi);
	/* PRelu's slope broadcasts to x only; a slope of rank 1 is aligned at the right like any operand. */
	return find(n->op->name) && is_plain_broadcast(x);
}

/* ---- Programs ---- */

static bool add(program *p, program_op what, uint8_t dst, uint8_t a, uint8_t b, uint8_t c, float x, float y)
{
	if (p->count == PROGRAM_MAX_CODE)
		return false;
	p->code[p->count++] = (program_instr){ .op = (uint8_t)what, .dst = dst, .a = a, .b = b, .c = c, .imm = { x, y } };
	return true;
}

/* Brings input i into a register: its own, or `into`. 255 on failure. */
static uint8_t fetch(const lower_node *x, program *p, const uint8_t *sources, uint32_t i, uint8_t into)
{
	double k;
	if (sources[i] == 255) {
		if (!scalar_of(&x->in[i], &k))
			return 255;
		return add(p, PROGRAM_CONST, into, 0, 0, 0, (float)k, 0) ? into : 255;
	}
	if (sources[i] < 16)
		return sources[i];
	return add(p, PROGRAM_LOAD, into, (uint8_t)(sources[i] - 16), 0, 0, 0, 0) ? into : 255;
}

static void immediates(const lower_node *x, imm_rule rule, float *imm)
{
	const elementwise_attrs *a = x->n->attrs;
	imm[0] = imm[1] = 0;
	switch (rule) {
	case IMM_NONE:
		break;
	case IMM_ALPHA:
		imm[0] = a->alpha;
		break;
	case IMM_ALPHA_BETA:
		imm[0] = a->alpha;
		imm[1] = a->beta;
		break;
	case IMM_ALPHA_GAMMA:
		imm[0] = a->alpha;
		imm[1] = a->gamma;
		break;
	case IMM_LAMBDA_BIAS:
		imm[0] = a->lambda;
		imm[1] = a->bias;
		break;
	}
}

static bool append_unary(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst)
{
	float imm[2] = { 0 };
	program_op what;
	if (is_clip(x)) {
		what = PROGRAM_CLIP;
		if (!clip_bounds(x, &imm[0], &imm[1]))
			return false;
		/* ONNX: the upper bound wins where the two cross. */
		if (imm[0] > imm[1])
			imm[0] = imm[1];
	} else {
		const fusible *m = find(x->n->op->name);
		what = m->op;
		immediates(x, m->imm, imm);
		if (what == PROGRAM_GELU && ((const elementwise_attrs *)x->n->attrs)->tanh_approximation)
			what = PROGRAM_GELU_TANH;
	}
	const uint8_t a = fetch(x, p, sources, 0, FUSE_TEMP);
	return a != 255 && add(p, what, dst, a, 0, 0, imm[0], imm[1]);
}

/* a op constant, where there is an instruction for it. */
static bool append_const(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst, program_op what, bool *done)
{
	double k;
	*done = false;
	const bool right = sources[1] == 255 && scalar_of(&x->in[1], &k);
	const bool left = !right && sources[0] == 255 && (what == PROGRAM_ADD || what == PROGRAM_MUL) && scalar_of(&x->in[0], &k);
	if (!right && !left)
		return true;
	program_op with;
	float imm = (float)k;
	if (what == PROGRAM_ADD || what == PROGRAM_SUB) {
		with = PROGRAM_ADD_CONST;
		imm = what == PROGRAM_SUB ? -imm : imm;
	} else if (what == PROGRAM_MUL) {
		with = PROGRAM_MUL_CONST;
	} else if (what == PROGRAM_POW && k == 2) {
		with = PROGRAM_SQUARE;
	} else if (what == PROGRAM_POW && k == 0.5) {
		with = PROGRAM_SQRT;
	} else {
		return true;
	}
	*done = true;
	const uint8_t a = fetch(x, p, sources, right ? 0 : 1, FUSE_TEMP);
	return a != 255 && add(p, with, dst, a, 0, 0, imm, 0);
}

/* source[0] op source[1] op ...; results gather in the first temporary until the last goes to dst. */
static bool append_fold(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst, const fusible *m)
{
	bool done = false;
	const uint32_t n = x->n->n_in;
	uint8_t a = 255;
	if (n == 2 && (!append_const(x, p, sources, dst, m->op, &done) || done))
		return done;
	a = fetch(x, p, sources, 0, FUSE_TEMP);
	for (uint32_t i = 1; i < n && a != 255; i++) {
		const uint8_t b = fetch(x, p, sources, i, FUSE_TEMP + 1), to = i + 1 == n ? dst : FUSE_TEMP;
		a = b != 255 && add(p, m->op, to, a, b, 0, 0, 0) ? to : 255;
	}
	return a != 255 && (a == dst || add(p, PROGRAM_MOVE, dst, a, 0, 0, 0, 0));
}

/* Condition and two values. dst is one of the sources' registers only if at most two have to be loaded. */
static bool append_where(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst)
{
	const uint8_t room[3] = { FUSE_TEMP, FUSE_TEMP + 1, dst };
	uint8_t regs[3];
	int used = 0;
	for (uint32_t i = 0; i < 3; i++) {
		regs[i] = fetch(x, p, sources, i, sources[i] < 16 ? 0 : room[used++]);
		if (regs[i] == 255)
			return false;
	}
	return add(p, PROGRAM_WHERE, dst, regs[0], regs[1], regs[2], 0, 0);
}

static bool append_predicate(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst, const predicate *what)
{
	const elementwise_attrs *at = x->n->attrs;
	const bool infinite = what->op == PROGRAM_IS_INF;
	const uint8_t a = fetch(x, p, sources, 0, FUSE_TEMP);
	const uint8_t b = what->sources == 2 && a != 255 ? fetch(x, p, sources, 1, FUSE_TEMP + 1) : 0;
	return a != 255 && b != 255 &&
	       add(p, what->op, dst, a, b, 0, infinite && at->detect_negative, infinite && at->detect_positive);
}

/* The store converts; for bool anything but 0 is 1. */
static bool append_cast(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst)
{
	const uint8_t a = fetch(x, p, sources, 0, FUSE_TEMP);
	if (a == 255)
		return false;
	if (x->out[0].dtype == CLAST_BOOL && x->in[0].dtype != CLAST_BOOL)
		return add(p, PROGRAM_NOT, FUSE_TEMP, a, 0, 0, 0, 0) && add(p, PROGRAM_NOT, dst, FUSE_TEMP, 0, 0, 0, 0);
	return add(p, PROGRAM_MOVE, dst, a, 0, 0, 0, 0);
}

bool fuse_append(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst)
{
	const predicate *what = find_predicate(x->n->op->name);
	if (what)
		return append_predicate(x, p, sources, dst, what);
	if (is_cast(x))
		return append_cast(x, p, sources, dst);
	if (is_where(x))
		return append_where(x, p, sources, dst);
	if (is_clip(x))
		return append_unary(x, p, sources, dst);
	const fusible *m = find(x->n->op->name);
	return m->sources == 1 ? append_unary(x, p, sources, dst) : append_fold(x, p, sources, dst, m);
}

/* ---- The family of elementwise nodes: they only ever run as programs ---- */

static bool accepts(const lower_node *x, port *ports)
{
	if (!fuse_accepts(x))
		return false;
	const shape *y = &x->out[0].shape;
	for (uint32_t i = 0; i < x->n->n_in; i++) {
		const shape *s = &x->in[i].shape;
		const bool full = s->rank == y->rank && !memcmp(s->dims, y->dims, (size_t)y->rank * sizeof(dim));
		ports[i] = (port){ full ? PORT_SAME : PORT_WHOLE, false };
	}
	ports[x->n->n_in] = (port){ PORT_SAME, false };
	return true;
}

const kernel_family family_eltwise = { .name = "eltwise", .accepts = accepts };

/* ---- Views to strides ---- */

bool lower_refine(size_t n, const tensor_view *const *views, int first, int end, size_t *rank, size_t *extent, ptrdiff_t *const *stride)
{
	*rank = 0;
	for (int a = first; a < end; a++) {
		/* Cut points of the axis, innermost first: products of the inner factors of each view. */
		int64_t cuts[VIEW_MAX_FACTORS * 2] = { 1 };
		size_t count = 1;
		for (size_t v = 0; v < n; v++) {
			int64_t inner = 1;
			for (int f = views[v]->split[a] - 1; f > 0; f--) {
				inner *= views[v]->factors[views[v]->first_factor[a] + f].extent;
				size_t at = 0;
				while (at < count && cuts[at] < inner)
					at++;
				if (at < count && cuts[at] == inner)
					continue;
				if (count == VIEW_MAX_FACTORS * 2 - 1)
					return false;
				memmove(cuts + at + 1, cuts + at, (count - at) * sizeof *cuts);
				cuts[at] = inner;
				count++;
			}
		}
		cuts[count] = views[0]->dims[a];
		for (size_t i = count; i-- > 0;) { /* outermost first */
			if (*rank == VIEW_MAX_FACTORS || cuts[i + 1] % cuts[i])
				return false;
			extent[*rank] = (size_t)(cuts[i + 1] / cuts[i]);
			for (size_t v = 0; v < n; v++)
				stride[v][*rank] = extent[*rank] > 1 ? axis_offset(views[v], a, cuts[i]) : 0;
			(*rank)++;
		}
	}
	return true;
}

bool lower_walk(size_t n, const tensor_view *const *views, size_t *rank, size_t *extent, ptrdiff_t *const *stride)
{
	if (!lower_refine(n, views, 0, views[0]->rank, rank, extent, stride))
		return false;
	for (size_t i = 1; i < *rank; i++)
		for (size_t j = i; j > 0; j--) {
			const ptrdiff_t x = stride[0][j - 1] < 0 ? -stride[0][j - 1] : stride[0][j - 1];
			const ptrdiff_t y = stride[0][j] < 0 ? -stride[0][j] : stride[0][j];
			if (x >= y || extent[j] == 1)
				break;
			const size_t e = extent[j];
			extent[j] = extent[j - 1];
			extent[j - 1] = e;
			for (size_t v = 0; v < n; v++) {
				const ptrdiff_t s = stride[v][j];
				stride[v][j] = stride[v][j - 1];
				stride[v][j - 1] = s;
			}
		}
	*rank = strided_merge(*rank, extent, n, stride);
	return *rank <= KERNEL_MAX_AXES;
}

bool lower_copy_params(const tensor_view *to, const tensor_view *from, copy_params *c)
{
	const tensor_view *views[2] = { to, from };
	size_t extent[VIEW_MAX_FACTORS], rank;
	ptrdiff_t a[VIEW_MAX_FACTORS], b[VIEW_MAX_FACTORS], *strides[2] = { a, b };
	*c = (copy_params){ .element_bytes = (uint32_t)clast_dtype_bytes(to->dtype) };
	if (!lower_walk(2, views, &rank, extent, strides))
		return false;
	c->rank = (uint32_t)rank;
	for (size_t i = 0; i < rank; i++) {
		c->extent[i] = extent[i];
		c->out[i] = a[i];
		c->in[i] = b[i];
	}
	return true;
}

clast_status lower_copy(lowering *l)
{
	copy_params c;
	const lower_arg args[] = { [COPY_OUT] = { ARG_OUT, 0, 0 }, [COPY_IN] = { ARG_IN, 0, 0 } };
	if (!lower_copy_params(&l->out_view[0], &l->in_view[0], &c))
		return CLAST_ERROR_UNSUPPORTED;
	return lower_emit(l, KERNEL_copy, &c, 2, args);
}

static bool kernel_type(clast_dtype t, uint32_t *k)
{
	switch (t) {
	case CLAST_FLOAT32:
		*k = KERNEL_F32;
		return true;
	case CLAST_BOOL:
	case CLAST_UINT8:
		*k = KERNEL_U8;
		return true;
	case CLAST_INT8:
		*k = KERNEL_I8;
		return true;
	case CLAST_FLOAT16:
		*k = KERNEL_F16;
		return true;
	case CLAST_BFLOAT16:
		*k = KERNEL_BF16;
		return true;
	case CLAST_INT32:
		*k = KERNEL_I32;
		return true;
	default:
		return false;
	}
}

clast_status lower_eltwise(lowering *l)
{
	const uint32_t n = l->fused->operand_count + 1;
	const tensor_view *views[FUSED_MAX_OPERANDS + 1] = { &l->out_view[0] };
	ptrdiff_t store[FUSED_MAX_OPERANDS + 1][VIEW_MAX_FACTORS], *strides[FUSED_MAX_OPERANDS + 1];
	size_t extent[VIEW_MAX_FACTORS], rank;
	eltwise_params p = { .operands = n, .program = l->fused->program };
	lower_arg args[FUSED_MAX_OPERANDS + 1];
	if (p.program.count == PROGRAM_MAX_CODE)
		return CLAST_ERROR_UNSUPPORTED;
	p.program.code[p.program.count++] = (program_instr){ .op = PROGRAM_STORE, .dst = (uint8_t)(n - 1), .a = 0 };
	for (uint32_t i = 0; i < n; i++)
		strides[i] = store[i];
	for (uint32_t i = 1; i < n; i++)
		views[i] = &l->fused_view[i - 1];
	if (!lower_walk(n, views, &rank, extent, strides))
		return CLAST_ERROR_UNSUPPORTED;
	p.rank = (uint32_t)rank;
	for (size_t a = 0; a < rank; a++)
		p.extent[a] = extent[a];
	for (uint32_t i = 0; i < n; i++) { /* operands of the program first, the output last */
		const uint32_t at = i ? i - 1 : n - 1;
		if (!kernel_type(views[i]->dtype, &p.operand[at].dtype))
			return CLAST_ERROR_UNSUPPORTED;
		for (size_t a = 0; a < rank; a++)
			p.operand[at].stride[a] = store[i][a];
		args[at] = i ? (lower_arg){ ARG_FUSED, i - 1, 0 } : (lower_arg){ ARG_OUT, 0, 0 };
	}
	return lower_emit(l, KERNEL_eltwise, &p, n, args);
}

/* ---- Epilogues ---- */

/* Copies a constant so that element i along the axis is the one that the output holds at place i. */
static bool permute_constant(lowering *l, const tensor_view *v, int axis, const axis_run *out, tensor_view *view, lower_arg *where)
{
	const size_t size = clast_dtype_bytes(v->dtype), count = (size_t)view_count(v);
	tensor_view dense = *v;
	void *data;
	int64_t stride = 1;
	for (int a = v->rank; a-- > 0;) { /* broadcast axes stay broadcast */
		const bool there = v->split[a] || v->strides[a];
		dense.dims[a] = there ? v->dims[a] : 1;
		dense.strides[a] = there ? stride : 0;
		stride *= dense.dims[a];
	}
	memset(dense.split, 0, sizeof dense.split);
	if (!count || lower_table(l, (size_t)stride * size, &data, &where->index))
		return false;
	dense.data = data;
	for (iter it = iter_over(&dense); iter_next(&it);) {
		int64_t from[CLAST_MAX_RANK];
		memcpy(from, it.index, sizeof from);
		from[axis] = out->index[it.index[axis]];
		copy_element(&dense, iter_offset(&dense, &it), v, view_offset(v, from));
	}
	where->kind = ARG_TABLE;
	where->offset_bytes = 0;
	memcpy(dense.dims, v->dims, sizeof dense.dims);
	*view = dense;
	return true;
}

bool fuse_columns(lowering *l, uint32_t i, int axis, const axis_run *out, tensor_view *view, ptrdiff_t *stride, lower_arg *where)
{
	const tensor_view *v = &l->fused_view[i];
	*where = (lower_arg){ ARG_FUSED, i, 0 };
	*view = *v;
	*stride = v->split[axis] || v->dims[axis] != 1 ? v->strides[axis] : 0;
	if (!v->split[axis] && (!out->index || !*stride))
		return true;
	if (l->fused_constant && l->fused_constant[i] && !v->split[axis]) {
		const bool done = permute_constant(l, v, axis, out, view, where);
		*stride = view->strides[axis];
		return done;
	}
	/* The same factors: the same order of elements. */
	axis_run own;
	if (!lower_run(l, v, axis, &own) || !lower_runs_agree(&own, out))
		return false;
	*stride = own.stride;
	view->split[axis] = 0;
	view->strides[axis] = own.stride;
	return true;
}

static bool axis_strides(const tensor_view *v, size_t n, const int *axes, ptrdiff_t *out)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = 0;
		if (axes[i] < 0 || v->dims[axes[i]] == 1)
			continue;
		if (v->split[axes[i]])
			return false;
		out[i] = v->strides[axes[i]];
	}
	return true;
}

/* r1 = load(x); r0 = r0 + r1, in either order of the sum. Returns the number of instructions, or 0. */
static uint32_t match_residual(const program *p, uint8_t *reg, uint8_t *operand)
{
	if (p->count < 2 || p->code[0].op != PROGRAM_LOAD || p->code[1].op != PROGRAM_ADD)
		return 0;
	const uint8_t loaded = p->code[0].dst;
	const program_instr *sum = &p->code[1];
	if (loaded == 0 || !((sum->a == 0 && sum->b == loaded) || (sum->b == 0 && sum->a == loaded)))
		return 0;
	*reg = sum->dst;
	*operand = p->code[0].a;
	return 2;
}

static bool match_clamp(const program_instr *i, uint8_t reg, float *lo, float *hi)
{
	if (i->a != reg || (i->op != PROGRAM_RELU && i->op != PROGRAM_CLIP))
		return false;
	*lo = i->op == PROGRAM_RELU ? 0 : i->imm[0];
	*hi = i->op == PROGRAM_RELU ? INFINITY : i->imm[1];
	return true;
}

/* The whole program as residual and clamp; false if it is more than that. */
static bool match_simple(const program *p, epilogue *e, uint8_t *operand)
{
	uint8_t reg = 0;
	uint32_t at = match_residual(p, &reg, operand);
	e->flags = at ? EPILOGUE_RESIDUAL : 0;
	if (at < p->count && match_clamp(&p->code[at], reg, &e->min, &e->max)) {
		e->flags |= EPILOGUE_CLAMP;
		reg = p->code[at++].dst;
	}
	if (at < p->count && p->code[at].op == PROGRAM_MOVE && p->code[at].a == reg) {
		reg = p->code[at].dst;
		at++;
	}
	return at == p->count && reg == 0;
}

/* Lets the kernel add the operand; false if it does not lie as residuals must. */
static bool set_residual(const lowering *l, size_t n, size_t unit, bool one, uint8_t operand, const ptrdiff_t *stride, epilogue *e)
{
	const bool vectors = unit < n;
	memcpy(e->residual, stride, n * sizeof *e->residual);
	if (vectors && one)
		e->residual[unit] = 1;
	return l->fused_view[operand].dtype == CLAST_FLOAT32 && vectors && e->residual[unit] == 1;
}

static bool reads_register(const program *p, uint32_t from, uint8_t reg)
{
	for (uint32_t i = from; i < p->count; i++) {
		const program_instr *in = &p->code[i];
		const unsigned sources = in->op == PROGRAM_STORE ? 1 : program_op_sources(in->op);
		if ((sources > 0 && in->a == reg) || (sources > 1 && in->b == reg) || (sources > 2 && in->c == reg))
			return true;
	}
	return false;
}

/* A sum with an operand at the head of the program becomes the residual, which kernels add in registers. */
static void take_residual(epilogue *e, uint32_t head, lower_arg operand, lower_arg *arg)
{
	program *p = &e->program;
	e->flags |= EPILOGUE_RESIDUAL;
	p->count -= head;
	memmove(p->code, p->code + head, p->count * sizeof *p->code);
	*arg = operand;
}

bool fuse_epilogue_strides(const lowering *l, size_t n, size_t unit, bool one, const fused_strides *strides, const lower_arg *operands,
                           epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS], size_t *count)
{
	uint8_t residual = 0;
	memset(e, 0, sizeof *e);
	for (size_t i = 0; i < 1 + EPILOGUE_MAX_OPERANDS; i++)
		args[i] = (lower_arg){ ARG_NONE, 0, 0 };
	*count = 1;
	if (!l->fused || !l->fused->program.count)
		return true;
	if (match_simple(&l->fused->program, e, &residual)) {
		if (!(e->flags & EPILOGUE_RESIDUAL))
			return true;
		args[0] = operands[residual];
		if (set_residual(l, n, unit, one, residual, strides[residual], e))
			return true;
	}
	*e = (epilogue){ .flags = EPILOGUE_PROGRAM, .operands = l->fused->operand_count, .program = l->fused->program };
	args[0] = (lower_arg){ ARG_NONE, 0, 0 };
	for (uint32_t i = 0; i < l->fused->operand_count; i++) {
		if (!kernel_type(l->fused_view[i].dtype, &e->operand[i].dtype))
			return false;
		memcpy(e->operand[i].stride, strides[i], n * sizeof *strides[i]);
		args[1 + i] = operands[i];
	}
	*count = 1 + l->fused->operand_count;
	uint8_t reg;
	const uint32_t head = match_residual(&e->program, &reg, &residual);
	if (head && !reg && !reads_register(&e->program, head, e->program.code[0].dst) &&
	    set_residual(l, n, unit, one, residual, strides[residual], e))
		take_residual(e, head, operands[residual], args);
	return true;
}

/* Strides of an operand along the axes of fuse_epilogue_blocks. */
static bool block_strides(const tensor_view *v, size_t n, const int *axes, ptrdiff_t *out)
{
	const int64_t block = (int64_t)cpu_kernels_get()->vector;
	const axis_factor *f = v->factors + v->first_factor[1];
	if (v->split[1] && (v->split[1] != 2 || f[1].extent != block))
		return false;
	const int64_t inner = v->dims[1] == 1 ? 0 : v->split[1] ? f[1].stride : v->strides[1];
	for (size_t i = 0; i < n; i++) {
		if (axes[i] == AXIS_IN_BLOCK)
			out[i] = inner;
		else if (axes[i] == AXIS_BLOCKS)
			out[i] = v->split[1] ? f[0].stride : inner * block;
		else if (!axis_strides(v, 1, axes + i, out + i))
			return false;
	}
	return true;
}

bool fuse_epilogue_blocks(const lowering *l, size_t n, const int *axes, epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS],
                          size_t *count)
{
	fused_strides strides[FUSED_MAX_OPERANDS] = { { 0 } };
	lower_arg operands[FUSED_MAX_OPERANDS];
	for (uint32_t i = 0; l->fused && i < l->fused->operand_count; i++) {
		operands[i] = (lower_arg){ ARG_FUSED, i, 0 };
		if (!block_strides(&l->fused_view[i], n, axes, strides[i]))
			return false;
	}
	return fuse_epilogue_strides(l, n, n - 1, false, strides, operands, e, args, count);
}

/* Strides of operand i along pieces of axis 1 of the output and within one. */
static bool piece_strides(lowering *l, uint32_t i, const axis_pieces *pieces, tensor_view *view, ptrdiff_t *out, lower_arg *where)
{
	axis_pieces own;
	ptrdiff_t stride;
	*view = l->fused_view[i];
	*where = (lower_arg){ ARG_FUSED, i, 0 };
	if (view->split[1] && lower_pieces(l, view, 1, &own)) {
		out[0] = own.step[0];
		out[1] = own.step[1];
		out[2] = 1;
		return own.length == pieces->length && own.count[0] == pieces->count[0] && lower_runs_agree(&own.run, &pieces->run);
	}
	if (!fuse_columns(l, i, 1, &pieces->run, view, &stride, where))
		return false;
	out[2] = stride;
	out[1] = stride * pieces->length;
	out[0] = out[1] * pieces->count[1];
	return true;
}

bool fuse_epilogue_pieces(lowering *l, size_t n, const int *axes, const axis_pieces *pieces, epilogue *e,
                          lower_arg args[1 + EPILOGUE_MAX_OPERANDS], size_t *count)
{
	fused_strides strides[FUSED_MAX_OPERANDS] = { { 0 } };
	lower_arg operands[FUSED_MAX_OPERANDS];
	for (uint32_t i = 0; l->fused && i < l->fused->operand_count; i++) {
		tensor_view view;
		if (!piece_strides(l, i, pieces, &view, strides[i] + n, &operands[i]) || !axis_strides(&view, n, axes, strides[i]))
			return false;
	}
	return fuse_epilogue_strides(l, n + 3, n + 3, false, strides, operands, e, args, count);
}

bool fuse_epilogue(lowering *l, size_t n, const int *axes, epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS], size_t *count)
{
	return fuse_epilogue_along(l, n, axes, n - 1, e, args, count);
}

bool fuse_epilogue_along(lowering *l, size_t n, const int *axes, size_t unit, epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS],
                         size_t *count)
{
	fused_strides strides[FUSED_MAX_OPERANDS] = { { 0 } };
	lower_arg operands[FUSED_MAX_OPERANDS];
	const int column = axes[n - 1];
	axis_run run = { 0 };
	if (column >= 0 && !lower_run(l, &l->out_view[0], column, &run))
		return false;
	for (uint32_t i = 0; l->fused && i < l->fused->operand_count; i++) {
		tensor_view view = l->fused_view[i];
		ptrdiff_t stride = 0;
		operands[i] = (lower_arg){ ARG_FUSED, i, 0 };
		if (column >= 0 && !fuse_columns(l, i, column, &run, &view, &stride, &operands[i]))
			return false;
		if (!axis_strides(&view, n, axes, strides[i]))
			return false;
	}
	const bool one = unit < n && (axes[unit] < 0 || l->out_view[0].dims[axes[unit]] == 1);
	return fuse_epilogue_strides(l, n, unit, one, strides, operands, e, args, count);
}
