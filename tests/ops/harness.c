#include "harness.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPERANDS 40
#define MAX_ATTRIBUTES 24
#define ORDERS 6
#define FILL 0xa5

typedef struct storage {
	unsigned char *memory;
	size_t bytes;
	tensor_view view;
} storage;

struct op_case {
	char title[128];
	const op *op;
	int64_t opset;
	clast_model *model;
	attr_value attrs[MAX_ATTRIBUTES];
	size_t n_attrs, n_in, n_out;
	tensor_view *in[MAX_OPERANDS];       /* row-major; NULL: absent */
	tensor_view *expected[MAX_OPERANDS]; /* dtype and dims; data NULL: only those are checked; NULL:
						nothing is */
	bool wanted[MAX_OPERANDS];
	double absolute, relative;
	bool complete;
	clast_status (*body)(call *k, int body, size_t n_in, const tensor_view *const *in, size_t n_out,
			     tensor_view *out);
	uint64_t random;
	/* The run at hand */
	node_id node;
	infer_value inferred[MAX_OPERANDS];
	storage inputs[MAX_OPERANDS], outputs[MAX_OPERANDS], baseline[MAX_OPERANDS];
	bool has_baseline, permuted, cancel;
	size_t fail_at, allocations; /* fail_at 0: never; else the number of the allocation that fails */
	mem memory;
	clast_diag diag;
};

#define check(condition, ...)                                                                                \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			cr_assert_fail(__VA_ARGS__);                                                         \
	} while (0)

/* ---- Building a case ---- */

op_case *case_new_in(const char *domain, const char *name, int64_t opset)
{
	op_case *c = calloc(1, sizeof *c);
	check(c, "out of memory");
	snprintf(c->title, sizeof c->title, "%s-%lld", name, (long long)opset);
	c->op = op_find(domain, name);
	c->opset = opset;
	c->absolute = c->relative = 1e-6;
	c->random = 88172645463325252u;
	check(c->op, "%s: no such operator", c->title);
	check(!model_create(NULL, &c->model, &c->diag), "%s: %s", c->title, c->diag.message);
	return c;
}

op_case *case_new(const char *name, int64_t opset)
{
	return case_new_in("", name, opset);
}

static void case_free(op_case *c)
{
	for (size_t i = 0; i < MAX_OPERANDS; i++) {
		free(c->inputs[i].memory);
		free(c->outputs[i].memory);
		free(c->baseline[i].memory);
	}
	model_release(c->model);
	free(c);
}

static void *copied(op_case *c, const void *from, size_t bytes)
{
	void *p = bump_alloc(&c->model->region, bytes ? bytes : 1);
	check(p, "%s: out of memory", c->title);
	if (bytes)
		memcpy(p, from, bytes);
	return p;
}

static attr_value *new_attribute(op_case *c, const char *name, clast_attribute_type type)
{
	check(c->n_attrs < MAX_ATTRIBUTES, "%s: too many attributes", c->title);
	attr_value *v = &c->attrs[c->n_attrs++];
	*v = (attr_value){ .name = name, .type = type };
	return v;
}

void case_int(op_case *c, const char *name, int64_t number)
{
	new_attribute(c, name, CLAST_ATTRIBUTE_INT)->i = number;
}

void case_float(op_case *c, const char *name, float number)
{
	new_attribute(c, name, CLAST_ATTRIBUTE_FLOAT)->f = number;
}

void case_string(op_case *c, const char *name, const char *number)
{
	attr_value *v = new_attribute(c, name, CLAST_ATTRIBUTE_STRING);
	v->s_length = strlen(number);
	v->s = copied(c, number, v->s_length + 1);
}

void case_ints(op_case *c, const char *name, size_t n, const int64_t *values)
{
	attr_value *v = new_attribute(c, name, CLAST_ATTRIBUTE_INTS);
	v->ints = copied(c, values, n * sizeof *values);
	v->count = n;
}

void case_floats(op_case *c, const char *name, size_t n, const float *values)
{
	attr_value *v = new_attribute(c, name, CLAST_ATTRIBUTE_FLOATS);
	v->floats = copied(c, values, n * sizeof *values);
	v->count = n;
}

void case_strings(op_case *c, const char *name, size_t n, const char *const *values)
{
	attr_value *v = new_attribute(c, name, CLAST_ATTRIBUTE_STRINGS);
	char **list = copied(c, values, n * sizeof *values);
	for (size_t i = 0; i < n; i++)
		list[i] = copied(c, values[i], strlen(values[i]) + 1);
	v->strings = (const char *const *)list;
	v->count = n;
}

