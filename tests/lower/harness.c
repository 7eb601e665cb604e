#include "harness.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph.h"

#define MAX_OPERANDS 12

struct lower_case {
	clast_model *m;
	const char *op;
	int64_t opset;
	uint64_t *seed;
	attr_value attrs[12];
	size_t n_attrs;
	value_id in[MAX_OPERANDS], out[4];
	int n_in, n_out;
	bool constant[MAX_OPERANDS];
	clast_diag d;
	bool tied; /* the channels of CHANNELS_TIED operands are permuted */
};

int64_t below(uint64_t *seed, int64_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (int64_t)((*seed * 0x2545F4914F6CDD1Du >> 16) % (uint64_t)n);
}

int64_t between(uint64_t *seed, int64_t lo, int64_t hi)
{
	return lo + below(seed, hi - lo + 1);
}

lower_case *case_new(const char *name, int64_t opset, uint64_t *seed)
{
	lower_case *c = calloc(1, sizeof *c);
	graph_id g;
	*c = (lower_case){ .op = name, .opset = opset, .seed = seed, .n_out = 1 };
	cr_assert_eq(model_create(NULL, &c->m, &c->d), CLAST_OK);
	if (!c->m->graph_count)
		cr_assert_eq(graph_add(c->m, "main", NO_ID, &g, &c->d), CLAST_OK);
	return c;
}

static attr_value *attr(lower_case *c, const char *name, clast_attribute_type type)
{
	attr_value *a = &c->attrs[c->n_attrs++];
	*a = (attr_value){ .name = name, .type = type };
	return a;
}

void case_attr_int(lower_case *c, const char *name, int64_t i)
{
	attr(c, name, CLAST_ATTRIBUTE_INT)->i = i;
}

void case_attr_float(lower_case *c, const char *name, float f)
{
	attr(c, name, CLAST_ATTRIBUTE_FLOAT)->f = f;
}

void case_attr_string(lower_case *c, const char *name, const char *s)
{
	attr_value *a = attr(c, name, CLAST_ATTRIBUTE_STRING);
	a->s = s;
	a->s_length = strlen(s);
}

void case_attr_ints(lower_case *c, const char *name, size_t n, const int64_t *v)
{
	attr_value *a = attr(c, name, CLAST_ATTRIBUTE_INTS);
	a->ints = v;
	a->count = n;
}

static void new_value(lower_case *c, clast_dtype dtype, int rank, const int64_t *dims)
{
	shape s = { .rank = rank };
	for (int a = 0; a < rank; a++)
		s.dims[a] = dims[a];
	cr_assert_eq(graph_add_value(c->m, 0, "x", &c->in[c->n_in], &c->d), CLAST_OK);
	cr_assert_eq(graph_set_shape(c->m, c->in[c->n_in], dtype, &s, &c->d), CLAST_OK);
}

void case_input_of(lower_case *c, clast_dtype dtype, int rank, const int64_t *dims)
{
	new_value(c, dtype, rank, dims);
	cr_assert_eq(graph_add_input(c->m, 0, c->in[c->n_in++], &c->d), CLAST_OK);
}

void case_input(lower_case *c, int rank, const int64_t *dims)
{
	case_input_of(c, CLAST_FLOAT32, rank, dims);
}

static double random_element(lower_case *c, clast_dtype t)
{
	return t == CLAST_BOOL ? (double)below(c->seed, 2) : dtype_is_float(t) ? (double)between(c->seed, -1000, 1000) / 500
	                                                                       : (double)between(c->seed, 0, 100);
}

void case_constant(lower_case *c, int rank, const int64_t *dims)
{
	tensor_view *t;
	new_value(c, CLAST_FLOAT32, rank, dims);
	cr_assert_eq(model_constant(c->m, CLAST_FLOAT32, rank, dims, &t, &c->d), CLAST_OK);
	for (int64_t i = 0; i < view_count(t); i++)
		store_real(t, i, random_element(c, CLAST_FLOAT32));
	graph_set_constant(c->m, c->in[c->n_in], t);
	c->constant[c->n_in++] = true;
}

