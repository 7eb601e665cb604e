#include "axes.h"

#include <string.h>

#include "resize.h"

/* What an operator's attributes and constant inputs say about axes. Inputs are numbered; 0 is none, since
 * input 0 is the data. */
struct axis_rule {
	const char *op;
	int since, until; /* versions: since <= v < until; 0: no bound */
	unsigned flags;
	const char *axis;  /* attribute: one axis */
	int axis_input;    /* constant scalar: one axis */
	const char *axes;  /* attribute: several axes */
	int axes_input;    /* the same as a constant */
	const char *each;  /* attribute: an element for each axis */
	int each_input[3]; /* the same as constants */
};

enum {
	ALL_INPUTS = 1,   /* every input has the frame's axes */
	ONE_OUTPUT = 2,   /* only output 0 has them */
	REDUCES = 4,      /* the named axes go unless keepdims says otherwise */
	TAKES = 8,        /* the named axis is replaced by those of input 1 */
	TRAILING = 16,    /* the named axis stands for all from there on */
	BOTH_ENDS = 32,   /* lists for each axis hold all begins, then all ends */
	FIRST_AXES = 64,  /* without a list of axes the first ones are meant, as many as input 1 or the
			     attribute `starts` has elements */
	LAST_TWO = 128,   /* the last two axes are a matrix */
	SAMPLES = 256,    /* Resize: see samples_allowed */
	PER_AXIS = 512,   /* input 1 is a scalar or has one axis, the named one */
	SAME_RANKS = 1024 /* no axis is added to the input */
};

static const axis_rule rules[] = {
	{ "ArgMax", .flags = REDUCES, .axis = "axis" },
	{ "ArgMin", .flags = REDUCES, .axis = "axis" },
	{ "CastLike", .flags = 0 },
	{ "Concat", .flags = ALL_INPUTS, .axis = "axis" },
	{ "CumProd", .axis_input = 1 },
	{ "CumSum", .axis_input = 1 },
	{ "DequantizeLinear", .flags = PER_AXIS, .axis = "axis" },
	{ "DynamicQuantizeLinear", .flags = ONE_OUTPUT },
	{ "Expand", .flags = SAME_RANKS, .each_input = { 1 } },
	{ "Gather", .flags = TAKES, .axis = "axis" },
	{ "GatherElements", .flags = ALL_INPUTS, .axis = "axis" },
	{ "Hardmax", .until = 13, .flags = TRAILING, .axis = "axis" },
	{ "Hardmax", .since = 13, .axis = "axis" },
	{ "LayerNormalization", .flags = TRAILING, .axis = "axis" },
	{ "LogSoftmax", .until = 13, .flags = TRAILING, .axis = "axis" },
	{ "LogSoftmax", .since = 13, .axis = "axis" },
	{ "LpNormalization", .axis = "axis" },
	{ "Pad", .until = 2, .flags = BOTH_ENDS, .each = "paddings" },
	{ "Pad", .since = 2, .until = 11, .flags = BOTH_ENDS, .each = "pads" },
	{ "Pad", .since = 11, .flags = BOTH_ENDS, .axes_input = 3, .each_input = { 1 } },
	{ "QuantizeLinear", .flags = PER_AXIS, .axis = "axis" },
	{ "RMSNormalization", .flags = TRAILING, .axis = "axis" },
	{ "ReduceL1", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceL2", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceLogSum", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceLogSumExp", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceMax", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceMean", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceMin", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceProd", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceSum", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "ReduceSumSquare", .flags = REDUCES, .axes = "axes", .axes_input = 1 },
	{ "Resize", .until = 11, .flags = SAMPLES, .each_input = { 1 } },
	{ "Resize", .since = 11, .flags = SAMPLES | BOTH_ENDS, .axes = "axes", .each_input = { 2, 3, 1 } },
	{ "Scatter", .flags = ALL_INPUTS, .axis = "axis" },
	{ "ScatterElements", .flags = ALL_INPUTS, .axis = "axis" },
	{ "Slice", .until = 10, .flags = FIRST_AXES, .axes = "axes" },
	{ "Slice", .since = 10, .flags = FIRST_AXES, .axes_input = 3 },
	{ "Softmax", .until = 13, .flags = TRAILING, .axis = "axis" },
	{ "Softmax", .since = 13, .axis = "axis" },
	{ "Split", .axis = "axis" },
	{ "Tile", .since = 6, .each_input = { 1 } },
	{ "TopK", .axis = "axis" },
	{ "Trilu", .flags = LAST_TWO },
	{ "Upsample", .since = 7, .until = 9, .flags = SAMPLES, .each = "scales" },
	{ "Upsample", .since = 9, .flags = SAMPLES, .each_input = { 1 } },
};