static tensor_view *new_tensor(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims)
{
	tensor_view *v;
	check(!model_constant(c->model, dtype, (int)rank, dims, &v, &c->diag), "%s: %s", c->title,
	      c->diag.message);
	return v;
}

static tensor_view *tensor_of(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
			      const double *reals, const int64_t *ints, const char *const *strings)
{
	tensor_view *v = new_tensor(c, dtype, rank, dims);
	check(view_count(v) == (int64_t)n, "%s: a tensor of %lld elements, %zu given", c->title,
	      (long long)view_count(v), n);
	for (int64_t i = 0; i < (int64_t)n; i++) {
		if (reals)
			store_real(v, i, reals[i]);
		else if (ints)
			store_int(v, i, ints[i]);
		else
			((clast_string *)v->data)[i] =
				(clast_string){ copied(c, strings[i], strlen(strings[i])),
						strlen(strings[i]) };
	}
	return v;
}

void case_tensor(op_case *c, const char *name, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		 const double *values)
{
	new_attribute(c, name, CLAST_ATTRIBUTE_TENSOR)->tensor =
		tensor_of(c, dtype, rank, dims, n, values, NULL, NULL);
}

static void add_input(op_case *c, tensor_view *v)
{
	check(c->n_in < MAX_OPERANDS, "%s: too many inputs", c->title);
	c->in[c->n_in++] = v;
}

static void add_output(op_case *c, bool wanted, tensor_view *v)
{
	check(c->n_out < MAX_OPERANDS, "%s: too many outputs", c->title);
	c->wanted[c->n_out] = wanted;
	c->expected[c->n_out++] = v;
}

void case_in(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n, const double *values)
{
	add_input(c, tensor_of(c, dtype, rank, dims, n, values, NULL, NULL));
}

void case_in_ints(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		  const int64_t *values)
{
	add_input(c, tensor_of(c, dtype, rank, dims, n, NULL, values, NULL));
}

void case_in_strings(op_case *c, size_t rank, const int64_t *dims, size_t n, const char *const *values)
{
	add_input(c, tensor_of(c, CLAST_STRING, rank, dims, n, NULL, NULL, values));
}

void case_in_raw(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, const void *elements)
{
	tensor_view *v = new_tensor(c, dtype, rank, dims);
	memcpy(v->data, elements, (size_t)view_count(v) * clast_dtype_bytes(dtype));
	add_input(c, v);
}

void case_absent(op_case *c)
{
	add_input(c, NULL);
}

/* xorshift64 */
static uint64_t draw(op_case *c, uint64_t below)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return (c->random >> 11) % below;
}

void case_random(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, double lo, double hi)
{
	tensor_view *v = new_tensor(c, dtype, rank, dims);
	const bool integer = dtype_is_integer(dtype) || dtype == CLAST_BOOL;
	for (int64_t i = 0; i < view_count(v); i++) {
		const double x = (double)draw(c, 1u << 24) / (1u << 24);
		store_real(v, i, integer ? floor(lo + x * (hi - lo + 1)) : lo + x * (hi - lo));
	}
	add_input(c, v);
}

static void expect(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		   const double *reals, const int64_t *ints, const char *const *strings)
{
	if (dtype == CLAST_UNDEFINED) {
		add_output(c, true, NULL);
	} else if (n || reals || ints || strings) {
		add_output(c, true, tensor_of(c, dtype, rank, dims, n, reals, ints, strings));
	} else {
		tensor_view *v = copied(c, &(tensor_view){ 0 }, sizeof *v);
		view_dense(v, dtype, (int)rank, dims, NULL);
		add_output(c, true, v);
	}
}

void case_out(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n, const double *values)
{
	expect(c, dtype, rank, dims, n, values, NULL, NULL);
}

void case_out_ints(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, size_t n,
		   const int64_t *values)
{
	expect(c, dtype, rank, dims, n, NULL, values, NULL);
}

void case_out_strings(op_case *c, size_t rank, const int64_t *dims, size_t n, const char *const *values)
{
	expect(c, CLAST_STRING, rank, dims, n, NULL, NULL, values);
}

void case_out_raw(op_case *c, clast_dtype dtype, size_t rank, const int64_t *dims, const void *elements)
{
	tensor_view *v = new_tensor(c, dtype, rank, dims);
	memcpy(v->data, elements, (size_t)view_count(v) * clast_dtype_bytes(dtype));
	add_output(c, true, v);
}

