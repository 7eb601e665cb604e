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
	ports[0] = ports[x->n->n_in] = (port){ PORT_LAST, true, CHANNELS_TIED, 0 };
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

/* channel: its stride. Vectors may run along pixels, whose stride is therefore 1 even where there is but one. */
static void set_image(const tensor_view *v, image_strides *s, ptrdiff_t *channel)
{
	s->batch = v->strides[0];
	for (int a = 0; a < 3; a++) {
		const int i = a - (5 - v->rank);
		s->axis[a] = i >= 0 ? v->strides[2 + i] : 0;
	}
	if (v->dims[v->rank - 1] == 1)
		s->axis[PIXEL] = 1;
	*channel = v->dims[1] == 1 || lower_block_stride(v) ? 1 : lower_run_stride(v, 1);
}

/* Blocks of channels as slices of depth, which images of at most two axes have to spare: each has a vector of channels. */
static bool blocks_as_depth(const lowering *l, pool_params *p, int axes[5])
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	const int64_t block = (int64_t)cpu_kernels_get()->vector;
	if (x->rank > 4 || !lower_lies(x, PORT_BLOCKED) || !lower_lies(y, PORT_BLOCKED))
		return false;
	const size_t blocks = p->channels / (size_t)block;
	/* Channels that lie side by side are blocks one vector apart. */
	p->in.axis[DEPTH] = lower_block_stride(x) ? lower_block_stride(x) : block;
	p->out.axis[DEPTH] = lower_block_stride(y) ? lower_block_stride(y) : block;
	p->window.in[DEPTH] = p->window.out[DEPTH] = blocks;
	p->channels = (size_t)block;
	axes[1] = AXIS_BLOCKS;
	axes[4] = AXIS_IN_BLOCK;
	return true;
}

static clast_status emit_pool(lowering *l, pool_params *p)
{
	const int spatial = l->in_view[0].rank - 2;
	int axes[5] = { 0, -1, -1, -1, 1 };
	lower_arg extra[1 + EPILOGUE_MAX_OPERANDS], args[POOL_OPERANDS + EPILOGUE_MAX_OPERANDS];
	size_t count;
	for (int i = 0; i < spatial; i++)
		axes[4 - spatial + i] = 2 + i;
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	bool last = lower_lies(x, PORT_LAST) && lower_lies(y, PORT_LAST) && lower_channels_agree(l);
	set_image(x, &p->in, &p->in_channel);
	set_image(y, &p->out, &p->out_channel);
	if (!last && blocks_as_depth(l, p, axes)) {
		last = true;
		if (!fuse_epilogue_blocks(l, 5, axes, &p->epilogue, extra, &count))
			return CLAST_ERROR_UNSUPPORTED;
	} else if ((!last && !(lower_lies(x, PORT_FIRST) && lower_lies(y, PORT_FIRST))) ||
	           !fuse_epilogue_along(l, 5, axes, last ? 4 : 3, &p->epilogue, extra, &count)) {
		return CLAST_ERROR_UNSUPPORTED;
	}
	args[POOL_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[POOL_IN] = (lower_arg){ ARG_IN, 0, 0 };
	memcpy(args + POOL_RESIDUAL, extra, count * sizeof *extra);
	return lower_emit(l, last ? KERNEL_pool_f32 : KERNEL_pool_first_f32, p, POOL_RESIDUAL + count, args);
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

/* taps: what each output combines. */
static size_t ways_of(const lower_node *x, double taps, lower_way *way)
{
	const double in = lower_count(&x->in[0]), out = lower_count(&x->out[0]);
	way[0] = (lower_way){ PORT_LAST, PORT_LAST, 4 * out * taps, 4 * (in + out) };
	way[1] = (lower_way){ PORT_FIRST, PORT_FIRST, 4 * out * taps + 4 * in, 4 * (in + out) };
	way[2] = (lower_way){ PORT_BLOCKED, PORT_BLOCKED, 4 * out * taps, 4 * (in + out) };
	return x->in[0].shape.rank < 5 && x->in[0].shape.dims[1] % (int64_t)cpu_kernels_get()->vector == 0 ? 3 : 2;
}

static size_t ways_pool(const lower_node *x, lower_way *way)
{
	const pool_attrs *a = x->n->attrs;
	double taps = 1;
	for (size_t i = 0; i < a->window.kernel_shape.n; i++)
		taps *= (double)a->window.kernel_shape.v[i];
	return ways_of(x, taps, way);
}

const kernel_family family_pool = { .name = "pool", .accepts = accepts_pool, .epilogue = true, .by_rows = true, .ways = ways_pool, .lower = lower_pool };

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

static size_t ways_global(const lower_node *x, lower_way *way)
{
	return ways_of(x, lower_count(&x->in[0]) / (lower_count(&x->out[0]) + 1), way);
}

const kernel_family family_global_pool = { .name = "global_pool", .accepts = accepts_global, .epilogue = true, .ways = ways_global,
	                                   .lower = lower_global };