static const axis_rule *find_rule(const node *n)
{
	for (size_t i = 0; !n->op->domain[0] && i < sizeof rules / sizeof *rules; i++) {
		const axis_rule *r = &rules[i];
		if (!strcmp(r->op, n->op->name) && n->version >= r->since &&
		    (!r->until || n->version < r->until))
			return r;
	}
	return NULL;
}

/* ---- Reading attributes and inputs ---- */

void *convert_attribute(const node *n, const void *attrs, const char *name)
{
	for (const attr_spec *spec = n->op->attrs; name && spec && spec->name; spec++)
		if (!strcmp(spec->name, name) && (!spec->since || n->version >= spec->since) &&
		    (!spec->until || n->version < spec->until))
			return (char *)attrs + spec->offset;
	return NULL;
}

static const value *input(const clast_model *m, const node *n, int i)
{
	return i > 0 && (uint32_t)i < n->n_in && n->in[i] != NO_ID ? &m->values[n->in[i]] : NULL;
}

static bool wrapped(int64_t axis, int rank, int *out)
{
	axis += axis < 0 ? rank : 0;
	*out = (int)axis;
	return axis >= 0 && axis < rank;
}

/* Marks the axes that a list names; false if one is none. */
static bool mark(const tensor_view *list, int rank, uint32_t *mask)
{
	int axis;
	for (iter it = iter_over(list); iter_next(&it);) {
		if (!wrapped(get_int(list, &it), rank, &axis))
			return false;
		*mask |= 1u << axis;
	}
	return true;
}

/* The axes that the rule names. *given: there is such a list. False where it is not known. */
static bool named_axes(const clast_model *m, const node *n, const axis_rule *r, int rank, uint32_t *mask,
		       bool *given)
{
	const int64_t *one = convert_attribute(n, n->attrs, r->axis);
	const int_list *list = convert_attribute(n, n->attrs, r->axes);
	const value *v = input(m, n, r->axis_input ? r->axis_input : r->axes_input);
	int axis;
	*mask = 0;
	*given = one || (list && list->given) || v;
	if (one) {
		if (!wrapped(*one, rank, &axis))
			return false;
		*mask |= 1u << axis;
	}
	for (size_t i = 0; list && list->given && i < list->n; i++) {
		if (!wrapped(list->v[i], rank, &axis))
			return false;
		*mask |= 1u << axis;
	}
	return !v || (v->constant && mark(v->constant, rank, mask));
}

/* Lists with an element for each axis must be constants of the right length, or empty, unless a list of axes
 * goes with them. */
static bool lists_known(const clast_model *m, const node *n, const axis_rule *r, int rank, bool axes_given)
{
	for (size_t i = 0; i < 3 && r->each_input[i]; i++) {
		const value *v = input(m, n, r->each_input[i]);
		if (!v || axes_given)
			continue;
		const bool roi = r->flags & SAMPLES && i == 2,
			   halves = r->flags & SAMPLES ? roi : r->flags & BOTH_ENDS;
		if (!v->constant || v->constant->rank != 1 ||
		    (v->constant->dims[0] && v->constant->dims[0] != rank * (halves ? 2 : 1)))
			return false;
	}
	return true;
}

static size_t list_length(const clast_model *m, const node *n, bool *known)
{
	const int_list *starts = convert_attribute(n, n->attrs, "starts");
	const value *v = input(m, n, 1);
	*known = starts || (v && v->rank == 1 && dim_is_number(v->dims[0]) && v->dims[0] <= CLAST_MAX_RANK);
	return starts ? starts->n : *known ? (size_t)v->dims[0] : 0;
}

/* ---- Frames ---- */

static void tie(frame_operand *o, int rank)
{
	o->tied = true;
	for (int a = 0; a < rank; a++)
		o->axis[a] = (int8_t)a;
}