void case_out_absent(op_case *c)
{
	add_output(c, false, NULL);
}

void case_tolerance(op_case *c, double absolute, double relative)
{
	c->absolute = absolute;
	c->relative = relative;
}

void case_complete(op_case *c)
{
	c->complete = true;
}

void case_body(op_case *c, clast_status (*body)(call *k, int body, size_t n_in, const tensor_view *const *in,
						size_t n_out, tensor_view *out))
{
	c->body = body;
}

/* ---- Storage ---- */

static void storage_new(storage *s, size_t elements, clast_dtype dtype)
{
	free(s->memory);
	s->bytes = elements * clast_dtype_bytes(dtype);
	s->memory = malloc(s->bytes ? s->bytes : 1);
	check(s->memory, "out of memory");
	memset(s->memory, FILL, s->bytes);
}

static void storage_dense(storage *s, clast_dtype dtype, int rank, const int64_t *dims)
{
	int64_t count = 1;
	for (int a = 0; a < rank; a++)
		count *= dims[a];
	storage_new(s, (size_t)count, dtype);
	view_dense(&s->view, dtype, rank, dims, s->memory);
}

/* Factors of every axis, outermost first within an axis; axes are split where their extents allow it, now and
 * then. */
static int draw_factors(op_case *c, tensor_view *v, axis_factor *factors)
{
	int n = 0;
	for (int a = 0; a < v->rank; a++) {
		int64_t divisors[8];
		size_t found = 0;
		for (int64_t f = 2; f < v->dims[a] && f < 64 && found < 8; f++)
			if (v->dims[a] % f == 0)
				divisors[found++] = f;
		v->first_factor[a] = (uint8_t)n;
		if (found && n + 2 + v->rank < VIEW_MAX_FACTORS && draw(c, 3) == 0) {
			const int64_t inner = divisors[draw(c, found)];
			v->split[a] = 2;
			factors[n++].extent = v->dims[a] / inner;
			factors[n++].extent = inner;
		} else {
			v->split[a] = 0;
			factors[n++].extent = v->dims[a];
		}
	}
	return n;
}

/* A view of the given shape in a random order of factors, with gaps and negative strides. */
static void storage_random(op_case *c, storage *s, clast_dtype dtype, int rank, const int64_t *dims)
{
	tensor_view v;
	view_dense(&v, dtype, rank, dims, NULL);
	axis_factor factors[VIEW_MAX_FACTORS];
	int places[VIEW_MAX_FACTORS];
	const int n = draw_factors(c, &v, factors);
	for (int i = 0; i < n; i++) {
		const int j = (int)draw(c, (uint64_t)i + 1);
		places[i] = places[j];
		places[j] = i;
	}
	int64_t stride = 1 + (int64_t)draw(c, 2), origin = 0;
	for (int i = 0; i < n; i++) {
		axis_factor *f = &factors[places[i]];
		const int64_t extent = f->extent > 0 ? f->extent : 1;
		f->stride = stride;
		if (draw(c, 6) == 0) {
			f->stride = -stride;
			origin += (extent - 1) * stride;
		}
		stride = stride * extent + (int64_t)draw(c, 3);
	}
	storage_new(s, (size_t)stride, dtype);
	for (int a = 0; a < rank; a++)
		v.strides[a] = factors[v.first_factor[a]].stride;
	memcpy(v.factors, factors, sizeof factors);
	v.factor_count = (uint8_t)n;
	v.data = s->memory + (size_t)origin * clast_dtype_bytes(dtype);
	s->view = v;
}

static void storage_shape(op_case *c, storage *s, clast_dtype dtype, int rank, const int64_t *dims)
{
	if (c->permuted)
		storage_random(c, s, dtype, rank, dims);
	else
		storage_dense(s, dtype, rank, dims);
}

/* Bytes that belong to no element must still hold what they were filled with. */
static void check_gaps(op_case *c, const storage *s, const char *what)
{
	const size_t each = clast_dtype_bytes(s->view.dtype);
	unsigned char *owned = calloc(s->bytes ? s->bytes : 1, 1);
	check(owned, "out of memory");
	for (iter it = iter_over(&s->view); iter_next(&it);) {
		const ptrdiff_t at = (unsigned char *)s->view.data - s->memory +
				     iter_offset(&s->view, &it) * (ptrdiff_t)each;
		check(at >= 0 && (size_t)at + each <= s->bytes && !owned[at], "harness: a view is wrong");
		memset(owned + at, 1, each);
	}
	for (size_t i = 0; i < s->bytes; i++)
		check(owned[i] || s->memory[i] == FILL, "%s: %s was written outside its elements", c->title,
		      what);
	free(owned);
}

