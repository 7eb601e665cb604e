/* Resize and Upsample of images. The tables hold coordinates, filters and extrapolation, so that one kernel does them all. */
#include <string.h>

#include "lower.h"
#include "resize.h"

#define RESIZE_INPUTS 4

/* Scales, sizes and the region decide the tables; they have to be known once shapes are. */
static bool accepts(const lower_node *x, port *ports)
{
	const node *n = x->n;
	const int rank = x->in[0].shape.rank;
	if (n->op->domain[0] || (strcmp(n->op->name, "Resize") && strcmp(n->op->name, "Upsample")) || n->n_in > RESIZE_INPUTS ||
	    x->in[0].dtype != CLAST_FLOAT32 || rank < 3 || rank > 5)
		return false;
	for (uint32_t i = 1; i < n->n_in; i++) {
		if (x->in[i].present && !x->in[i].data && !x->in[i].ints)
			return false;
		ports[i] = (port){ PORT_ABSENT, false };
	}
	ports[0] = ports[n->n_in] = (port){ PORT_LAST, true, CHANNELS_TIED, 0 };
	return true;
}

/* Input i as a tensor: a constant, or integers that follow from the shapes. */
static bool known_tensor(const lowering *l, uint32_t i, tensor_view *v)
{
	const infer_value *x = &l->in[i];
	if (x->data) {
		*v = *x->data;
		return true;
	}
	int64_t *elements = x->ints ? bump_array(l->memory, x->int_count + 1, sizeof *elements) : NULL;
	for (size_t j = 0; elements && j < x->int_count; j++) {
		elements[j] = x->ints[j];
		if (!dim_is_number(x->ints[j]))
			return false;
	}
	const int64_t count = (int64_t)x->int_count;
	view_dense(v, CLAST_INT64, 1, &count, elements);
	return elements != NULL;
}

static clast_status read_axes(lowering *l, resize_axis *axes)
{
	tensor_view views[RESIZE_INPUTS], out = l->out_view[0], *outs[1] = { &out };
	const tensor_view *in[RESIZE_INPUTS] = { &l->in_view[0] };
	for (uint32_t i = 1; i < l->n_in; i++) {
		if (!l->in[i].present)
			continue;
		if (!known_tensor(l, i, &views[i]))
			return CLAST_ERROR_UNSUPPORTED;
		in[i] = &views[i];
	}
	call c = { .op = l->n->op, .attrs = l->n->attrs, .version = l->n->version, .n_in = l->n_in, .n_out = 1, .in = in, .out = outs,
		   .memory = l->memory->m, .diag = l->diag };
	return resize_read_axes(&c, axes);
}

/* Tables of kernel axis k; a is NULL for an axis that the image lacks. An axis that stays as it is has one tap of its own. */
static clast_status make_tables(lowering *l, const resize_attrs *at, const resize_axis *a, int k, resize_params *p, lower_arg *args)
{
	resize_table t = { .taps = 1, .n = a ? a->out : (int64_t)p->out[k] };
	uint32_t index, weight;
	void *data;
	const bool identity = !a || resize_is_identity(a);
	clast_status s = identity ? CLAST_OK : resize_table_make(l->memory->m, at, a, &t, l->diag);
	const size_t count = (size_t)(t.n * t.taps);
	if (!s)
		s = lower_table(l, count * sizeof(int32_t), &data, &index);
	for (size_t i = 0; !s && i < count; i++)
		((int32_t *)data)[i] = (int32_t)(identity ? (int64_t)i : t.index[i]);
	if (!s && t.weight) {
		s = lower_table(l, count * sizeof(float), &data, &weight);
		for (size_t i = 0; !s && i < count; i++)
			((float *)data)[i] = (float)t.weight[i];
	}
	if (!s) {
		p->taps[k] = (size_t)t.taps;
		args[RESIZE_INDEX + k] = (lower_arg){ ARG_TABLE, index, 0 };
		args[RESIZE_WEIGHT + k] = (lower_arg){ t.weight ? ARG_TABLE : ARG_NONE, t.weight ? weight : 0, 0 };
	}
	resize_table_free(l->memory->m, &t);
	return s;
}

/* channel: its stride. Vectors may run along pixels, whose stride is therefore 1 even where there is but one. */
static void set_image(const tensor_view *v, image_strides *s, ptrdiff_t *channel, size_t *extent)
{
	s->batch = v->strides[0];
	*channel = v->dims[1] == 1 || lower_block_stride(v) ? 1 : lower_run_stride(v, 1);
	for (int k = 0; k < 3; k++) {
		const int a = k + v->rank - 3;
		extent[k] = a >= 2 ? (size_t)v->dims[a] : 1;
		s->axis[k] = a >= 2 ? v->strides[a] : 0;
	}
	if (v->dims[v->rank - 1] == 1)
		s->axis[PIXEL] = 1;
}