void case_ints(lower_case *c, size_t n, const int64_t *v)
{
	tensor_view *t;
	const int64_t dims = (int64_t)n;
	new_value(c, CLAST_INT64, 1, &dims);
	cr_assert_eq(model_constant(c->m, CLAST_INT64, 1, &dims, &t, &c->d), CLAST_OK);
	for (size_t i = 0; i < n; i++)
		store_int(t, (int64_t)i, v[i]);
	graph_set_constant(c->m, c->in[c->n_in], t);
	c->constant[c->n_in++] = true;
}

void case_absent(lower_case *c)
{
	c->in[c->n_in++] = NO_ID;
}

void case_outputs(lower_case *c, int n)
{
	c->n_out = n;
}

/* ---- Storage ---- */

typedef struct storage {
	char *memory;
	bool *used;     /* by element */
	size_t count, element;
	tensor_view view;
} storage;

/* Memory axis i holds logical axis perm[i], as the port wants it. */
static void random_perm(uint64_t *seed, port_need need, int rank, const int *same, int *perm)
{
	if (need == PORT_COLUMNS)
		need = PORT_ROWS;
	if (need == PORT_MATRIX)
		need = below(seed, 2) ? PORT_ROWS : PORT_TURNED;
	if (need == PORT_INTERLEAVED || need == PORT_RUNS)
		need = PORT_LAST;
	for (int i = 0; i < rank; i++)
		perm[i] = i;
	if (need == PORT_FIRST || need == PORT_ABSENT || need == PORT_GROUPS)
		return;
	if (need == PORT_SAME) {
		memcpy(perm, same, (size_t)rank * sizeof *perm);
		return;
	}
	if (need == PORT_LAST && rank > 2) {
		for (int i = 1; i + 1 < rank; i++)
			perm[i] = i + 1;
		perm[rank - 1] = 1;
		return;
	}
	if (need == PORT_TURNED && rank > 1) {
		perm[rank - 1] = rank - 2;
		perm[rank - 2] = rank - 1;
		need = PORT_ROWS;
	}
	for (int i = need == PORT_ROWS ? rank - 2 : rank - 1; i > 0; i--) {
		const int j = (int)below(seed, i + 1), x = perm[i];
		perm[i] = perm[j];
		perm[j] = x;
	}
}

static void fill_nan(void *memory, size_t bytes)
{
	memset(memory, 0xff, bytes);
}

/* Channels in blocks of one vector, the block innermost. Returns the span. */
static int64_t block_channels(lower_case *c, tensor_view *v)
{
	const int64_t block = (int64_t)cpu_kernels_get()->vector;
	int64_t stride = block;
	for (int a = v->rank - 1; a >= 0; a--) {
		if (a == 1)
			continue;
		if (!a) {
			v->split[1] = 2;
			v->first_factor[1] = 0;
			v->factor_count = 2;
			v->factors[0] = (axis_factor){ v->dims[1] / block, stride };
			v->factors[1] = (axis_factor){ block, 1 };
			stride *= v->dims[1] / block;
		}
		v->strides[a] = stride;
		stride *= v->dims[a];
		stride += below(c->seed, 3) * below(c->seed, 2);
	}
	return stride;
}

/* The last of three axes in two pieces, axis 1 between them. Returns the span. */
static int64_t split_groups(lower_case *c, tensor_view *v)
{
	const int64_t inner = v->dims[2] % 2 ? 1 : 2, pixels = v->dims[2] / inner;
	v->split[2] = 2;
	v->first_factor[2] = 0;
	v->factor_count = 2;
	v->factors[0] = (axis_factor){ inner, 1 };
	v->strides[1] = inner;
	v->factors[1] = (axis_factor){ pixels, inner * v->dims[1] + below(c->seed, 3) * below(c->seed, 2) };
	v->strides[0] = pixels * v->factors[1].stride + below(c->seed, 3);
	return v->dims[0] * v->strides[0];
}