static bool same_element(const tensor_view *a, int64_t i, const tensor_view *b, int64_t j)
{
	const size_t each = clast_dtype_bytes(a->dtype);
	if (a->dtype != CLAST_STRING)
		return !memcmp((char *)a->data + (size_t)i * each, (char *)b->data + (size_t)j * each, each);
	const clast_string *x = (const clast_string *)a->data + i, *y = (const clast_string *)b->data + j;
	return x->length == y->length && !memcmp(x->bytes, y->bytes, x->length);
}

static void check_same(op_case *c, const tensor_view *a, const tensor_view *b, const char *what)
{
	check(a->dtype == b->dtype && a->rank == b->rank, "%s: %s changed dtype or rank", c->title, what);
	for (int k = 0; k < a->rank; k++)
		check(a->dims[k] == b->dims[k], "%s: %s changed its shape", c->title, what);
	int64_t n = 0;
	for (iter it = iter_over(a); iter_next(&it); n++)
		check(same_element(a, iter_offset(a, &it), b, iter_offset(b, &it)),
		      "%s: %s differs at element %lld", c->title, what, (long long)n);
}

/* ---- The host of a call ---- */

static void *allocate(void *context, size_t bytes, size_t alignment)
{
	op_case *c = context;
	void *p = NULL;
	if (++c->allocations == c->fail_at ||
	    posix_memalign(&p, alignment < sizeof(p) ? sizeof(p) : alignment, bytes ? bytes : 1))
		return NULL;
	memset(p, FILL, bytes);
	return p;
}

static void release(void *context, void *p, size_t bytes)
{
	(void)context, (void)bytes;
	free(p);
}

static clast_status host_output(call *k, size_t index, clast_dtype dtype, int rank, const int64_t *dims)
{
	op_case *c = k->context;
	check(index < c->n_out && c->wanted[index], "%s: asks for output %zu", c->title, index);
	storage *s = &c->outputs[index];
	if (k->out[index]->data) {
		check(k->out[index]->dtype == dtype && k->out[index]->rank == rank &&
			      !memcmp(k->out[index]->dims, dims, (size_t)rank * sizeof *dims),
		      "%s: output %zu is asked for with another shape than inferred", c->title, index);
		return CLAST_OK;
	}
	storage_dense(s, dtype, rank, dims);
	*k->out[index] = s->view;
	return CLAST_OK;
}

static clast_status host_body(call *k, int body, size_t n_in, const tensor_view *const *in, size_t n_out,
			      tensor_view *out)
{
	op_case *c = k->context;
	check(c->body, "%s: has no body", c->title);
	return c->body(k, body, n_in, in, n_out, out);
}

static void host_release(call *k, const tensor_view *v)
{
	(void)k, (void)v;
}

static clast_status host_string(call *k, const char *bytes, size_t length, clast_string *out)
{
	*out = (clast_string){ copied(k->context, bytes, length), length };
	return CLAST_OK;
}

static bool host_proceed(call *k)
{
	return !((op_case *)k->context)->cancel;
}

tensor_view case_new_tensor(call *k, clast_dtype dtype, int rank, const int64_t *dims)
{
	return *new_tensor(k->context, dtype, (size_t)rank, dims);
}

/* ---- Inference ---- */

static clast_status add_node(op_case *c)
{
	const clast_attribute_type graphs = (clast_attribute_type)5;
	value_id in[MAX_OPERANDS], out[MAX_OPERANDS];
	for (size_t i = 0; i < c->n_in; i++) {
		in[i] = NO_ID;
		if (c->in[i] && graph_add_value(c->model, 0, "input", &in[i], &c->diag))
			return c->diag.status;
		if (c->in[i])
			graph_set_constant(c->model, in[i], c->in[i]);
	}
	for (size_t i = 0; i < c->n_out; i++) {
		out[i] = NO_ID;
		if (c->wanted[i] && graph_add_value(c->model, 0, "output", &out[i], &c->diag))
			return c->diag.status;
	}
	/* Subgraphs are played by case_body(): each graph attribute gets an empty one. */
	for (const attr_spec *s = c->op->attrs; s && s->name; s++)
		if (s->type == ATTR_GRAPH && c->body)
			graph_add(c->model, s->name, 0, &new_attribute(c, s->name, graphs)->graph, &c->diag);
	return graph_add_node(c->model, 0, c->op->domain, c->op->name, c->opset, "node", c->n_in, in,
			      c->n_out, out, c->n_attrs, c->attrs, &c->node, &c->diag);
}

