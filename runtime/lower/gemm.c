/* Gemm and MatMul. */
#include <stdlib.h>
#include <string.h>

#include "gemm_attrs.h"
#include "lower.h"

static bool constant_floats(const infer_value *v)
{
	return v->present && v->data && v->dtype == CLAST_FLOAT32;
}

/* Rows of a batch axis that every operand walks like its own rows become rows of one larger product, if the axis shares one B. */
static bool merges(const gemm_params *p, int axis)
{
	const ptrdiff_t m = (ptrdiff_t)p->m;
	const epilogue *e = &p->epilogue;
	if (p->b_batch[axis])
		return false;
	if (m == 1)
		return true;
	bool same = p->a_batch[axis] == m * p->a_row && p->out_batch[axis] == m * p->out_row;
	if (e->flags & EPILOGUE_RESIDUAL)
		same &= e->residual[axis] == m * e->residual[GEMM_BATCH_AXES];
	for (uint32_t i = 0; i < e->operands; i++)
		same &= e->operand[i].stride[axis] == m * e->operand[i].stride[GEMM_BATCH_AXES];
	return same;
}

static void merge_rows(gemm_params *p)
{
	epilogue *e = &p->epilogue;
	for (int axis = GEMM_BATCH_AXES - 1; axis >= 0; axis--) {
		if (p->batch[axis] == 1)
			continue;
		if (!merges(p, axis))
			return;
		if (p->m == 1) {
			p->a_row = p->a_batch[axis];
			p->out_row = p->out_batch[axis];
			e->residual[GEMM_BATCH_AXES] = e->residual[axis];
			for (uint32_t i = 0; i < e->operands; i++)
				e->operand[i].stride[GEMM_BATCH_AXES] = e->operand[i].stride[axis];
		}
		p->m *= p->batch[axis];
		p->batch[axis] = 1;
		p->a_batch[axis] = p->out_batch[axis] = e->residual[axis] = 0;
		for (uint32_t i = 0; i < e->operands; i++)
			e->operand[i].stride[axis] = 0;
	}
}