/* Channels in two factors that have changed places, in each group alike. */
static void permute_channels(const port *need, tensor_view *v)
{
	const int64_t block = need->block ? need->block : v->dims[1];
	axis_factor *f = v->factors + v->factor_count;
	if (block % 2 || block < 4 || v->dims[1] % block)
		return;
	v->first_factor[1] = v->factor_count;
	f[0] = (axis_factor){ v->dims[1] / block, block };
	f[1] = (axis_factor){ block / 2, 1 };
	f[2] = (axis_factor){ 2, block / 2 };
	v->split[1] = 3;
	v->factor_count = (uint8_t)(v->factor_count + 3);
}

static void split_channels(tensor_view *v, int n)
{
	v->first_factor[1] = v->factor_count;
	v->split[1] = (uint8_t)n;
	v->factor_count = (uint8_t)(v->factor_count + n);
}

/* Channels side by side, those of the groups in turns. */
static void interleave_channels(const port *need, tensor_view *v)
{
	axis_factor *f = v->factors + v->factor_count;
	const int64_t groups = need->block ? v->dims[1] / need->block : 1;
	if (groups < 2 || need->block < 2)
		return;
	f[0] = (axis_factor){ groups, 1 };
	f[1] = (axis_factor){ need->block, groups };
	split_channels(v, 2);
}

/* Channels in two or three pieces with pixels between them. Returns the span. */
static int64_t channels_in_runs(lower_case *c, tensor_view *v)
{
	const int last = v->rank - 1;
	const bool three = v->dims[1] % 4 == 0 && below(c->seed, 2);
	const int64_t run = v->dims[1] / (three ? 4 : 2);
	axis_factor *f = v->factors + v->factor_count;
	v->strides[last] = three ? 2 * run + below(c->seed, 2) : run;
	int64_t stride = v->strides[last] * v->dims[last];
	f[0] = (axis_factor){ 2, stride };
	f[1] = (axis_factor){ three ? 2 : run, three ? run : 1 };
	f[2] = (axis_factor){ run, 1 };
	split_channels(v, three ? 3 : 2);
	stride *= 2;
	for (int a = last - 1; a >= 0; a--)
		if (a != 1) {
			v->strides[a] = stride;
			stride = stride * v->dims[a] + below(c->seed, 3);
		}
	return stride;
}

static void make_storage(lower_case *c, clast_dtype dtype, int rank, const int64_t *dims, port need, const int *same, storage *s)
{
	int perm[CLAST_MAX_RANK];
	int64_t stride = need.unit || below(c->seed, 2) ? 1 : 2;
	random_perm(c->seed, need.need, rank, same, perm);
	view_dense(&s->view, dtype, rank, dims, NULL);
	if (need.need == PORT_BLOCKED)
		stride = block_channels(c, &s->view);
	if (need.need == PORT_GROUPS)
		stride = split_groups(c, &s->view);
	for (int i = need.need == PORT_BLOCKED || need.need == PORT_GROUPS ? -1 : rank - 1; i >= 0; i--) {
		s->view.strides[perm[i]] = stride;
		stride = stride * (dims[perm[i]] ? dims[perm[i]] : 1) + below(c->seed, 3) * below(c->seed, 2);
	}
	if (need.need == PORT_INTERLEAVED)
		interleave_channels(&need, &s->view);
	if (need.need == PORT_RUNS && dims[1] % 2 == 0 && dims[1] > 2 && dims[rank - 1] > 1)
		stride = channels_in_runs(c, &s->view);
	if (need.need == PORT_LAST && (need.channels == CHANNELS_TIED ? c->tied : need.channels == CHANNELS_FREE && *c->seed >> 23 & 1))
		permute_channels(&need, &s->view);
	s->element = clast_dtype_bytes(dtype);
	s->count = (size_t)stride + 1;
	s->memory = malloc(s->count * s->element);
	s->used = calloc(s->count, sizeof *s->used);
	fill_nan(s->memory, s->count * s->element);
	s->view.data = s->memory;
	for (iter it = iter_over(&s->view); iter_next(&it);)
		s->used[iter_offset(&s->view, &it)] = true;
}