/* Blocks of channels as slices of depth, which images of at most two axes have to spare: each has a vector of channels. */
static bool blocks_as_depth(const tensor_view *x, const tensor_view *y, resize_params *p, int places[5])
{
	const int64_t block = (int64_t)cpu_kernels_get()->vector;
	if (x->rank > 4 || !lower_lies(x, PORT_BLOCKED) || !lower_lies(y, PORT_BLOCKED))
		return false;
	/* Channels that lie side by side are blocks one vector apart. */
	p->in_stride.axis[DEPTH] = lower_block_stride(x) ? lower_block_stride(x) : block;
	p->out_stride.axis[DEPTH] = lower_block_stride(y) ? lower_block_stride(y) : block;
	p->in[DEPTH] = p->out[DEPTH] = p->channels / (size_t)block;
	p->channels = (size_t)block;
	places[1] = AXIS_BLOCKS;
	places[4] = AXIS_IN_BLOCK;
	return true;
}

static clast_status lower(lowering *l)
{
	const resize_attrs at = resize_settings(l->n->op, l->n->version, l->n->attrs);
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	resize_axis axes[CLAST_MAX_RANK];
	resize_params p = { .batch = (size_t)x->dims[0], .channels = (size_t)x->dims[1], .outside = at.extrapolation };
	lower_arg extra[1 + EPILOGUE_MAX_OPERANDS], args[RESIZE_OPERANDS + EPILOGUE_MAX_OPERANDS];
	int places[5] = { 0, -1, -1, -1, 1 };
	size_t count;
	if (!view_count(y))
		return CLAST_OK;
	const bool in_last = lower_lies(x, PORT_LAST), out_last = lower_lies(y, PORT_LAST);
	const bool first = !(in_last && out_last) && lower_lies(x, PORT_FIRST) && lower_lies(y, PORT_FIRST);
	const bool served = lower_channels_agree(l) && (in_last || lower_lies(x, PORT_FIRST)) && (out_last || lower_lies(y, PORT_FIRST));
	clast_status s = read_axes(l, axes);
	if (s || !resize_is_identity(&axes[0]) || !resize_is_identity(&axes[1]))
		return s ? s : CLAST_ERROR_UNSUPPORTED;
	set_image(x, &p.in_stride, &p.in_channel, p.in);
	set_image(y, &p.out_stride, &p.out_channel, p.out);
	for (int k = 0; k < 3; k++) {
		const int a = k + x->rank - 3;
		places[1 + k] = a >= 2 ? a : -1;
		if (a >= 2 && x->dims[a] > INT32_MAX)
			return CLAST_ERROR_UNSUPPORTED;
	}
	const bool blocks = !served && blocks_as_depth(x, y, &p, places);
	/* A kernel that transposes its results on their way out takes no residual. */
	if (blocks ? !fuse_epilogue_blocks(l, 5, places, &p.epilogue, extra, &count) :
	             !served || !fuse_epilogue_along(l, 5, places, first ? 3 : out_last ? 4 : 5, &p.epilogue, extra, &count))
		return CLAST_ERROR_UNSUPPORTED;
	for (int k = 0; k < 3 && !s; k++)
		s = make_tables(l, &at, k + x->rank - 3 >= 2 ? &axes[k + x->rank - 3] : NULL, k, &p, args);
	args[RESIZE_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[RESIZE_IN] = (lower_arg){ ARG_IN, 0, 0 };
	args[RESIZE_RESIDUAL] = extra[0];
	memcpy(args + RESIZE_OPERANDS, extra + 1, (count - 1) * sizeof *extra);
	return s ? s : lower_emit(l, first ? KERNEL_resize_first_f32 : KERNEL_resize_f32, &p, RESIZE_OPERANDS + count - 1, args);
}

static size_t ways_resize(const lower_node *x, lower_way *way)
{
	const double in = lower_count(&x->in[0]), out = lower_count(&x->out[0]), bytes = 4 * (in + out);
	/* Lines are blended once for each output line, then pixels. */
	const double flops = 10 * out, turn_in = 4 * in, turn_out = 4 * out;
	way[0] = (lower_way){ PORT_LAST, PORT_LAST, flops, bytes };
	way[1] = (lower_way){ PORT_FIRST, PORT_FIRST, 3 * flops, bytes };
	way[2] = (lower_way){ PORT_LAST, PORT_FIRST, flops + turn_out, bytes };
	way[3] = (lower_way){ PORT_FIRST, PORT_LAST, flops + turn_in, bytes };
	way[4] = (lower_way){ PORT_BLOCKED, PORT_BLOCKED, flops, bytes };
	return x->in[0].shape.rank < 5 && x->in[0].shape.dims[1] % (int64_t)cpu_kernels_get()->vector == 0 ? 5 : 4;
}

const kernel_family family_resize = { .name = "resize", .accepts = accepts, .epilogue = true, .ways = ways_resize, .lower = lower };