static clast_status emit_gemm(lowering *l, gemm_params *p, const int axes[6], lower_arg a, lower_arg b)
{
	lower_arg extra[1 + EPILOGUE_MAX_OPERANDS], args[GEMM_OPERANDS + EPILOGUE_MAX_OPERANDS];
	size_t count;
	if (!fuse_epilogue(l, 6, axes, &p->epilogue, extra, &count))
		return CLAST_ERROR_UNSUPPORTED;
	if (l->choice)
		p->hint = l->choice->hint;
	merge_rows(p);
	args[GEMM_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[GEMM_A] = a;
	args[GEMM_B] = b;
	memcpy(args + GEMM_RESIDUAL, extra, count * sizeof *extra);
	return lower_emit(l, KERNEL_gemm_f32, p, GEMM_RESIDUAL + count, args);
}

/* ---- Products with constant weights: rows and columns in any order ---- */

/* The rows of a product as nested axes: strides of a, of the output, of each fused operand. */
typedef struct row_axes {
	size_t rank, extent[VIEW_MAX_FACTORS];
	ptrdiff_t stride[2 + FUSED_MAX_OPERANDS][VIEW_MAX_FACTORS];
} row_axes;

static void swap_axes(row_axes *r, size_t views, size_t i, size_t j)
{
	const size_t e = r->extent[i];
	r->extent[i] = r->extent[j];
	r->extent[j] = e;
	for (size_t v = 0; v < views; v++) {
		const ptrdiff_t s = r->stride[v][i];
		r->stride[v][i] = r->stride[v][j];
		r->stride[v][j] = s;
	}
}

/* All axes but the last, as a holds them, outermost first. */
static bool list_rows(size_t views, const tensor_view *const *view, row_axes *r)
{
	ptrdiff_t *strides[2 + FUSED_MAX_OPERANDS];
	for (size_t v = 0; v < views; v++)
		strides[v] = r->stride[v];
	if (!lower_refine(views, view, 0, view[0]->rank - 1, &r->rank, r->extent, strides))
		return false;
	for (size_t i = 1; i < r->rank; i++)
		for (size_t j = i; j > 0 && (r->extent[j - 1] == 1 || llabs(r->stride[0][j - 1]) < llabs(r->stride[0][j])); j--)
			swap_axes(r, views, j - 1, j);
	r->rank = strided_merge(r->rank, r->extent, views, strides);
	return true;
}

/* Axes that a walks as one are the digits of its rows, those outside them a batch. */
static bool set_rows(const row_axes *r, gemm_params *p)
{
	size_t first = r->rank ? r->rank - 1 : 0;
	while (first > 0 && r->rank - first < GEMM_ROW_DIGITS &&
	       r->stride[0][first - 1] == r->stride[0][first] * (ptrdiff_t)r->extent[first])
		first--;
	if (first > GEMM_BATCH_AXES)
		return false;
	for (size_t i = 0; i < GEMM_BATCH_AXES; i++) {
		const bool there = i >= GEMM_BATCH_AXES - first;
		const size_t a = i - (GEMM_BATCH_AXES - first);
		p->batch[i] = there ? r->extent[a] : 1;
		p->a_batch[i] = there ? r->stride[0][a] : 0;
		p->out_batch[i] = there ? r->stride[1][a] : 0;
	}
	p->m = 1;
	if (!r->rank)
		return true;
	p->row_digits = r->rank - first > 1 ? (uint32_t)(r->rank - first) : 0;
	for (size_t i = first; i < r->rank; i++) {
		p->m *= r->extent[i];
		p->digit[i - first] = r->extent[i];
		p->out_digit[i - first] = r->stride[1][i];
	}
	p->a_row = r->stride[0][r->rank - 1];
	p->out_row = r->stride[1][r->rank - 1];
	return true;
}

/* The strides of fused operand i along the kernel's axes. */
static void operand_strides(const row_axes *r, const gemm_params *p, uint32_t i, ptrdiff_t column, ptrdiff_t *out)
{
	const size_t digits = p->row_digits ? p->row_digits : r->rank ? 1 : 0, first = r->rank - digits;
	memset(out, 0, EPILOGUE_MAX_AXES * sizeof *out);
	for (size_t a = 0; a < first; a++)
		out[GEMM_BATCH_AXES - first + a] = r->stride[2 + i][a];
	out[GEMM_BATCH_AXES] = r->rank ? r->stride[2 + i][r->rank - 1] : 0;
	out[GEMM_BATCH_AXES + 1] = column;
}

static void operand_digits(const row_axes *r, const gemm_params *p, uint32_t i, ptrdiff_t *out)
{
	memcpy(out, r->stride[2 + i] + r->rank - p->row_digits, p->row_digits * sizeof *out);
}

static clast_status emit_rows(lowering *l, const axis_run *columns, gemm_params *p, lower_arg b)
{
	const uint32_t operands = l->fused ? l->fused->operand_count : 0;
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0], *views[2 + FUSED_MAX_OPERANDS] = { x, y };
	tensor_view operand[FUSED_MAX_OPERANDS];
	ptrdiff_t column[FUSED_MAX_OPERANDS];
	fused_strides strides[FUSED_MAX_OPERANDS];
	lower_arg where[FUSED_MAX_OPERANDS], extra[1 + EPILOGUE_MAX_OPERANDS], args[GEMM_OPERANDS + EPILOGUE_MAX_OPERANDS];
	row_axes rows;
	size_t count;
	for (uint32_t i = 0; i < operands; i++) {
		if (!fuse_columns(l, i, y->rank - 1, columns, &operand[i], &column[i], &where[i]))
			return CLAST_ERROR_UNSUPPORTED;
		views[2 + i] = &operand[i];
	}
	if (!list_rows(2 + operands, views, &rows) || !set_rows(&rows, p))
		return CLAST_ERROR_UNSUPPORTED;
	for (uint32_t i = 0; i < operands; i++)
		operand_strides(&rows, p, i, column[i], strides[i]);
	if (!fuse_epilogue_strides(l, 6, 5, p->n == 1, strides, where, &p->epilogue, extra, &count))
		return CLAST_ERROR_UNSUPPORTED;
	for (uint32_t i = 0; i < operands; i++) {
		operand_digits(&rows, p, i, p->operand_digit[i]);
		if (extra[0].kind == where[i].kind && extra[0].index == where[i].index)
			operand_digits(&rows, p, i, p->residual_digit);
	}
	if (l->choice)
		p->hint = l->choice->hint;
	args[GEMM_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[GEMM_A] = (lower_arg){ ARG_IN, 0, 0 };
	args[GEMM_B] = b;
	memcpy(args + GEMM_RESIDUAL, extra, count * sizeof *extra);
	return lower_emit(l, KERNEL_gemm_f32, p, GEMM_RESIDUAL + count, args);
}

typedef struct gemm_key {
	value_id weights, bias;
	float alpha, beta;
	uint32_t trans;
	axis_run in, out; /* the keys alone */
} gemm_key;

/* in and out: distances of a row and a column of the weights. */
static clast_status lower_rows(lowering *l, const weights_source *from, gemm_key *key, size_t k, size_t n)
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	gemm_params p = { .n = n, .k = k, .packed = 1, .slices = 1, .chain = l->chain };
	const weights_shape form = { .groups = 1, .out_channels = n, .in_channels = k, .kernel = { 1, 1, 1 } };
	weights_source source = *from;
	axis_run in, out;
	uint32_t weight;
	if (!lower_run(l, x, x->rank - 1, &in) || !lower_run(l, y, y->rank - 1, &out) || (out.stride != 1 && n != 1))
		return CLAST_ERROR_UNSUPPORTED;
	p.a_col = in.stride;
	source.in_index = in.index;
	source.out_index = out.index;
	key->in.key = in.key;
	key->out.key = out.key;
	const clast_status s = lower_weight(l, PACKING_GEMM, &form, &source, key, sizeof *key, &weight);
	return s ? s : emit_rows(l, &out, &p, (lower_arg){ ARG_WEIGHT, weight, 0 });
}