/* The masked axes are gone, those behind them move up. */
static void drop(frame_operand *o, int rank, uint32_t mask)
{
	int next = 0;
	for (int a = 0; a < rank; a++)
		o->axis[a] = (int8_t)(mask >> a & 1 ? -1 : next++);
}

static bool has_rank(const clast_model *m, value_id v, int rank)
{
	return v == NO_ID || (m->values[v].kind == KIND_TENSOR && m->values[v].rank == rank);
}

static int dropped_rank(int rank, uint32_t mask)
{
	return rank - __builtin_popcount(mask);
}

/* Before opset 7 the second operand lay where an attribute said. */
static bool is_modern(const clast_model *m, const node *n)
{
	if (n->version >= 7 || n->n_in != 2 || n->op->domain[0])
		return true;
	const value *x = &m->values[n->in[0]], *y = &m->values[n->in[1]];
	if (x->rank != y->rank)
		return false;
	for (int a = 0; a < x->rank; a++)
		if (x->dims[a] != y->dims[a])
			return false;
	return true;
}

static bool elementwise_frame(const clast_model *m, const node *n, frame *f)
{
	f->whole = n->out[0];
	if (f->whole == NO_ID || !is_modern(m, n))
		return false;
	value_shape(m, f->whole, &f->dims);
	const int rank = f->dims.rank;
	f->elementwise = true;
	f->fixed_from = rank;
	for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
		const value_id v = n->in[k];
		frame_operand *o = &f->operand[k];
		if (v == NO_ID)
			continue;
		const int r = m->values[v].rank;
		if (m->values[v].kind != KIND_TENSOR || r < 0 || r > rank || (k >= n->n_in && r != rank))
			return false;
		tie(o, rank);
		o->broadcast = k < n->n_in;
		for (int a = 0; a < rank; a++)
			o->axis[a] = (int8_t)(a >= rank - r ? a - (rank - r) : -1);
	}
	return rank >= 0;
}

static bool ruled_outputs(const clast_model *m, const node *n, frame *f, uint32_t mask)
{
	const axis_rule *r = f->rule;
	const bool *keepdims = convert_attribute(n, n->attrs, "keepdims");
	const int rank = f->dims.rank;
	uint32_t gone = r->flags & REDUCES && keepdims && !*keepdims ? mask : 0;
	if (r->flags & TAKES) {
		const value *indices = input(m, n, 1);
		if (!indices || indices->rank < 0 || indices->rank > 1)
			return false;
		gone = indices->rank ? 0 : mask;
	}
	for (uint32_t j = 0; j < (r->flags & ONE_OUTPUT ? 1 : n->n_out); j++) {
		frame_operand *o = &f->operand[n->n_in + j];
		if (n->out[j] == NO_ID)
			continue;
		if (!has_rank(m, n->out[j], dropped_rank(rank, gone)))
			return false;
		tie(o, rank);
		drop(o, rank, gone);
	}
	return true;
}

static bool ruled_frame(const clast_model *m, const node *n, frame *f)
{
	const axis_rule *r = f->rule;
	uint32_t mask;
	bool given, known;
	f->whole = n->in[0];
	value_shape(m, f->whole, &f->dims);
	const int rank = f->dims.rank;
	f->fixed_from = rank;
	if (rank < 0 || !has_rank(m, f->whole, rank) || !named_axes(m, n, r, rank, &mask, &given) ||
	    !lists_known(m, n, r, rank, given))
		return false;
	if (r->flags & REDUCES && !mask) { /* no axes: all of them, or none */
		const bool *noop = convert_attribute(n, n->attrs, "noop_with_empty_axes");
		mask = noop && *noop ? 0 : (1u << rank) - 1;
	}
	if (r->flags & TRAILING && mask)
		f->fixed_from = __builtin_ctz(mask);
	if (r->flags & LAST_TWO)
		f->fixed_from = rank > 2 ? rank - 2 : 0;
	if (r->flags & FIRST_AXES && !given) {
		list_length(m, n, &known);
		if (!known)
			return false;
	}
	if (r->flags & SAME_RANKS && !has_rank(m, n->out[0], rank))
		return false;
	if (r->flags & PER_AXIS && (!input(m, n, 1) || input(m, n, 1)->rank < 0 || input(m, n, 1)->rank > 1))
		return false;
	tie(&f->operand[0], rank);
	for (uint32_t k = 1; r->flags & ALL_INPUTS && k < n->n_in; k++) {
		if (!has_rank(m, n->in[k], rank))
			return false;
		tie(&f->operand[k], rank);
	}
	return ruled_outputs(m, n, f, mask);
}