static void free_storage(storage *s)
{
	free(s->memory);
	free(s->used);
}

static void check_gaps(const lower_case *c, const storage *s)
{
	for (size_t i = 0; i < s->count; i++)
		for (size_t k = 0; !s->used[i] && k < s->element; k++)
			cr_assert_eq((unsigned char)s->memory[i * s->element + k], 0xff, "%s wrote between its elements", c->op);
}

/* ---- A host that runs calls as they come ---- */

#define MAX_BLOCKS 64

typedef struct runner {
	void *in[MAX_OPERANDS], *out[4], *fused[FUSED_MAX_OPERANDS];
	void *block[MAX_BLOCKS];
	uint32_t blocks;
	int calls;
} runner;

static void *resolve(const runner *r, const lower_arg *a)
{
	char *base = a->kind == ARG_NONE ? NULL : a->kind == ARG_IN ? r->in[a->index] : a->kind == ARG_OUT ? r->out[a->index]
	             : a->kind == ARG_FUSED ? r->fused[a->index] : r->block[a->index];
	return base ? base + a->offset_bytes : NULL;
}

static clast_status run_emit(lowering *l, kernel_id id, const void *params, size_t n, const lower_arg *args, bool beside)
{
	runner *r = l->context;
	const compute_kernel *k = cpu_kernels_get()->kernel[id];
	void *list[32];
	(void)beside;
	if (k->supports && !k->supports(params))
		return CLAST_ERROR_UNSUPPORTED;
	for (size_t i = 0; i < n; i++)
		list[i] = resolve(r, &args[i]);
	const size_t bytes = k->scratch_bytes ? k->scratch_bytes(params) : 0, tasks = k->tasks(params);
	void *scratch = aligned_alloc(KERNEL_ALIGNMENT, (bytes + KERNEL_ALIGNMENT) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT);
	fill_nan(scratch, bytes);
	k->run(params, list, tasks / 2, tasks, scratch); /* tasks run in any order */
	k->run(params, list, 0, tasks / 2, scratch);
	free(scratch);
	r->calls++;
	return CLAST_OK;
}

static uint32_t new_block(runner *r, size_t bytes)
{
	cr_assert_lt(r->blocks, MAX_BLOCKS);
	r->block[r->blocks] = aligned_alloc(KERNEL_ALIGNMENT, (bytes + KERNEL_ALIGNMENT) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT);
	fill_nan(r->block[r->blocks], bytes);
	return r->blocks++;
}

static clast_status run_weight(lowering *l, packing_id how, const weights_shape *form, const weights_source *source, const void *key,
                               size_t key_bytes, uint32_t *index)
{
	const weights_packing *p = cpu_kernels_get()->packing[how];
	(void)key, (void)key_bytes;
	*index = new_block(l->context, p->bytes(form));
	p->pack(form, source, ((runner *)l->context)->block[*index]);
	return CLAST_OK;
}

static clast_status run_table(lowering *l, size_t bytes, void **data, uint32_t *index)
{
	*index = new_block(l->context, bytes);
	*data = ((runner *)l->context)->block[*index];
	return CLAST_OK;
}

static clast_status run_temp(lowering *l, size_t bytes, uint32_t *index)
{
	*index = new_block(l->context, bytes);
	return CLAST_OK;
}

static const struct lowering_host host = { run_emit, run_weight, run_table, run_temp };

/* ---- Epilogues: the same program on the reference's result, an element at a time ---- */