/* ---- Gemm: y = alpha * a b + beta * c ---- */

static size_t choices_gemm(const lower_node *x, const port *ports, unsigned tile, lower_choice *choice)
{
	const tensor_view *w = x->in[1].data;
	(void)ports, (void)tile;
	choice[0] = (lower_choice){ 0 };
	return !constant_floats(&x->in[1]) || w->rank < 2 ? 0 : lower_product_choices(choice[0], w->dims[w->rank - 2], w->dims[w->rank - 1], 1, choice);
}

/* c is absorbed as bias if it is a constant row, scalar or absent; b is a constant. */
static bool accepts_gemm(const lower_node *x, port *ports)
{
	const node *n = x->n;
	if (n->op->domain[0] || strcmp(n->op->name, "Gemm") || x->in[0].dtype != CLAST_FLOAT32 || x->in[0].shape.rank != 2 ||
	    !constant_floats(&x->in[1]))
		return false;
	if (n->n_in > 2 && x->in[2].present) {
		const tensor_view *c = x->in[2].data;
		if (!constant_floats(&x->in[2]) || !view_is_dense(c) || c->rank > 2 || (c->rank == 2 && c->dims[0] != 1))
			return false;
		ports[2] = (port){ PORT_ABSENT, false };
	}
	const bool turned = ((const gemm_attrs *)n->attrs)->trans_a;
	ports[0] = (port){ turned ? PORT_WHOLE : PORT_COLUMNS, false };
	ports[1] = (port){ PORT_ABSENT, false };
	if (n->n_in > 2)
		ports[2] = (port){ PORT_ABSENT, false };
	ports[n->n_in] = (port){ turned ? PORT_FIRST : PORT_COLUMNS, true };
	return true;
}