bool frame_of(const clast_model *m, const node *n, bump *scratch, frame *f, bool *failed)
{
	*f = (frame){ .rule = find_rule(n) };
	if (!n->n_in || !n->n_out || n->in[0] == NO_ID || n->n_bodies ||
	    (!f->rule && n->op->rule != RULE_ANY))
		return false;
	f->operand = bump_array(scratch, n->n_in + n->n_out, sizeof *f->operand);
	if (!f->operand) {
		*failed = true;
		return false;
	}
	return f->rule ? ruled_frame(m, n, f) : elementwise_frame(m, n, f);
}

/* Interpolation is implemented everywhere for spatial axes at the end; in other places only nearest
 * neighbours, and linear with the channels at the end. */
static bool samples_allowed(const node *n, int rank, const int *perm)
{
	const resize_attrs *at = n->attrs;
	if (at->mode == RESIZE_NEAREST && !at->antialias)
		return true;
	return at->mode == RESIZE_LINEAR && !at->antialias && rank == 4 && perm[0] == 0 && perm[1] == 2 &&
	       perm[2] == 3;
}

bool frame_allows(const clast_model *m, const node *n, const frame *f, const int *perm)
{
	bool same = true;
	(void)m;
	for (int i = 0; i < f->dims.rank; i++) {
		same = same && perm[i] == i;
		if (i >= f->fixed_from && perm[i] != i)
			return false;
	}
	return same || !f->rule || !(f->rule->flags & SAMPLES) || samples_allowed(n, f->dims.rank, perm);
}

int frame_restrict(const frame *f, size_t operand, const int *perm, int *out)
{
	int n = 0;
	for (int i = 0; i < f->dims.rank; i++)
		if (f->operand[operand].axis[perm[i]] >= 0)
			out[n++] = f->operand[operand].axis[perm[i]];
	return n;
}

/* ---- Rewriting ---- */

clast_status convert_integers(clast_model *m, graph_id g, const char *name, clast_dtype dtype, int rank,
			      const int64_t *dims, const int64_t *elements, value_id *out, clast_diag *d)
{
	tensor_view *t;
	clast_status s = model_constant(m, dtype, rank, dims, &t, d);
	if (!s)
		s = graph_add_value(m, g, name, out, d);
	if (s)
		return s;
	for (int64_t i = 0; i < view_count(t); i++)
		store_int(t, i, elements[i]);
	graph_set_constant(m, *out, t);
	return CLAST_OK;
}

typedef struct rewriting {
	clast_model *m;
	const node *n;
	const frame *f;
	const int *perm;
	int inverse[CLAST_MAX_RANK];
	void *attrs;
	value_id *in;
	uint32_t *n_in;
	clast_diag *d;
} rewriting;

static int64_t moved(const rewriting *w, int64_t axis)
{
	const int rank = w->f->dims.rank;
	return w->inverse[axis < 0 ? axis + rank : axis];
}

/* A constant that lists axes: the same list of where they are now. */
static clast_status move_axes_input(rewriting *w, int index)
{
	const value *v = input(w->m, w->n, index);
	int64_t axes[CLAST_MAX_RANK];
	if (!v)
		return CLAST_OK;
	const tensor_view *t = v->constant;
	const int64_t n = view_count(t);
	for (int64_t i = 0; i < n && i < CLAST_MAX_RANK; i++)
		axes[i] = moved(w, load_int(t, t->rank ? axis_offset(t, 0, i) : 0));
	return convert_integers(w->m, w->n->graph, v->name, t->dtype, t->rank, t->dims, axes, &w->in[index],
				w->d);
}

static clast_status move_axes_attribute(rewriting *w)
{
	int_list *list = convert_attribute(w->n, w->attrs, w->f->rule->axes);
	if (!list || !list->given)
		return CLAST_OK;
	int64_t *axes = bump_array(&w->m->region, list->n + 1, sizeof *axes);
	if (!axes)
		return fail_memory(w->d, 0);
	for (size_t i = 0; i < list->n; i++)
		axes[i] = moved(w, list->v[i]);
	list->v = axes;
	return CLAST_OK;
}

