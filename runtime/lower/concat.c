/* Concat as one strided copy for each input that was not produced in its place. */
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

static clast_status lower(lowering *l)
{
	const tensor_view *y = &l->out_view[0];
	const int axis = axis_of(l->n, y->rank);
	int64_t at = 0;
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