/* Weights and bias with alpha and beta multiplied in. */
static clast_status scaled(lowering *l, const tensor_view *v, float factor, const loose_float **out)
{
	const int64_t n = view_is_dense(v) ? view_count(v) : 1; /* one element may stand for all */
	*out = v->data;
	if (factor == 1)
		return CLAST_OK;
	float *copy = bump_array(l->memory, (size_t)n + 1, sizeof *copy);
	if (!copy)
		return fail_memory(l->diag, 0);
	for (int64_t i = 0; i < n; i++)
		copy[i] = factor * ((const loose_float *)v->data)[i];
	*out = copy;
	return CLAST_OK;
}

static clast_status lower_gemm(lowering *l)
{
	const gemm_attrs *a = l->n->attrs;
	const tensor_view *x = &l->in_view[0], *w = l->in[1].data, *y = &l->out_view[0];
	const bool has_bias = l->n_in > 2 && l->in[2].present;
	const size_t k = (size_t)w->dims[a->trans_b ? 1 : 0], n = (size_t)w->dims[a->trans_b ? 0 : 1];
	gemm_params p = { .m = (size_t)y->dims[0], .n = n, .k = k, .packed = 1, .slices = 1, .chain = l->chain, .out_row = y->strides[0] };
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		p.batch[i] = 1;
	p.a_row = x->strides[a->trans_a ? 1 : 0];
	p.a_col = x->strides[a->trans_a ? 0 : 1];
	if (!n || !k)
		return CLAST_ERROR_UNSUPPORTED;
	gemm_key key;
	memset(&key, 0, sizeof key);
	key.weights = l->n->in[1];
	key.bias = has_bias ? l->n->in[2] : NO_ID;
	key.alpha = a->alpha;
	key.beta = a->beta;
	key.trans = a->trans_b;
	weights_source source = { 0 };
	clast_status s = scaled(l, w, a->alpha, &source.data);
	if (!s && has_bias)
		s = scaled(l, l->in[2].data, a->beta, &source.bias);
	source.in = w->strides[a->trans_b ? 1 : 0];
	source.out = w->strides[a->trans_b ? 0 : 1];
	source.bias_stride = has_bias && view_count(l->in[2].data) == 1 ? 0 : 1;
	const weights_shape form = { .groups = 1, .out_channels = n, .in_channels = k, .kernel = { 1, 1, 1 } };
	uint32_t weight;
	if (!s && !a->trans_a)
		return lower_rows(l, &source, &key, k, n);
	if (!s)
		s = lower_weight(l, PACKING_GEMM, &form, &source, &key, sizeof key, &weight);
	if (s)
		return s;
	const int axes[6] = { -1, -1, -1, -1, 0, 1 };
	return emit_gemm(l, &p, axes, (lower_arg){ ARG_IN, 0, 0 }, (lower_arg){ ARG_WEIGHT, weight, 0 });
}

const kernel_family family_gemm = { .name = "gemm", .accepts = accepts_gemm, .epilogue = true, .choices = choices_gemm, .lower = lower_gemm };

/* ---- Gemm of any operands ---- */

static bool accepts_any_gemm(const lower_node *x, port *ports)
{
	const node *n = x->n;
	if (n->op->domain[0] || strcmp(n->op->name, "Gemm"))
		return false;
	for (uint32_t i = 0; i < n->n_in; i++) {
		if (x->in[i].present && (x->in[i].dtype != CLAST_FLOAT32 || x->in[i].shape.rank > 2 || (i < 2 && x->in[i].shape.rank != 2)))
			return false;
		ports[i] = (port){ PORT_WHOLE, false };
	}
	ports[n->n_in] = (port){ PORT_FIRST, true };
	return true;
}