/* Axes that were meant without being named have to be named now. */
static clast_status name_first_axes(rewriting *w)
{
	const axis_rule *r = w->f->rule;
	bool known;
	const size_t n = list_length(w->m, w->n, &known);
	int64_t *axes = bump_array(&w->m->region, n + 1, sizeof *axes);
	if (!axes)
		return fail_memory(w->d, 0);
	for (size_t i = 0; i < n; i++)
		axes[i] = w->inverse[i];
	if (r->axes) {
		*(int_list *)convert_attribute(w->n, w->attrs, r->axes) = (int_list){ axes, n, true };
		return CLAST_OK;
	}
	while (*w->n_in <= (uint32_t)r->axes_input)
		w->in[(*w->n_in)++] = NO_ID;
	const int64_t dims[] = { (int64_t)n };
	const value *starts = input(w->m, w->n, 1);
	return convert_integers(w->m, w->n->graph, "axes", starts->dtype, 1, dims, axes,
				&w->in[r->axes_input], w->d);
}

/* Permutes a list that has an element for each axis, or two. */
static clast_status move_list_input(rewriting *w, int index)
{
	const value *v = input(w->m, w->n, index);
	const int rank = w->f->dims.rank;
	tensor_view *t;
	if (!v || !v->constant->dims[0])
		return CLAST_OK;
	const tensor_view *from = v->constant;
	const char *name = v->name;
	clast_status s = model_constant(w->m, from->dtype, 1, from->dims, &t, w->d);
	if (!s)
		s = graph_add_value(w->m, w->n->graph, name, &w->in[index], w->d);
	if (s)
		return s;
	for (int64_t i = 0; i < from->dims[0]; i++)
		copy_element(t, i, from, axis_offset(from, 0, i / rank * rank + w->perm[i % rank]));
	graph_set_constant(w->m, w->in[index], t);
	return CLAST_OK;
}

static clast_status move_list_attribute(rewriting *w)
{
	void *at = convert_attribute(w->n, w->attrs, w->f->rule->each);
	const int rank = w->f->dims.rank;
	const bool floats = w->f->rule->flags & SAMPLES;
	if (!at)
		return CLAST_OK;
	const size_t n = floats ? ((float_list *)at)->n : ((int_list *)at)->n;
	void *list = bump_array(&w->m->region, n + 1, sizeof(int64_t));
	if (!list)
		return fail_memory(w->d, 0);
	for (size_t i = 0; i < n; i++) {
		const size_t from = i / (size_t)rank * (size_t)rank + (size_t)w->perm[i % (size_t)rank];
		if (floats)
			((float *)list)[i] = ((float_list *)at)->v[from];
		else
			((int64_t *)list)[i] = ((int_list *)at)->v[from];
	}
	if (floats)
		((float_list *)at)->v = list;
	else
		((int_list *)at)->v = list;
	return CLAST_OK;
}

clast_status frame_rewrite(clast_model *m, const node *n, const frame *f, const int *perm, void *attrs,
			   value_id *in, uint32_t *n_in, clast_diag *d)
{
	const axis_rule *r = f->rule;
	rewriting w = {
		.m = m, .n = n, .f = f, .perm = perm, .attrs = attrs, .in = in, .n_in = n_in, .d = d
	};
	uint32_t mask;
	bool given, same = true;
	for (int i = 0; i < f->dims.rank; i++) {
		w.inverse[perm[i]] = i;
		same = same && perm[i] == i;
	}
	if (!r || same)
		return CLAST_OK;
	int64_t *axis = convert_attribute(n, attrs, r->axis);
	named_axes(m, n, r, f->dims.rank, &mask, &given);
	if (axis && !(r->flags & TRAILING)) /* an axis from which all stay is where it was */
		*axis = moved(&w, *axis);
	clast_status s = move_axes_attribute(&w);
	if (!s && r->axis_input)
		s = move_axes_input(&w, r->axis_input);
	if (!s && r->axes_input)
		s = move_axes_input(&w, r->axes_input);
	if (!s && r->flags & FIRST_AXES && !given)
		s = name_first_axes(&w);
	if (!s && !given)
		s = move_list_attribute(&w);
	for (size_t i = 0; !s && !given && i < 3 && r->each_input[i]; i++)
		s = move_list_input(&w, r->each_input[i]);
	return s;
}