static double interpret(const program *p, double x, const double *operand)
{
	double r[PROGRAM_REGISTERS] = { x };
	for (uint32_t i = 0; i < p->count; i++) {
		const program_instr *k = &p->code[i];
		const double a = r[k->a], b = r[k->b];
		r[k->dst] = k->op == PROGRAM_LOAD        ? operand[k->a]
		            : k->op == PROGRAM_ADD       ? a + b
		            : k->op == PROGRAM_MUL       ? a * b
		            : k->op == PROGRAM_MAX       ? fmax(a, b)
		            : k->op == PROGRAM_ADD_CONST ? a + (double)k->imm[0]
		            : k->op == PROGRAM_CLIP      ? fmin(fmax(a, k->imm[0]), k->imm[1])
		                                         : fmax(a, 0);
	}
	return r[0];
}

static void random_program(uint64_t *seed, fused *f)
{
	static const program_op binary[] = { PROGRAM_ADD, PROGRAM_ADD, PROGRAM_MUL, PROGRAM_MAX };
	const int n = (int)between(seed, 1, 4);
	memset(f, 0, sizeof *f);
	for (int i = 0; i < n; i++) {
		program_instr *k = &f->program.code[f->program.count];
		if (below(seed, 2)) {
			k[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 1, .a = (uint8_t)f->operand_count++ };
			k[1] = (program_instr){ .op = (uint8_t)binary[below(seed, 4)], .dst = 0, .a = 0, .b = 1 };
			f->program.count += 2;
		} else {
			static const program_op unary[] = { PROGRAM_RELU, PROGRAM_CLIP, PROGRAM_ADD_CONST };
			*k = (program_instr){ .op = (uint8_t)unary[below(seed, 3)], .imm = { -0.25f, 1.5f } };
			f->program.count++;
		}
	}
}

static void fill_random(lower_case *c, storage *s)
{
	for (iter it = iter_over(&s->view); iter_next(&it);)
		put_real(&s->view, &it, random_element(c, s->view.dtype));
}

/* ---- A run ---- */

typedef struct trial {
	lower_case *c;
	const node *n;
	infer_value in[MAX_OPERANDS], out[4];
	port ports[MAX_OPERANDS + 4];
	storage inputs[MAX_OPERANDS], outputs[4], expected[4], operands[FUSED_MAX_OPERANDS];
	tensor_view in_view[MAX_OPERANDS], out_view[4], fused_view[FUSED_MAX_OPERANDS];
	fused f;
	bool with_epilogue;
} trial;

static void numeric(const infer_value *v, int64_t *dims)
{
	for (int a = 0; a < v->shape.rank; a++) {
		cr_assert(dim_is_number(v->shape.dims[a]));
		dims[a] = v->shape.dims[a];
	}
}

static void prepare(trial *t)
{
	lower_case *c = t->c;
	int64_t dims[CLAST_MAX_RANK];
	int same[CLAST_MAX_RANK];
	const port plain = { PORT_FIRST, false };
	random_perm(c->seed, PORT_VIEW, t->out[0].shape.rank, NULL, same);
	c->tied = !t->with_epilogue && t->ports[0].need == t->ports[c->n_in].need && *c->seed >> 17 & 1;
	for (int i = 0; i < c->n_in; i++) {
		if (!t->in[i].present)
			continue;
		numeric(&t->in[i], dims);
		if (t->in[i].data) {
			t->in_view[i] = *t->in[i].data;
			continue;
		}
		make_storage(c, t->in[i].dtype, t->in[i].shape.rank, dims, t->ports[i], same, &t->inputs[i]);
		fill_random(c, &t->inputs[i]);
		t->in_view[i] = t->inputs[i].view;
	}
	for (int j = 0; j < c->n_out; j++) {
		numeric(&t->out[j], dims);
		port made = t->ports[c->n_in + j];
		if (t->with_epilogue && made.channels == CHANNELS_FREE) /* its operands lie in orders of whole axes */
			made.channels = CHANNELS_FIXED;
		if (t->with_epilogue && made.need == PORT_INTERLEAVED)
			made.need = PORT_LAST;
		make_storage(c, t->out[j].dtype, t->out[j].shape.rank, dims, made, same, &t->outputs[j]);
		make_storage(c, t->out[j].dtype, t->out[j].shape.rank, dims, plain, same, &t->expected[j]);
		t->out_view[j] = t->outputs[j].view;
	}
	if (!t->with_epilogue)
		return;
	random_program(c->seed, &t->f);
	numeric(&t->out[0], dims);
	for (uint32_t i = 0; i < t->f.operand_count; i++) {
		int64_t part[CLAST_MAX_RANK];
		const bool full = below(c->seed, 2);
		for (int a = 0; a < t->out[0].shape.rank; a++)
			part[a] = full || below(c->seed, 2) ? dims[a] : 1;
		make_storage(c, CLAST_FLOAT32, t->out[0].shape.rank, part, (port){ PORT_WHOLE, false }, same, &t->operands[i]);
		fill_random(c, &t->operands[i]);
		t->fused_view[i] = t->operands[i].view;
		view_broadcast(&t->fused_view[i], t->out[0].shape.rank, dims);
	}
}