/* r0 = alpha * r0 + beta * c, c broadcast to the output. */
static void add_matrix(const gemm_attrs *a, tensor_view c, const tensor_view *y, epilogue *e)
{
	view_broadcast(&c, y->rank, y->dims);
	e->flags = EPILOGUE_PROGRAM;
	e->operands = 1;
	e->operand[0].dtype = KERNEL_F32;
	for (int i = 0; i < 2; i++)
		e->operand[0].stride[GEMM_BATCH_AXES + i] = y->dims[i] == 1 ? 0 : c.strides[i];
	e->program.count = 3;
	e->program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 1, .a = 0 };
	e->program.code[1] = (program_instr){ .op = PROGRAM_MUL_CONST, .dst = 1, .a = 1, .imm = { a->beta } };
	e->program.code[2] = (program_instr){ .op = PROGRAM_ADD, .dst = 0, .a = 0, .b = 1 };
}

static void scale_result(float alpha, epilogue *e)
{
	if (alpha == 1)
		return;
	e->flags = EPILOGUE_PROGRAM;
	memmove(e->program.code + 1, e->program.code, e->program.count * sizeof *e->program.code);
	e->program.code[0] = (program_instr){ .op = PROGRAM_MUL_CONST, .dst = 0, .a = 0, .imm = { alpha } };
	e->program.count++;
}

static clast_status lower_any_gemm(lowering *l)
{
	const gemm_attrs *a = l->n->attrs;
	const tensor_view *x = &l->in_view[0], *w = &l->in_view[1], *y = &l->out_view[0];
	const bool has_c = l->n_in > 2 && l->in[2].present && a->beta != 0;
	gemm_params p = { .m = (size_t)y->dims[0], .n = (size_t)y->dims[1], .k = (size_t)x->dims[a->trans_a ? 0 : 1], .slices = 1, .chain = l->chain,
		          .out_row = y->strides[0] };
	if (!p.n || !p.k)
		return CLAST_ERROR_UNSUPPORTED;
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		p.batch[i] = 1;
	p.a_row = x->strides[a->trans_a ? 1 : 0];
	p.a_col = x->strides[a->trans_a ? 0 : 1];
	p.b_row = w->strides[a->trans_b ? 1 : 0];
	p.b_col = w->strides[a->trans_b ? 0 : 1];
	if (has_c)
		add_matrix(a, l->in_view[2], y, &p.epilogue);
	scale_result(a->alpha, &p.epilogue);
	const lower_arg args[] = { [GEMM_OUT] = { ARG_OUT, 0, 0 },
		                   [GEMM_A] = { ARG_IN, 0, 0 },
		                   [GEMM_B] = { ARG_IN, 1, 0 },
		                   [GEMM_RESIDUAL] = { ARG_NONE, 0, 0 },
		                   [GEMM_OPERANDS] = { has_c ? ARG_IN : ARG_NONE, 2, 0 } };
	return lower_emit(l, KERNEL_gemm_f32, &p, GEMM_OPERANDS + has_c, args);
}

const kernel_family family_any_gemm = { .name = "gemm", .accepts = accepts_any_gemm, .lower = lower_any_gemm };

/* ---- MatMul ---- */

/* Constants are packed, a slice for each matrix of a batch. */
static bool absorbs(const infer_value *b)
{
	return constant_floats(b) && view_count(b->data) > 0 && (b->data->rank <= 2 || view_is_dense(b->data));
}

/* Rows of any shape times one matrix. */
static bool is_linear(int a, int b)
{
	return a >= 2 && b == 2;
}