typedef enum mode {
	NUMBERS,        /* as while running */
	SYMBOLS,        /* every extent a symbol of its own */
	SHARED_SYMBOLS, /* equal extents are equal symbols */
	FIRST_SYMBOL,   /* only the first extent of the first input */
	SYMBOLIC_INTS,  /* extents are numbers, elements of small integer tensors symbols */
	HIDDEN,         /* no elements known */
	UNKNOWN_RANK,   /* of the first input; see unknown_input */
	MODES
} mode;

typedef struct symbols {
	dim_table *table;
	int64_t values[256]; /* by symbol index */
} symbols;

static dim symbol(symbols *t, const char *name, int64_t number)
{
	const dim s = dim_symbol(t->table, name, number > 0 ? 1 : 0, DIM_NO_MAX);
	for (size_t i = 0; i < dim_symbol_count(t->table) && i < 256; i++)
		if (dim_symbol_at(t->table, i) == s)
			t->values[i] = number;
	return s;
}

static dim extent(op_case *c, symbols *t, mode m, size_t input, int axis)
{
	const int64_t number = c->in[input]->dims[axis];
	char name[40];
	snprintf(name, sizeof name, m == SHARED_SYMBOLS ? "e%lld" : "i%lld_%d",
		 m == SHARED_SYMBOLS ? (long long)number : (long long)input, axis);
	/* An extent of 1 may mean broadcasting, which a symbol cannot say. */
	const bool symbolic =
		(m == SYMBOLS || m == SHARED_SYMBOLS || (m == FIRST_SYMBOL && input == 0 && axis == 0)) &&
		number > 1;
	return symbolic ? symbol(t, name, number) : number;
}

static void describe_input(op_case *c, symbols *t, mode m, size_t unknown_input, size_t i, infer_value *v)
{
	*v = (infer_value){ .present = c->in[i], .shape.rank = -1 };
	const tensor_view *x = c->in[i];
	if (!x)
		return;
	v->dtype = x->dtype;
	if (m == UNKNOWN_RANK && i == unknown_input)
		return;
	v->shape.rank = x->rank;
	/* Inputs whose elements inference needs keep their extents, as those decide how many elements there
	 * are. */
	const bool elements = (i < 32 && c->op->shape_inputs >> i & 1) || (m == SYMBOLIC_INTS);
	for (int a = 0; a < x->rank; a++)
		v->shape.dims[a] = elements ? x->dims[a] : extent(c, t, m, i, a);
	if (m == HIDDEN || (!elements && m != NUMBERS))
		return;
	v->data = x;
	size_t count;
	if (m != SYMBOLIC_INTS || !infer_small(x->dtype, &v->shape, &count))
		return;
	v->data = NULL;
	dim *ints = bump_array(&c->model->region, count ? count : 1, sizeof *ints);
	for (size_t k = 0; k < count; k++) {
		char name[40];
		snprintf(name, sizeof name, "v%zu_%zu", i, k);
		const int64_t x_k = load_int(x, (int64_t)k);
		ints[k] = x_k > 1 && x->dtype != CLAST_BOOL ? symbol(t, name, x_k) : x_k;
	}
	v->ints = ints;
	v->int_count = count;
}

static clast_status infer_as(op_case *c, symbols *t, mode m, size_t unknown_input, infer_value *out,
			     clast_diag *d)
{
	const node *n = &c->model->nodes[c->node];
	infer_value in[MAX_OPERANDS];
	for (size_t i = 0; i < c->n_in; i++)
		describe_input(c, t, m, unknown_input, i, &in[i]);
	for (size_t i = 0; i < c->n_out; i++)
		out[i] = (infer_value){ .present = c->wanted[i], .shape.rank = -1 };
	const infer_in inference = { .op = c->op,
				     .dims = m == NUMBERS ? NULL : t->table,
				     .attrs = n->attrs,
				     .version = n->version,
				     .n_in = c->n_in,
				     .n_out = c->n_out,
				     .in = in,
				     .memory = &c->model->region };
	infer_out outputs = { out };
	return c->op->infer(&inference, &outputs, d);
}

