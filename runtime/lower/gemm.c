/* Gemm and MatMul. */
#include <string.h>

#include "gemm_attrs.h"
#include "lower.h"

static bool constant_floats(const infer_value *v)
{
	return v->present && v->data && v->dtype == CLAST_FLOAT32;
}

static clast_status emit_gemm(lowering *l, gemm_params *p, const int axes[6], lower_arg b)
{
	lower_arg extra[1 + EPILOGUE_MAX_OPERANDS], args[GEMM_OPERANDS + EPILOGUE_MAX_OPERANDS];
	size_t count;
	if (!fuse_epilogue(l, 6, axes, &p->epilogue, extra, &count))
		return CLAST_ERROR_UNSUPPORTED;
	args[GEMM_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[GEMM_A] = (lower_arg){ ARG_IN, 0, 0 };
	args[GEMM_B] = b;
	memcpy(args + GEMM_RESIDUAL, extra, count * sizeof *extra);
	return lower_emit(l, KERNEL_gemm_f32, p, GEMM_RESIDUAL + count, args);
}

/* ---- Gemm: y = alpha * a b + beta * c ---- */

/* c is absorbed as bias if it is a constant row, scalar or absent; b is a constant. */
static bool accepts_gemm(const lower_node *x, port *ports)
{
	const node *n = x->n;
	if (n->op->domain[0] || strcmp(n->op->name, "Gemm") || x->in[0].dtype != CLAST_FLOAT32 || x->in[0].shape.rank != 2 ||
	    !constant_floats(&x->in[1]))
		return false;
	if (n->n_in > 2 && x->in[2].present) {
		const tensor_view *c = x->in[2].data;
		if (!constant_floats(&x->in[2]) || c->rank > 2 || (c->rank == 2 && c->dims[0] != 1))
			return false;
		ports[2] = (port){ PORT_ABSENT, false };
	}
	ports[0] = (port){ PORT_WHOLE, false };
	ports[1] = (port){ PORT_ABSENT, false };
	if (n->n_in > 2)
		ports[2] = (port){ PORT_ABSENT, false };
	ports[n->n_in] = (port){ PORT_FIRST, true };
	return true;
}

typedef struct gemm_key {
	value_id weights, bias;
	float alpha, beta;
	uint32_t trans;
} gemm_key;

/* Weights and bias with alpha and beta multiplied in. */
static clast_status scaled(lowering *l, const tensor_view *v, float factor, const float **out)
{
	const int64_t n = view_count(v);
	*out = v->data;
	if (factor == 1)
		return CLAST_OK;
	float *copy = bump_array(l->memory, (size_t)n + 1, sizeof *copy);
	if (!copy)
		return fail_memory(l->diag, 0);
	for (int64_t i = 0; i < n; i++)
		copy[i] = factor * ((const float *)v->data)[i];
	*out = copy;
	return CLAST_OK;
}

static clast_status lower_gemm(lowering *l)
{
	const gemm_attrs *a = l->n->attrs;
	const tensor_view *x = &l->in_view[0], *w = l->in[1].data, *y = &l->out_view[0];
	const bool has_bias = l->n_in > 2 && l->in[2].present;
	const size_t k = (size_t)w->dims[a->trans_b ? 1 : 0], n = (size_t)w->dims[a->trans_b ? 0 : 1];
	gemm_params p = { .m = (size_t)y->dims[0], .n = n, .k = k, .packed = 1, .slices = 1, .out_row = y->strides[0] };
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		p.batch[i] = 1;
	p.a_row = x->strides[a->trans_a ? 1 : 0];
	p.a_col = x->strides[a->trans_a ? 0 : 1];
	if (!n || !k)
		return CLAST_ERROR_UNSUPPORTED;
	gemm_key key;
	memset(&key, 0, sizeof key);
	key = (gemm_key){ l->n->in[1], has_bias ? l->n->in[2] : NO_ID, a->alpha, a->beta, a->trans_b };
	weights_source source = { 0 };
	clast_status s = scaled(l, w, a->alpha, &source.data);
	if (!s && has_bias)
		s = scaled(l, l->in[2].data, a->beta, &source.bias);
	source.in = w->strides[a->trans_b ? 1 : 0];
	source.out = w->strides[a->trans_b ? 0 : 1];
	source.bias_stride = has_bias && view_count(l->in[2].data) == 1 ? 0 : 1;
	const weights_shape form = { .groups = 1, .out_channels = n, .in_channels = k, .kernel = { 1, 1, 1 } };
	uint32_t weight;
	if (!s)
		s = lower_weight(l, PACKING_GEMM, &form, &source, &key, sizeof key, &weight);
	if (s)
		return s;
	const int axes[6] = { -1, -1, -1, -1, 0, 1 };
	return emit_gemm(l, &p, axes, (lower_arg){ ARG_WEIGHT, weight, 0 });
}

const kernel_family family_gemm = { .name = "gemm", .accepts = accepts_gemm, .epilogue = true, .lower = lower_gemm };

/* ---- MatMul ---- */

static bool accepts_matmul(const lower_node *x, port *ports)
{
	const node *n = x->n;
	if (n->op->domain[0] || strcmp(n->op->name, "MatMul") || x->in[0].dtype != CLAST_FLOAT32 ||
	    x->in[1].dtype != CLAST_FLOAT32 || x->in[0].shape.rank < 2 || x->in[1].shape.rank < 2 ||
	    x->in[0].shape.rank > 2 + GEMM_BATCH_AXES || x->in[1].shape.rank > 2 + GEMM_BATCH_AXES)
		return false;
	const bool absorbed = constant_floats(&x->in[1]) && x->in[1].data->rank == 2;
	ports[0] = (port){ PORT_WHOLE, false };
	ports[1] = (port){ absorbed ? PORT_ABSENT : PORT_WHOLE, false };
	ports[2] = (port){ PORT_ROWS, true };
	return true;
}

/* Batch axes of an operand aligned from the right with those of the output; broadcast axes do not move. */
static void batch_strides(const tensor_view *v, const tensor_view *y, ptrdiff_t *out)
{
	const int have = v->rank - 2, want = y->rank - 2;
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		const int a = i - (GEMM_BATCH_AXES - want) - (want - have);
		out[i] = a >= 0 && v->dims[a] != 1 ? v->strides[a] : 0;
	}
}