static bool accepts_matmul(const lower_node *x, port *ports)
{
	const node *n = x->n;
	const int a = x->in[0].shape.rank, b = x->in[1].shape.rank;
	if (n->op->domain[0] || strcmp(n->op->name, "MatMul") || x->in[0].dtype != CLAST_FLOAT32 ||
	    x->in[1].dtype != CLAST_FLOAT32 || a < 1 || b < 1 || a > 2 + GEMM_BATCH_AXES || b > 2 + GEMM_BATCH_AXES)
		return false;
	const bool linear = absorbs(&x->in[1]) && is_linear(a, b);
	ports[0] = (port){ linear ? PORT_COLUMNS : PORT_WHOLE, false };
	ports[1] = (port){ absorbs(&x->in[1]) ? PORT_ABSENT : PORT_WHOLE, false };
	const bool either = !absorbs(&x->in[1]) && a > 1 && b > 1;
	ports[2] = (port){ linear ? PORT_COLUMNS : either ? PORT_MATRIX : PORT_ROWS, true };
	return true;
}

/* Batch axes of an operand aligned from the right with those of the output; broadcast axes do not move. */
static void batch_strides(const tensor_view *v, int have, int want, ptrdiff_t *out)
{
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		const int a = i - (GEMM_BATCH_AXES - want) - (want - have);
		out[i] = a >= 0 && a < have && v->dims[a] != 1 ? v->strides[a] : 0;
	}
}

/* Packs a constant B; b_batch strides count its slices. */
static clast_status absorb(lowering *l, gemm_params *p, int batch, uint32_t *weight)
{
	const tensor_view *c = l->in[1].data;
	const int have = c->rank > 2 ? c->rank - 2 : 0;
	tensor_view slices = *c;
	weights_source source = { .data = c->data };
	size_t count = 1;
	gemm_key key;
	for (int a = have - 1; a >= 0; a--) {
		slices.strides[a] = (int64_t)count;
		count *= (size_t)c->dims[a];
	}
	batch_strides(&slices, have, batch, p->b_batch);
	source.group = (ptrdiff_t)(p->k * p->n);
	source.in = c->strides[c->rank > 1 ? c->rank - 2 : 0];
	source.out = c->rank > 1 ? c->strides[c->rank - 1] : 0;
	p->slices = count;
	p->packed = 1;
	const weights_shape form = { .groups = count, .out_channels = p->n, .in_channels = p->k, .kernel = { 1, 1, 1 } };
	memset(&key, 0, sizeof key);
	key.weights = l->n->in[1];
	key.bias = NO_ID;
	key.alpha = 1;
	return lower_weight(l, PACKING_GEMM, &form, &source, &key, sizeof key, weight);
}

/* Where the rows of the output lie side by side: the product turned, out' = w' x', where x' is read as the second operand. */
static clast_status lower_turned(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *w = l->in[1].data ? l->in[1].data : &l->in_view[1], *y = &l->out_view[0];
	const int rank = y->rank, batch = rank - 2;
	gemm_params p = { .m = (size_t)y->dims[rank - 1], .n = (size_t)y->dims[rank - 2], .k = (size_t)x->dims[x->rank - 1], .slices = 1,
		          .chain = l->chain,
		          .out_row = y->strides[rank - 1], .a_row = w->strides[w->rank - 1], .a_col = w->strides[w->rank - 2],
		          .b_row = x->strides[x->rank - 1], .b_col = x->strides[x->rank - 2] };
	int axes[6] = { -1, -1, -1, -1, rank - 1, rank - 2 };
	if (batch > GEMM_BATCH_AXES || !p.k)
		return CLAST_ERROR_UNSUPPORTED;
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		const int a = i - (GEMM_BATCH_AXES - batch);
		axes[i] = a >= 0 ? a : -1;
		p.batch[i] = a >= 0 ? (size_t)y->dims[a] : 1;
	}
	batch_strides(y, batch, batch, p.out_batch);
	batch_strides(w, w->rank - 2, batch, p.a_batch);
	batch_strides(x, x->rank - 2, batch, p.b_batch);
	return emit_gemm(l, &p, axes, (lower_arg){ ARG_IN, 1, 0 }, (lower_arg){ ARG_IN, 0, 0 });
}