/* The number of a symbolic extent or element; false if it was not inferred. */
static bool evaluate(symbols *t, dim x, int64_t *number)
{
	if (x == DIM_UNKNOWN)
		return false;
	const size_t n = dim_symbol_count(t->table);
	int64_t *values = malloc((n ? n : 1) * sizeof *values);
	check(values, "out of memory");
	for (size_t i = 0; i < n; i++)
		values[i] = i < 256 ? t->values[i] : DIM_UNKNOWN;
	dim_complete(t->table, values);
	const bool ok = !dim_eval(t->table, x, values, number);
	free(values);
	return ok;
}

static void check_inferred(op_case *c, symbols *t, mode m, size_t i, const infer_value *v)
{
	const tensor_view *truth = &c->baseline[i].view;
	check(v->dtype == CLAST_UNDEFINED || v->dtype == truth->dtype,
	      "%s: mode %d infers dtype %s of output %zu, found %s", c->title, m, clast_dtype_name(v->dtype),
	      i, clast_dtype_name(truth->dtype));
	if (c->complete && (m == SHARED_SYMBOLS || m == FIRST_SYMBOL))
		check(v->shape.rank >= 0 && v->dtype != CLAST_UNDEFINED,
		      "%s: mode %d does not infer output %zu", c->title, m, i);
	if (v->shape.rank < 0)
		return;
	check(v->shape.rank == truth->rank, "%s: mode %d infers rank %d of output %zu, found %d", c->title, m,
	      v->shape.rank, i, truth->rank);
	for (int a = 0; a < truth->rank; a++) {
		int64_t number = 0;
		const bool known = evaluate(t, v->shape.dims[a], &number);
		check(!known || number == truth->dims[a],
		      "%s: mode %d infers extent %lld of axis %d of output %zu, found %lld", c->title, m,
		      (long long)number, a, i, (long long)truth->dims[a]);
		check(known || !c->complete || (m != SHARED_SYMBOLS && m != FIRST_SYMBOL),
		      "%s: mode %d does not infer axis %d of output %zu", c->title, m, a, i);
	}
	if (!v->ints)
		return;
	check((int64_t)v->int_count == view_count(truth),
	      "%s: mode %d follows %zu elements of output %zu, found %lld", c->title, m, v->int_count, i,
	      (long long)view_count(truth));
	for (size_t k = 0; k < v->int_count; k++) {
		int64_t number;
		check(!evaluate(t, v->ints[k], &number) || number == load_int(truth, (int64_t)k),
		      "%s: mode %d infers element %zu of output %zu as %lld, found %lld", c->title, m, k, i,
		      (long long)number, (long long)load_int(truth, (int64_t)k));
	}
}

/* Whatever is known of the inputs, what inference says must be true of the result. */
static void check_inference(op_case *c)
{
	for (mode m = NUMBERS; m < MODES; m++)
		for (size_t unknown = 0; unknown < (m == UNKNOWN_RANK ? c->n_in : 1); unknown++) {
			symbols t = { .table = dim_table_create(&c->model->memory) };
			check(t.table, "out of memory");
			for (size_t i = 0; i < 256; i++)
				t.values[i] = DIM_UNKNOWN;
			infer_value out[MAX_OPERANDS];
			clast_diag d = { 0 };
			check(!infer_as(c, &t, m, unknown, out, &d), "%s: inference in mode %d fails: %s",
			      c->title, m, d.message);
			for (size_t i = 0; i < c->n_out; i++)
				if (c->wanted[i] && out[i].kind == KIND_TENSOR)
					check_inferred(c, &t, m, i, &out[i]);
			dim_table_free(&t.table);
		}
}

/* ---- Running ---- */

static void prepare_output(op_case *c, size_t i, tensor_view *view)
{
	const infer_value *v = &c->inferred[i];
	int64_t dims[CLAST_MAX_RANK];
	bool known = v->shape.rank >= 0;
	for (int a = 0; a < v->shape.rank; a++) {
		dims[a] = v->shape.dims[a];
		known = known && dim_is_number(dims[a]);
		check(!dim_is_number(dims[a]) || dims[a] >= 0, "%s: infers extent %lld", c->title,
		      (long long)dims[a]);
	}
	check(known || c->op->flags & OP_DATA_SHAPED,
	      "%s: the shape of output %zu is not inferred from numbers", c->title, i);
	*view = (tensor_view){ .dtype = v->dtype, .rank = v->shape.rank };
	if (!known)
		return;
	check(v->dtype != CLAST_UNDEFINED, "%s: the dtype of output %zu is not inferred", c->title, i);
	storage_shape(c, &c->outputs[i], v->dtype, v->shape.rank, dims);
	*view = c->outputs[i].view;
}

