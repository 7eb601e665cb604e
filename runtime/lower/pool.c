/* Pools and global pools, channels-last. */
#include <string.h>

#include "lower.h"
#include "pool_attrs.h"

static bool is_one_of(const lower_node *x, const char *const *names)
{
	for (; *names; names++)
		if (!x->n->op->domain[0] && !strcmp(x->n->op->name, *names))
			return true;
	return false;
}

static bool images(const lower_node *x, port *ports)
{
	const int rank = x->in[0].shape.rank;
	if (x->in[0].dtype != CLAST_FLOAT32 || rank < 3 || rank > 5)
		return false;
	ports[0] = ports[x->n->n_in] = (port){ PORT_LAST, true };
	for (uint32_t j = 1; j < x->n->n_out; j++)
		if (x->out[j].present)
			return false;
	return true;
}

static bool accepts_pool(const lower_node *x, port *ports)
{
	static const char *const names[] = { "MaxPool", "AveragePool", "LpPool", NULL };
	if (!is_one_of(x, names) || !images(x, ports))
		return false;
	const pool_attrs *a = x->n->attrs;
	const double p = pool_exponent(x->n->version, a->p, a->p_real);
	return strcmp(x->n->op->name, "LpPool") || p == 1 || p == 2;
}

static void set_image(const tensor_view *v, image_strides *s)
{
	s->batch = v->strides[0];
	for (int a = 0; a < 3; a++) {
		const int i = a - (5 - v->rank);
		s->axis[a] = i >= 0 ? v->strides[2 + i] : 0;
	}
}

static clast_status emit_pool(lowering *l, pool_params *p)
{
	const int spatial = l->in_view[0].rank - 2;
	int axes[5] = { 0, -1, -1, -1, 1 };
	lower_arg extra[1 + EPILOGUE_MAX_OPERANDS], args[POOL_OPERANDS + EPILOGUE_MAX_OPERANDS];
	size_t count;
	for (int i = 0; i < spatial; i++)
		axes[4 - spatial + i] = 2 + i;
	set_image(&l->in_view[0], &p->in);
	set_image(&l->out_view[0], &p->out);
	if (!fuse_epilogue(l, 5, axes, &p->epilogue, extra, &count))
		return CLAST_ERROR_UNSUPPORTED;
	args[POOL_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[POOL_IN] = (lower_arg){ ARG_IN, 0, 0 };
	memcpy(args + POOL_RESIDUAL, extra, count * sizeof *extra);
	return lower_emit(l, KERNEL_pool_f32, p, POOL_RESIDUAL + count, args);
}

static pool_kind kind_of(const lowering *l)
{
	const pool_attrs *a = l->n->attrs;
	if (!strcmp(l->n->op->name, "MaxPool"))
		return POOL_MAX;
	if (!strcmp(l->n->op->name, "AveragePool"))
		return a->count_include_pad ? POOL_AVERAGE_PADDED : POOL_AVERAGE;
	return pool_exponent(l->n->version, a->p, a->p_real) == 1 ? POOL_L1 : POOL_L2;
}

static clast_status lower_pool(lowering *l)
{
	const pool_attrs *a = l->n->attrs;
	const tensor_view *x = &l->in_view[0];
	conv_geometry g;
	const clast_status s = pool_geometry_of(&a->window, x->rank, x->dims, &g, l->diag);
	if (s)
		return s;
	pool_params p = { .kind = kind_of(l), .batch = (size_t)g.batch, .channels = (size_t)g.in_channels };
	for (int i = 0; i < 3; i++) {
		const int k = i - (3 - g.spatial);
		const bool there = k >= 0;
		p.window.in[i] = there ? (size_t)g.in[k] : 1;
		p.window.out[i] = there ? (size_t)g.out[k] : 1;
		p.window.kernel[i] = there ? (size_t)g.kernel[k] : 1;
		p.window.stride[i] = there ? (size_t)g.stride[k] : 1;
		p.window.dilation[i] = there ? (size_t)g.dilation[k] : 1;
		p.window.pad[i] = there ? (ptrdiff_t)g.pad_begin[k] : 0;
		p.pad_end[i] = there ? (ptrdiff_t)g.pad_end[k] : 0;
	}
	p.window.row_end = p.window.out[ROW];
	return emit_pool(l, &p);
}

const kernel_family family_pool = { .name = "pool", .accepts = accepts_pool, .epilogue = true, .lower = lower_pool };

static bool accepts_global(const lower_node *x, port *ports)
{
	static const char *const names[] = { "GlobalAveragePool", "GlobalMaxPool", NULL };
	return is_one_of(x, names) && images(x, ports);
}

static clast_status lower_global(lowering *l)
{
	const tensor_view *x = &l->in_view[0];
	const bool max = !strcmp(l->n->op->name, "GlobalMaxPool");
	pool_params p = { .kind = max ? POOL_MAX : POOL_AVERAGE, .batch = (size_t)x->dims[0], .channels = (size_t)x->dims[1] };
	for (int i = 0; i < 3; i++) {
		const int k = i - (5 - x->rank);
		p.window.in[i] = p.window.kernel[i] = k >= 0 ? (size_t)x->dims[2 + k] : 1;
		p.window.out[i] = p.window.stride[i] = p.window.dilation[i] = 1;
	}
	p.window.row_end = 1;
	return emit_pool(l, &p);
}

const kernel_family family_global_pool = { .name = "global_pool", .accepts = accepts_global, .epilogue = true,
	                                   .lower = lower_global };