static bool lies_turned(const tensor_view *v)
{
	for (int a = 0; a < v->rank; a++)
		if (v->split[a])
			return false;
	return v->dims[v->rank - 1] != 1 && v->strides[v->rank - 1] != 1 && v->strides[v->rank - 2] == 1;
}

/* 1-D operands are a row and a column, whose axes the output lacks. */
static clast_status lower_matmul(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *w = l->in[1].data ? l->in[1].data : &l->in_view[1], *y = &l->out_view[0];
	const bool rows = x->rank > 1, columns = w->rank > 1;
	const int batch = y->rank - rows - columns;
	gemm_params p = { .m = rows ? (size_t)y->dims[batch] : 1, .n = columns ? (size_t)y->dims[y->rank - 1] : 1,
		          .k = (size_t)x->dims[x->rank - 1], .slices = 1, .chain = l->chain, .out_row = rows ? y->strides[batch] : 0 };
	int axes[6] = { -1, -1, -1, -1, rows ? batch : -1, columns ? y->rank - 1 : -1 };
	uint32_t weight = 0;
	if (!p.n || !p.k || batch > GEMM_BATCH_AXES)
		return CLAST_ERROR_UNSUPPORTED;
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		const int a = i - (GEMM_BATCH_AXES - batch);
		axes[i] = a >= 0 ? a : -1;
		p.batch[i] = a >= 0 ? (size_t)y->dims[a] : 1;
	}
	batch_strides(y, batch, batch, p.out_batch);
	p.a_row = rows ? x->strides[x->rank - 2] : 0;
	p.a_col = x->strides[x->rank - 1];
	batch_strides(x, rows ? x->rank - 2 : 0, batch, p.a_batch);
	if (rows && columns && (!absorbs(&l->in[1]) || is_linear(x->rank, w->rank)) && lies_turned(y))
		return lower_turned(l);
	if (absorbs(&l->in[1]) && is_linear(x->rank, w->rank)) {
		const weights_source source = { .data = w->data, .in = w->strides[0], .out = w->strides[1] };
		gemm_key key;
		memset(&key, 0, sizeof key);
		key.weights = l->n->in[1];
		key.bias = NO_ID;
		key.alpha = 1;
		return lower_rows(l, &source, &key, p.k, p.n);
	}
	if (absorbs(&l->in[1])) {
		const clast_status s = absorb(l, &p, batch, &weight);
		return s ? s : emit_gemm(l, &p, axes, (lower_arg){ ARG_IN, 0, 0 }, (lower_arg){ ARG_WEIGHT, weight, 0 });
	}
	w = &l->in_view[1];
	batch_strides(w, columns ? w->rank - 2 : 0, batch, p.b_batch);
	p.b_row = w->strides[columns ? w->rank - 2 : 0];
	p.b_col = columns ? w->strides[w->rank - 1] : 0;
	return emit_gemm(l, &p, axes, (lower_arg){ ARG_IN, 0, 0 }, (lower_arg){ ARG_IN, 1, 0 });
}

/* A product of rows with constant weights may also be computed turned, where its rows lie side by side; the other operand is then packed
 * anew in every run. */
static size_t ways_matmul(const lower_node *x, lower_way *way)
{
	if (!absorbs(&x->in[1]) || !is_linear(x->in[0].shape.rank, x->in[1].shape.rank))
		return 0;
	const double in = lower_count(&x->in[0]), out = lower_count(&x->out[0]), flops = 2 * in * (double)x->in[1].data->dims[1];
	const double bytes = 4 * (in + out + (double)view_count(x->in[1].data));
	way[0] = (lower_way){ PORT_COLUMNS, PORT_COLUMNS, flops, bytes, false };
	way[1] = (lower_way){ PORT_TURNED, PORT_TURNED, flops + 8 * in, bytes, true };
	return 2;
}

const kernel_family family_matmul = { .name = "matmul", .accepts = accepts_matmul, .epilogue = true, .ways = ways_matmul,
	                              .choices = choices_gemm, .lower = lower_matmul };