static clast_status run_once(op_case *c)
{
	static const struct call_host host = { host_output, host_body, host_release, host_proceed,
					       host_string };
	const node *n = &c->model->nodes[c->node];
	const clast_allocator allocator = { allocate, release, c };
	const tensor_view *in[MAX_OPERANDS];
	tensor_view views[MAX_OPERANDS], *out[MAX_OPERANDS];
	for (size_t i = 0; i < c->n_in; i++) {
		in[i] = NULL;
		if (!c->in[i])
			continue;
		storage_shape(c, &c->inputs[i], c->in[i]->dtype, c->in[i]->rank, c->in[i]->dims);
		view_copy(&c->inputs[i].view, c->in[i]);
		in[i] = &c->inputs[i].view;
	}
	for (size_t i = 0; i < c->n_out; i++) {
		out[i] = c->wanted[i] ? &views[i] : NULL;
		if (out[i])
			prepare_output(c, i, out[i]);
	}
	mem_init(&c->memory, &allocator, 0);
	c->allocations = 0;
	call k = { .op = c->op,
		   .attrs = n->attrs,
		   .version = n->version,
		   .n_in = c->n_in,
		   .n_out = c->n_out,
		   .in = in,
		   .out = out,
		   .memory = &c->memory,
		   .diag = &c->diag,
		   .host = &host,
		   .context = c };
	const clast_status s = c->op->reference(&k);
	bool strings = false; /* whose bytes may live on */
	for (size_t i = 0; i < c->n_out; i++)
		strings |= c->wanted[i] && c->inferred[i].dtype == CLAST_STRING;
	check(strings || c->memory.used_bytes == 0, "%s: the reference leaks %zu bytes", c->title,
	      (size_t)c->memory.used_bytes);
	return s;
}

static void check_inputs(op_case *c)
{
	for (size_t i = 0; i < c->n_in; i++)
		if (c->in[i]) {
			check_same(c, c->in[i], &c->inputs[i].view, "an input");
			check_gaps(c, &c->inputs[i], "an input");
		}
}

static void make_baseline(op_case *c)
{
	if (c->has_baseline)
		return;
	check(!add_node(c), "%s: %s", c->title, c->diag.message);
	/* The subgraphs of the model are empty where functions play them. */
	check(c->body || !graph_infer_node(c->model, c->node, &c->diag), "%s: %s", c->title, c->diag.message);
	check(!infer_as(c, NULL, NUMBERS, 0, c->inferred, &c->diag), "%s: %s", c->title, c->diag.message);
	check(!run_once(c), "%s: %s", c->title, c->diag.message);
	check_inputs(c);
	for (size_t i = 0; i < c->n_out; i++) {
		if (!c->wanted[i])
			continue;
		check_gaps(c, &c->outputs[i], "an output");
		c->baseline[i] = c->outputs[i];
		c->outputs[i] = (storage){ 0 };
	}
	c->has_baseline = true;
}

const tensor_view *case_result(op_case *c, size_t i)
{
	make_baseline(c);
	check(i < c->n_out && c->wanted[i], "%s: no output %zu", c->title, i);
	return &c->baseline[i].view;
}

const tensor_view *case_input(const op_case *c, size_t i)
{
	return c->in[i];
}

static bool close_to(const op_case *c, double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabs(a - b) <= c->absolute + c->relative * fabs(b);
}

static void check_expected(op_case *c, size_t i)
{
	const tensor_view *want = c->expected[i], *have = &c->baseline[i].view;
	if (!want)
		return;
	check(want->dtype == have->dtype, "%s: output %zu: expected dtype %s, found %s", c->title, i,
	      clast_dtype_name(want->dtype), clast_dtype_name(have->dtype));
	check(want->rank == have->rank, "%s: output %zu: expected rank %d, found %d", c->title, i, want->rank,
	      have->rank);
	for (int a = 0; a < want->rank; a++)
		check(want->dims[a] == have->dims[a],
		      "%s: output %zu: expected extent %lld at axis %d, found %lld", c->title, i,
		      (long long)want->dims[a], a, (long long)have->dims[a]);
	for (int64_t k = 0; want->data && k < view_count(want); k++) {
		if (!dtype_is_float(want->dtype)) {
			const bool countable = want->dtype != CLAST_STRING && !dtype_is_complex(want->dtype);
			check(same_element(want, k, have, k),
			      "%s: output %zu: element %lld: expected %lld, found %lld", c->title, i,
			      (long long)k, countable ? (long long)load_int(want, k) : -1,
			      countable ? (long long)load_int(have, k) : -1);
		} else {
			check(close_to(c, load_real(have, k), load_real(want, k)),
			      "%s: output %zu: element %lld: expected %.9g, found %.9g", c->title, i,
			      (long long)k, load_real(want, k), load_real(have, k));
		}
	}
}

