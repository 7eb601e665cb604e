/* Concat as one strided copy for each input that was not produced in its place. Two inputs that alternate in memory, as channels do whose
 * order a shuffle asks for, are woven by one kernel. */
#include <string.h>

#include "lower.h"

static int axis_of(const node *n, int rank)
{
	const infer_in in = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out };
	return n->op->join ? n->op->join(&in, rank) : -1;
}

static bool accepts(const lower_node *x, port *ports)
{
	const int axis = axis_of(x->n, x->in[0].shape.rank);
	if (axis < 0 || x->in[0].dtype == CLAST_STRING)
		return false;
	for (uint32_t i = 0; i < x->n->n_in; i++)
		ports[i] = (port){ PORT_VIEW, false };
	ports[x->n->n_in] = (port){ PORT_VIEW, false };
	return true;
}

/* Whether the two inputs take turns along the innermost axis of the output. */
static bool alternate(const lowering *l, int axis, interleave_params *p)
{
	const tensor_view *y = &l->out_view[0], *x = l->in_view;
	tensor_view slot = *y;
	const tensor_view *views[3] = { &slot, &x[0], l->n_in == 2 ? &x[1] : &x[0] };
	size_t rank, extent[VIEW_MAX_FACTORS];
	ptrdiff_t stride[3][VIEW_MAX_FACTORS], *strides[3] = { stride[0], stride[1], stride[2] };
	slot.data = NULL;
	if (l->n_in != 2 || (l->slotted && (l->slotted[0] || l->slotted[1])) || clast_dtype_bytes(y->dtype) != 4 || !view_count(&x[0]) ||
	    x[0].dims[axis] != x[1].dims[axis] || axis_offset(y, axis, x[0].dims[axis]) != 1 ||
	    !view_slice(&slot, axis, 0, x[0].dims[axis], 1) || !lower_walk(3, views, &rank, extent, strides))
		return false;
	*p = (interleave_params){ .rank = (uint32_t)rank };
	for (size_t i = 0; i < rank; i++) {
		p->extent[i] = extent[i];
		p->out[i] = stride[0][i];
		p->in[0][i] = stride[1][i];
		p->in[1][i] = stride[2][i];
	}
	return rank && p->out[rank - 1] == 2 && p->in[0][rank - 1] == 1 && p->in[1][rank - 1] == 1;
}

static clast_status lower(lowering *l)
{
	const tensor_view *y = &l->out_view[0];
	const int axis = axis_of(l->n, y->rank);
	interleave_params p;
	int64_t at = 0;
	if (alternate(l, axis, &p)) {
		const lower_arg args[] = { { ARG_OUT, 0, 0 }, { ARG_IN, 0, 0 }, { ARG_IN, 1, 0 } };
		const clast_status s = lower_emit(l, KERNEL_interleave, &p, 3, args);
		if (s != CLAST_ERROR_UNSUPPORTED) /* devices have no such kernel */
			return s;
	}
	for (uint32_t i = 0; i < l->n_in; i++) {
		const tensor_view *x = &l->in_view[i];
		tensor_view slot = *y;
		copy_params c;
		if (l->slotted && l->slotted[i])
			at += x->dims[axis];
		if (!view_count(x) || (l->slotted && l->slotted[i]))
			continue;
		/* A slot is addressed by a byte offset from the output. */
		slot.data = NULL;
		if (!view_slice(&slot, axis, at, x->dims[axis], 1) || !lower_copy_params(&slot, x, &c))
			return CLAST_ERROR_UNSUPPORTED;
		const ptrdiff_t offset = axis_offset(y, axis, at) * (ptrdiff_t)clast_dtype_bytes(y->dtype);
		const lower_arg args[] = { [COPY_OUT] = { ARG_OUT, 0, offset }, [COPY_IN] = { ARG_IN, i, 0 } };
		const clast_status s = lower_emit_beside(l, KERNEL_copy, &c, 2, args);
		if (s)
			return s;
		at += x->dims[axis];
	}
	return CLAST_OK;
}

const kernel_family family_concat = { .name = "concat", .accepts = accepts, .lower = lower };
