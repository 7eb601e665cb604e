/* Outputs that are windows on input 0, where a window alone will not do: one strided copy each. */
#include "lower.h"

static bool accepts(const lower_node *x, port *ports)
{
	if (!x->n->op->window || x->in[0].dtype == CLAST_STRING)
		return false;
	for (uint32_t i = 0; i < x->n->n_in; i++) /* what cuts the windows must be known when they are */
		if (i && x->in[i].present && !x->in[i].data && !x->in[i].ints)
			return false;
	ports[0] = (port){ PORT_VIEW, false };
	for (uint32_t i = 1; i < x->n->n_in; i++)
		ports[i] = (port){ PORT_ABSENT, false };
	for (uint32_t j = 0; j < x->n->n_out; j++)
		ports[x->n->n_in + j] = (port){ PORT_VIEW, false };
	return true;
}

static clast_status lower(lowering *l)
{
	const node *n = l->n;
	infer_value *out = bump_array(l->memory, l->n_out, sizeof *out);
	const infer_in in = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = l->n_in, .n_out = l->n_out, .in = l->in,
		              .memory = l->memory };
	if (!out)
		return fail_memory(l->diag, 0);
	for (size_t j = 0; j < l->n_out; j++) {
		out[j].present = n->out[j] != NO_ID;
		out[j].shape.rank = l->out_view[j].rank;
		for (int a = 0; a < l->out_view[j].rank; a++)
			out[j].shape.dims[a] = l->out_view[j].dims[a];
	}
	for (size_t j = 0; j < l->n_out; j++) {
		tensor_view v = l->in_view[0];
		copy_params c;
		v.data = NULL;
		if (!out[j].present || !view_count(&l->out_view[j]))
			continue;
		if (!n->op->window(&in, out, j, &v) || !lower_copy_params(&l->out_view[j], &v, &c))
			return CLAST_ERROR_UNSUPPORTED;
		const lower_arg args[] = { [COPY_OUT] = { ARG_OUT, (uint32_t)j, 0 }, [COPY_IN] = { ARG_IN, 0, (ptrdiff_t)v.data } };
		const clast_status s = lower_emit_beside(l, KERNEL_copy, &c, 2, args);
		if (s)
			return s;
	}
	return CLAST_OK;
}

const kernel_family family_window = { .name = "window", .accepts = accepts, .lower = lower };