static bool proceed(call *c)
{
	(void)c;
	return true;
}

static clast_status given_output(call *c, size_t index, clast_dtype dtype, int rank, const int64_t *dims)
{
	(void)c, (void)index, (void)dtype, (void)rank, (void)dims;
	return CLAST_OK;
}

static void run_reference(trial *t)
{
	const tensor_view *in[MAX_OPERANDS];
	tensor_view *out[4];
	const struct call_host plain = { .output = given_output, .proceed = proceed };
	for (int i = 0; i < t->c->n_in; i++)
		in[i] = t->in[i].present ? &t->in_view[i] : NULL;
	for (int j = 0; j < t->c->n_out; j++)
		out[j] = &t->expected[j].view;
	call k = { .op = t->n->op, .attrs = t->n->attrs, .version = t->n->version, .n_in = t->n->n_in, .n_out = t->n->n_out, .in = in,
		   .out = out, .memory = &t->c->m->memory, .diag = &t->c->d, .host = &plain };
	cr_assert_eq(t->n->op->reference(&k), CLAST_OK, "%s", t->c->d.message);
}

static void run_lowered(trial *t, const kernel_family *family)
{
	runner r = { .calls = 0 };
	bump region;
	bump_init(&region, &t->c->m->memory);
	for (int i = 0; i < t->c->n_in; i++)
		r.in[i] = t->in_view[i].data;
	for (int j = 0; j < t->c->n_out; j++)
		r.out[j] = t->out_view[j].data;
	for (uint32_t i = 0; i < t->f.operand_count; i++)
		r.fused[i] = t->fused_view[i].data;
	lowering l = { .m = t->c->m, .n = t->n, .n_in = t->n->n_in, .n_out = t->n->n_out, .in = t->in, .in_view = t->in_view,
		       .out_view = t->out_view, .fused = t->with_epilogue ? &t->f : NULL, .fused_view = t->fused_view, .host = &host,
		       .context = &r, .memory = &region, .diag = &t->c->d, .tile = 2 * (unsigned)(*t->c->seed % 3) };
	if (!family->lower) { /* an elementwise node: a program of its own */
		const lower_node x = { t->c->m, t->n, t->in, t->out };
		uint8_t sources[MAX_OPERANDS];
		memset(&t->f, 0, sizeof t->f);
		for (int i = 0; i < t->c->n_in; i++) {
			sources[i] = (uint8_t)(16 + i);
			t->fused_view[i] = t->in_view[i];
			view_broadcast(&t->fused_view[i], t->out_view[0].rank, t->out_view[0].dims);
			r.fused[i] = t->in_view[i].data;
		}
		t->f.operand_count = (uint32_t)t->c->n_in;
		cr_assert(fuse_append(&x, &t->f.program, sources, 0));
		l.n = NULL;
		l.n_in = 0;
		l.fused = &t->f;
	}
	const clast_status s = family->lower ? family->lower(&l) : lower_eltwise(&l);
	cr_assert_eq(s, CLAST_OK, "%s: status %d %s", t->c->op, s, t->c->d.message);
	for (uint32_t i = 0; i < r.blocks; i++)
		free(r.block[i]);
	bump_release(&region);
}