static void check_orders(op_case *c)
{
	c->permuted = true;
	for (int k = 0; k < ORDERS; k++) {
		check(!run_once(c), "%s: in another order: %s", c->title, c->diag.message);
		check_inputs(c);
		for (size_t i = 0; i < c->n_out; i++) {
			if (!c->wanted[i])
				continue;
			check_gaps(c, &c->outputs[i], "an output");
			check_same(c, &c->baseline[i].view, &c->outputs[i].view,
				   "an output in another order");
		}
	}
	c->permuted = false;
}

/* A failing allocation must come back as such, a cancelled run as cancelled, both without leaks (run_once
 * looks). */
static void check_failures(op_case *c)
{
	check(!run_once(c), "%s: %s", c->title, c->diag.message);
	const size_t total = c->allocations;
	for (size_t i = 1; i <= total && i < 40; i++) {
		c->fail_at = i;
		const clast_status s = run_once(c);
		check(s == CLAST_ERROR_MEMORY, "%s: allocation %zu fails, the reference returns %s", c->title,
		      i, clast_status_name(s));
	}
	c->fail_at = 0;
	c->cancel = true;
	const clast_status s = run_once(c);
	check(!s || s == CLAST_ERROR_CANCELLED, "%s: cancelled, the reference returns %s", c->title,
	      clast_status_name(s));
	c->cancel = false;
}

/* A pure view must be what the reference computes. */
static void check_views(op_case *c)
{
	if (!c->op->views || !c->n_out || !c->wanted[0] || !c->in[0])
		return;
	const node *n = &c->model->nodes[c->node];
	infer_value in[MAX_OPERANDS];
	for (size_t i = 0; i < c->n_in; i++)
		describe_input(c, NULL, NUMBERS, 0, i, &in[i]);
	const infer_in inference = { .op = c->op,
				     .attrs = n->attrs,
				     .version = n->version,
				     .n_in = c->n_in,
				     .n_out = c->n_out,
				     .in = in,
				     .memory = &c->model->region };
	view_step steps[MAX_VIEW_STEPS];
	const int count = c->op->views(&inference, c->inferred, steps);
	if (count < 0)
		return;
	check(count <= MAX_VIEW_STEPS, "%s: %d view steps", c->title, count);
	storage now = { 0 }, next = { 0 };
	storage_dense(&now, c->in[0]->dtype, c->in[0]->rank, c->in[0]->dims);
	view_copy(&now.view, c->in[0]);
	for (int i = 0; i < count; i++) {
		tensor_view v = now.view;
		if (steps[i].permute) {
			view_permute(&v, steps[i].perm);
			storage_dense(&next, v.dtype, v.rank, v.dims);
			view_copy(&next.view, &v);
			free(now.memory);
			now = next;
			next = (storage){ 0 };
		}
		const int64_t elements = view_count(&now.view);
		view_dense(&now.view, v.dtype, steps[i].shape.rank, steps[i].shape.dims, now.memory);
		check(view_count(&now.view) == elements, "%s: view step %d changes the number of elements",
		      c->title, i);
	}
	check_same(c, &c->baseline[0].view, &now.view, "the view");
	free(now.memory);
}

void case_run(op_case *c)
{
	make_baseline(c);
	for (size_t i = 0; i < c->n_out; i++)
		if (c->wanted[i])
			check_expected(c, i);
	check_orders(c);
	check_failures(c);
	if (!c->body)
		check_inference(c);
	check_views(c);
	case_free(c);
}

void case_fails(op_case *c, clast_status status, const char *text)
{
	if (!c->n_out)
		add_output(c, true, NULL);
	clast_status s = add_node(c);
	if (!s)
		s = graph_infer_node(c->model, c->node, &c->diag);
	if (!s)
		s = infer_as(c, NULL, NUMBERS, 0, c->inferred, &c->diag);
	if (!s)
		s = run_once(c);
	check(s == status, "%s: expected %s, found %s (%s)", c->title, clast_status_name(status),
	      clast_status_name(s), c->diag.message);
	check(strstr(c->diag.message, text), "%s: expected a message with \"%s\", found \"%s\"", c->title,
	      text, c->diag.message);
	case_free(c);
}