/* With one matrix of weights, rows of all batch axes that one stride walks are rows of one product. */
static void merge_rows(const tensor_view *x, const tensor_view *y, gemm_params *p)
{
	for (int i = GEMM_BATCH_AXES - 1; i >= 0; i--) {
		if (p->batch[i] == 1)
			continue;
		if (p->epilogue.flags || p->a_batch[i] != (ptrdiff_t)p->m * p->a_row || p->out_batch[i] != (ptrdiff_t)p->m * p->out_row)
			return;
		p->m *= p->batch[i];
		p->batch[i] = 1;
		p->a_batch[i] = p->out_batch[i] = 0;
	}
	(void)x, (void)y;
}

static clast_status lower_matmul(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *w = &l->in_view[1], *y = &l->out_view[0];
	const int rank = y->rank;
	gemm_params p = { .m = (size_t)y->dims[rank - 2], .n = (size_t)y->dims[rank - 1], .k = (size_t)x->dims[x->rank - 1],
		          .slices = 1, .out_row = y->strides[rank - 2] };
	int axes[6] = { -1, -1, -1, -1, rank - 2, rank - 1 };
	if (!p.n || !p.k)
		return CLAST_ERROR_UNSUPPORTED;
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		const int a = i - (GEMM_BATCH_AXES - (rank - 2));
		axes[i] = a >= 0 ? a : -1;
		p.batch[i] = a >= 0 ? (size_t)y->dims[a] : 1;
		p.out_batch[i] = a >= 0 && y->dims[a] != 1 ? y->strides[a] : 0;
	}
	p.a_row = x->strides[x->rank - 2];
	p.a_col = x->strides[x->rank - 1];
	batch_strides(x, y, p.a_batch);
	if (!l->in[1].data || l->in[1].data->rank != 2) {
		batch_strides(w, y, p.b_batch);
		p.b_row = w->strides[w->rank - 2];
		p.b_col = w->strides[w->rank - 1];
		return emit_gemm(l, &p, axes, (lower_arg){ ARG_IN, 1, 0 });
	}
	const tensor_view *c = l->in[1].data;
	const weights_source source = { .data = c->data, .in = c->strides[0], .out = c->strides[1] };
	const weights_shape form = { .groups = 1, .out_channels = p.n, .in_channels = p.k, .kernel = { 1, 1, 1 } };
	gemm_key key;
	uint32_t weight;
	memset(&key, 0, sizeof key);
	key = (gemm_key){ l->n->in[1], NO_ID, 1, 0, 0 };
	const clast_status s = lower_weight(l, PACKING_GEMM, &form, &source, &key, sizeof key, &weight);
	if (s)
		return s;
	p.packed = 1;
	if (!l->fused)
		merge_rows(x, y, &p);
	return emit_gemm(l, &p, axes, (lower_arg){ ARG_WEIGHT, weight, 0 });
}

const kernel_family family_matmul = { .name = "matmul", .accepts = accepts_matmul, .epilogue = true, .lower = lower_matmul };