static void compare(trial *t, int j)
{
	double largest = 0; /* of the output, nothing else: a floor of 0.05 would have hidden errors in small results */
	const tensor_view *want = &t->expected[j].view, *got = &t->outputs[j].view;
	for (iter it = iter_over(want); iter_next(&it);) {
		double operand[FUSED_MAX_OPERANDS];
		for (uint32_t i = 0; t->with_epilogue && !j && i < t->f.operand_count; i++)
			operand[i] = get_real(&t->fused_view[i], &it);
		if (t->with_epilogue && !j)
			put_real(want, &it, interpret(&t->f.program, get_real(want, &it), operand));
		const double x = fabs(get_real(want, &it));
		largest = x > largest ? x : largest;
	}
	const double tolerance = want->dtype == CLAST_FLOAT32 ? 1e-5 : want->dtype == CLAST_FLOAT16 ? 1e-3 : want->dtype == CLAST_BFLOAT16 ? 8e-3 : 0;
	for (iter it = iter_over(want); iter_next(&it);) {
		const double a = get_real(want, &it), b = get_real(got, &it);
		cr_assert((isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tolerance * largest, "%s: output %d has %g, expected %g (of %g)",
		          t->c->op, j, b, a, largest);
	}
	check_gaps(t->c, &t->outputs[j]);
}

static void add_node(lower_case *c, trial *t)
{
	node_id id;
	for (int j = 0; j < c->n_out; j++)
		cr_assert_eq(graph_add_value(c->m, 0, "y", &c->out[j], &c->d), CLAST_OK);
	cr_assert_eq(graph_add_node(c->m, 0, "", c->op, c->opset, "node", (size_t)c->n_in, c->in, (size_t)c->n_out, c->out, c->n_attrs,
	                            c->attrs, &id, &c->d),
	             CLAST_OK, "%s", c->d.message);
	cr_assert_eq(graph_infer_node(c->m, id, &c->d), CLAST_OK, "%s", c->d.message);
	t->n = &c->m->nodes[id];
	for (int i = 0; i < c->n_in; i++)
		value_infer(c->m, c->in[i], &t->in[i]);
	for (int j = 0; j < c->n_out; j++)
		value_infer(c->m, c->out[j], &t->out[j]);
}

void case_run(lower_case *c, const char *name, bool with_epilogue)
{
	trial t = { .c = c };
	add_node(c, &t);
	const lower_node x = { c->m, t.n, t.in, t.out };
	const uint16_t found = family_find(&x, t.ports);
	cr_assert_neq(found, FAMILY_REFERENCE, "%s has no family", c->op);
	const kernel_family *family = family_at(found);
	cr_assert_str_eq(family->name, name, "%s goes to %s", c->op, family->name);
	t.with_epilogue = with_epilogue && family->epilogue;
	lower_way ways[LOWER_MAX_WAYS];
	const size_t count = family->ways ? family->ways(&x, ways) : 0;
	if (count) {
		const lower_way *way = &ways[below(c->seed, (int64_t)count)];
		t.ports[0].need = way->in;
		t.ports[c->n_in].need = way->out;
	}
	prepare(&t);
	run_reference(&t);
	run_lowered(&t, family);
	for (int j = 0; j < c->n_out; j++) {
		compare(&t, j);
		free_storage(&t.outputs[j]);
		free_storage(&t.expected[j]);
	}
	for (int i = 0; i < c->n_in; i++)
		free_storage(&t.inputs[i]);
	for (int i = 0; i < FUSED_MAX_OPERANDS; i++)
		free_storage(&t.operands[i]);
	model_release(c->m);
	free(c);
}
