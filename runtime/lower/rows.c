/* Reductions, softmax and normalisations: kernels that walk a tensor along some of its axes. */
#include <string.h>

#include "lower.h"
#include "norm_attrs.h"
#include "reduce.h"
#include "softmax.h"

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

static bool one_float_output(const lower_node *x)
{
	for (uint32_t j = 1; j < x->n->n_out; j++)
		if (x->out[j].present)
			return false;
	return x->in[0].dtype == CLAST_FLOAT32 && x->out[0].present && x->out[0].dtype == CLAST_FLOAT32;
}

static bool constant_floats(const infer_value *v)
{
	return v->present && v->data && v->dtype == CLAST_FLOAT32 && view_is_dense(v->data);
}

/* Axes of two views that one stride walks in both, in the memory order of the first; false if there are more than a kernel takes. */
typedef struct axes {
	size_t rank, extent[CLAST_MAX_RANK];
	ptrdiff_t a[CLAST_MAX_RANK], b[CLAST_MAX_RANK];
} axes;

static void add_axis(axes *x, int64_t extent, int64_t a, int64_t b)
{
	size_t at = x->rank++;
	const int64_t size = a < 0 ? -a : a;
	for (; at > 0 && (x->a[at - 1] < 0 ? -x->a[at - 1] : x->a[at - 1]) < size; at--) {
		x->extent[at] = x->extent[at - 1];
		x->a[at] = x->a[at - 1];
		x->b[at] = x->b[at - 1];
	}
	x->extent[at] = (size_t)extent;
	x->a[at] = a;
	x->b[at] = b;
}

static bool merge_axes(axes *x)
{
	ptrdiff_t *strides[2] = { x->a, x->b };
	if (!x->rank)
		add_axis(x, 1, 0, 0);
	x->rank = strided_merge(x->rank, x->extent, 2, strides);
	return x->rank <= KERNEL_MAX_AXES;
}

/* ---- Reduce* ---- */

static bool reduce_kind_of(const node *n, uint32_t *kind)
{
	static const struct {
		const char *name;
		reduce_kind kind;
	} kinds[] = { { "ReduceSum", REDUCE_SUM },       { "ReduceMean", REDUCE_MEAN },
		      { "ReduceMax", REDUCE_MAX },       { "ReduceMin", REDUCE_MIN },
		      { "ReduceProd", REDUCE_PROD },     { "ReduceSumSquare", REDUCE_SUM_SQUARE },
		      { "ReduceL1", REDUCE_L1 },         { "ReduceL2", REDUCE_L2 },
		      { "ReduceLogSum", REDUCE_LOG_SUM }, { "ReduceLogSumExp", REDUCE_LOG_SUM_EXP } };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (is(n, kinds[i].name)) {
			*kind = kinds[i].kind;
			return true;
		}
	return false;
}

static infer_in query_of(const node *n, const infer_value *in, size_t n_in)
{
	return (infer_in){ .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n_in, .n_out = 1, .in = in };
}

static bool accepts_reduce(const lower_node *x, port *ports)
{
	uint32_t kind, mask;
	const infer_in query = query_of(x->n, x->in, x->n->n_in);
	if (!reduce_kind_of(x->n, &kind) || !one_float_output(x))
		return false;
	if (x->n->n_in > 1 && x->in[1].present && !x->in[1].data)
		return false;
	if (!reduce_axes(&query, &mask))
		return false;
	ports[0] = (port){ PORT_WHOLE, false };
	if (x->n->n_in > 1)
		ports[1] = (port){ PORT_ABSENT, false };
	ports[x->n->n_in] = (port){ PORT_WHOLE, false };
	return true;
}

static clast_status lower_reduce(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	const infer_in query = query_of(l->n, l->in, l->n_in);
	const bool keep = ((const reduce_attrs *)l->n->attrs)->keepdims;
	reduce_params p = { 0 };
	axes kept = { 0 }, reduced = { 0 };
	uint32_t mask = 0;
	if (!reduce_axes(&query, &mask))
		return CLAST_ERROR_UNSUPPORTED;
	reduce_kind_of(l->n, &p.kind);
	for (int a = 0, b = 0; a < x->rank; a++) {
		const bool gone = mask >> a & 1;
		if (gone)
			add_axis(&reduced, x->dims[a], x->strides[a], 0);
		else
			add_axis(&kept, x->dims[a], x->strides[a], y->strides[b]);
		b += !gone || keep;
	}
	if (!merge_axes(&kept) || !merge_axes(&reduced))
		return CLAST_ERROR_UNSUPPORTED;
	p.kept_rank = (uint32_t)kept.rank;
	p.reduced_rank = (uint32_t)reduced.rank;
	for (size_t i = 0; i < kept.rank; i++) {
		p.kept[i] = kept.extent[i];
		p.in_kept[i] = kept.a[i];
		p.out_kept[i] = kept.b[i];
	}
	for (size_t i = 0; i < reduced.rank; i++) {
		p.reduced[i] = reduced.extent[i];
		p.in_reduced[i] = reduced.a[i];
	}
	const lower_arg args[] = { [REDUCE_OUT] = { ARG_OUT, 0, 0 }, [REDUCE_IN] = { ARG_IN, 0, 0 } };
	return lower_emit(l, KERNEL_reduce_f32, &p, 2, args);
}

const kernel_family family_reduce = { .name = "reduce", .accepts = accepts_reduce, .lower = lower_reduce };

/* ---- Softmax, LogSoftmax ---- */

/* The axes normalised together, if a single one holds more than one element. */
static bool accepts_softmax(const lower_node *x, port *ports)
{
	uint32_t mask;
	if ((!is(x->n, "Softmax") && !is(x->n, "LogSoftmax")) || !one_float_output(x) ||
	    !softmax_axes(x->n->attrs, x->n->version, x->in[0].shape.rank, &mask) || !x->in[0].shape.rank)
		return false;
	ports[0] = ports[1] = (port){ PORT_WHOLE, false };
	return true;
}

static clast_status lower_softmax(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	softmax_params p = { .log = is(l->n, "LogSoftmax"), .extent = 1 };
	axes outer = { 0 }, inner = { 0 };
	uint32_t mask = 0;
	if (!softmax_axes(l->n->attrs, l->n->version, x->rank, &mask))
		return CLAST_ERROR_UNSUPPORTED;
	for (int a = 0; a < x->rank; a++)
		add_axis(mask >> a & 1 ? &inner : &outer, x->dims[a], x->strides[a], y->strides[a]);
	if (!merge_axes(&outer) || !merge_axes(&inner) || inner.rank > 1)
		return CLAST_ERROR_UNSUPPORTED;
	p.extent = inner.extent[0];
	p.in_stride = inner.a[0];
	p.out_stride = inner.b[0];
	p.rank = (uint32_t)outer.rank;
	for (size_t i = 0; i < outer.rank; i++) {
		p.outer[i] = outer.extent[i];
		p.in_outer[i] = outer.a[i];
		p.out_outer[i] = outer.b[i];
	}
	const lower_arg args[] = { [SOFTMAX_OUT] = { ARG_OUT, 0, 0 }, [SOFTMAX_IN] = { ARG_IN, 0, 0 } };
	return lower_emit(l, KERNEL_softmax_f32, &p, 2, args);
}

const kernel_family family_softmax = { .name = "softmax", .accepts = accepts_softmax, .lower = lower_softmax };

/* ---- LayerNormalization, RMSNormalization over the last axes ---- */

static bool accepts_layer_norm(const lower_node *x, port *ports)
{
	if ((!is(x->n, "LayerNormalization") && !is(x->n, "RMSNormalization")) || !one_float_output(x))
		return false;
	for (uint32_t i = 1; i < x->n->n_in; i++) {
		if (x->in[i].present && !constant_floats(&x->in[i]))
			return false;
		ports[i] = (port){ PORT_FIRST, true };
	}
	const layer_norm_attrs *a = x->n->attrs;
	const int rank = x->in[0].shape.rank;
	const int64_t axis = a->axis < 0 ? a->axis + rank : a->axis;
	if (axis < 0 || axis >= rank)
		return false;
	/* One axis may lie anywhere among the others as long as it is innermost; several need the row-major order. */
	const port need = { axis == rank - 1 ? PORT_ROWS : PORT_FIRST, true };
	ports[0] = ports[x->n->n_in] = need;
	return true;
}

static clast_status lower_layer_norm(lowering *l)
{
	const layer_norm_attrs *a = l->n->attrs;
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	const int axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
	layer_norm_params p = { .rms = is(l->n, "RMSNormalization"), .epsilon = a->epsilon, .extent = 1 };
	axes outer = { 0 }, inner = { 0 };
	for (int i = 0; i < x->rank; i++)
		add_axis(i < axis ? &outer : &inner, x->dims[i], x->strides[i], y->strides[i]);
	if (!merge_axes(&outer) || !merge_axes(&inner) || inner.rank > 1 || (inner.extent[0] > 1 && (inner.a[0] != 1 || inner.b[0] != 1)))
		return CLAST_ERROR_UNSUPPORTED;
	p.extent = inner.extent[0];
	p.rank = (uint32_t)outer.rank;
	for (uint32_t i = 1; i < l->n_in; i++) /* scale and bias of the full extent; broadcast ones go to the reference */
		if (l->in[i].present && (size_t)view_count(l->in[i].data) != p.extent)
			return CLAST_ERROR_UNSUPPORTED;
	for (size_t i = 0; i < outer.rank; i++) {
		p.outer[i] = outer.extent[i];
		p.in_outer[i] = outer.a[i];
		p.out_outer[i] = outer.b[i];
	}
	const bool has_bias = l->n_in > 2 && l->in[2].present;
	const lower_arg args[] = { [LAYER_NORM_OUT] = { ARG_OUT, 0, 0 },
		                   [LAYER_NORM_IN] = { ARG_IN, 0, 0 },
		                   [LAYER_NORM_SCALE] = { ARG_IN, 1, 0 },
		                   [LAYER_NORM_BIAS] = { has_bias ? ARG_IN : ARG_NONE, 2, 0 },
		                   [LAYER_NORM_MEAN] = { ARG_NONE, 0, 0 },
		                   [LAYER_NORM_INV_STD] = { ARG_NONE, 0, 0 } };
	return lower_emit(l, KERNEL_layer_norm_f32, &p, 6, args);
}

const kernel_family family_layer_norm = { .name = "layer_norm", .accepts = accepts_layer_norm, .lower = lower_layer_norm };

/* ---- InstanceNormalization, GroupNormalization ---- */

static bool accepts_group_norm(const lower_node *x, port *ports)
{
	const int rank = x->in[0].shape.rank;
	const bool group = is(x->n, "GroupNormalization");
	if ((!group && !is(x->n, "InstanceNormalization")) || !one_float_output(x) || rank < 3 || rank > 4 ||
	    !constant_floats(&x->in[1]) || !constant_floats(&x->in[2]) || (group && x->n->version < 21))
		return false;
	ports[0] = ports[x->n->n_in] = (port){ PORT_LAST, true };
	ports[1] = ports[2] = (port){ PORT_FIRST, true };
	return true;
}

/* Whether both images are channels-first and not channels-last too, or both channels-last. */
static bool same_sides(const tensor_view *x, const tensor_view *y, bool *first)
{
	const bool last = lower_lies(x, PORT_LAST) && lower_lies(y, PORT_LAST) && !x->split[1] && !y->split[1];
	*first = !last;
	return last || (lower_lies(x, PORT_FIRST) && lower_lies(y, PORT_FIRST));
}

/* Some passes over the input and one over the output. */
static size_t ways_norm(const lower_node *x, lower_way *way)
{
	const double in = lower_count(&x->in[0]);
	way[0] = (lower_way){ PORT_LAST, PORT_LAST, 20 * in, 12 * in };
	way[1] = (lower_way){ PORT_FIRST, PORT_FIRST, 20 * in, 12 * in };
	return 2;
}

/* Groups of channels written as instances: axis 1 counts groups, the last axis holds their channels and pixels. */
static size_t ways_group_norm(const lower_node *x, lower_way *way)
{
	const size_t n = ways_norm(x, way);
	way[n] = (lower_way){ PORT_GROUPS, PORT_GROUPS, way[0].flops, way[0].bytes, true };
	return n + (x->in[0].shape.rank == 3 && is(x->n, "InstanceNormalization"));
}

/* A constant for each group, repeated for each of its channels. */
static clast_status repeat(lowering *l, const tensor_view *v, size_t each, uint32_t *index)
{
	void *data;
	const clast_status s = lower_table(l, (size_t)v->dims[0] * each * sizeof(float), &data, index);
	for (int64_t g = 0; !s && g < v->dims[0]; g++)
		for (size_t i = 0; i < each; i++)
			((float *)data)[(size_t)g * each + i] = (float)load_real(v, axis_offset(v, 0, g));
	return s;
}

static bool split_in_two(const tensor_view *v, axis_factor *pixels, axis_factor *channels)
{
	const axis_factor *f = v->factors + v->first_factor[2];
	if (v->rank != 3 || v->split[2] != 2)
		return false;
	for (int i = 0; i < 2; i++) {
		*channels = f[i];
		*pixels = f[1 - i];
		if (channels->stride == 1 && (v->dims[1] == 1 || v->strides[1] == channels->extent))
			return true;
	}
	return false;
}

static clast_status lower_grouped(lowering *l)
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	axis_factor pixels, channels, out_pixels, out_channels;
	uint32_t scale = 0, bias = 0;
	if (!split_in_two(x, &pixels, &channels) || !split_in_two(y, &out_pixels, &out_channels) || pixels.extent != out_pixels.extent ||
	    (x->factors[x->first_factor[2]].extent != y->factors[y->first_factor[2]].extent))
		return CLAST_ERROR_UNSUPPORTED;
	group_norm_params p = { .batch = (size_t)x->dims[0], .rows = 1, .pixels = (size_t)pixels.extent, .groups = (size_t)x->dims[1],
		                .channels = (size_t)(x->dims[1] * channels.extent), .in_batch = x->strides[0], .in_pixel = pixels.stride,
		                .out_batch = y->strides[0], .out_pixel = out_pixels.stride,
		                .epsilon = ((const instance_norm_attrs *)l->n->attrs)->epsilon };
	clast_status s = repeat(l, l->in[1].data, (size_t)channels.extent, &scale);
	if (!s)
		s = repeat(l, l->in[2].data, (size_t)channels.extent, &bias);
	const lower_arg args[] = { [GROUP_NORM_OUT] = { ARG_OUT, 0, 0 },
		                   [GROUP_NORM_IN] = { ARG_IN, 0, 0 },
		                   [GROUP_NORM_SCALE] = { ARG_TABLE, scale, 0 },
		                   [GROUP_NORM_BIAS] = { ARG_TABLE, bias, 0 } };
	return s ? s : lower_emit(l, KERNEL_group_norm_f32, &p, 4, args);
}

static clast_status lower_group_norm(lowering *l)
{
	if (l->in_view[0].rank == 3 && l->in_view[0].split[2])
		return lower_grouped(l);
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	bool first;
	if (!same_sides(x, y, &first))
		return CLAST_ERROR_UNSUPPORTED;
	const bool group = is(l->n, "GroupNormalization");
	const int w = x->rank - 1;
	group_norm_params p = { .batch = (size_t)x->dims[0], .channels = (size_t)x->dims[1], .pixels = (size_t)x->dims[w],
		                .rows = x->rank == 4 ? (size_t)x->dims[2] : 1, .in_batch = x->strides[0], .in_pixel = x->strides[w],
		                .in_row = x->rank == 4 ? x->strides[2] : 0, .out_batch = y->strides[0], .out_pixel = y->strides[w],
		                .out_row = y->rank == 4 ? y->strides[2] : 0 };
	if (first) {
		p.in_channel = x->strides[1];
		p.out_channel = y->strides[1];
		p.in_pixel = p.out_pixel = 1; /* also where there is but one */
	}
	p.groups = group ? (size_t)((const group_norm_attrs *)l->n->attrs)->num_groups : p.channels;
	p.epsilon = group ? ((const group_norm_attrs *)l->n->attrs)->epsilon : ((const instance_norm_attrs *)l->n->attrs)->epsilon;
	const lower_arg args[] = { [GROUP_NORM_OUT] = { ARG_OUT, 0, 0 },
		                   [GROUP_NORM_IN] = { ARG_IN, 0, 0 },
		                   [GROUP_NORM_SCALE] = { ARG_IN, 1, 0 },
		                   [GROUP_NORM_BIAS] = { ARG_IN, 2, 0 } };
	return lower_emit(l, KERNEL_group_norm_f32, &p, 4, args);
}

const kernel_family family_group_norm = { .name = "group_norm", .accepts = accepts_group_norm, .ways = ways_group_norm,
	                                  .lower = lower_group_norm };

/* ---- LRN ---- */

static bool accepts_lrn(const lower_node *x, port *ports)
{
	if (!is(x->n, "LRN") || !one_float_output(x) || x->in[0].shape.rank < 3)
		return false;
	ports[0] = ports[1] = (port){ PORT_LAST, true };
	return true;
}

static clast_status lower_lrn(lowering *l)
{
	const lrn_attrs *a = l->n->attrs;
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	lrn_params p = { .channels = (size_t)x->dims[1], .size = (size_t)a->size, .alpha = a->alpha, .beta = a->beta, .bias = a->bias };
	axes outer = { 0 };
	bool first;
	if (!same_sides(x, y, &first))
		return CLAST_ERROR_UNSUPPORTED;
	for (int i = 0; i < x->rank; i++)
		if (i != 1)
			add_axis(&outer, x->dims[i], x->strides[i], y->strides[i]);
	if (!merge_axes(&outer))
		return CLAST_ERROR_UNSUPPORTED;
	if (first) {
		p.in_channel = x->strides[1];
		p.out_channel = y->strides[1];
	}
	p.rank = (uint32_t)outer.rank;
	for (size_t i = 0; i < outer.rank; i++) {
		p.outer[i] = outer.extent[i];
		p.in_outer[i] = outer.a[i];
		p.out_outer[i] = outer.b[i];
	}
	const lower_arg args[] = { [LRN_OUT] = { ARG_OUT, 0, 0 }, [LRN_IN] = { ARG_IN, 0, 0 } };
	return lower_emit(l, KERNEL_lrn_f32, &p, 2, args);
}

const kernel_family family_lrn = { .name = "lrn", .accepts = accepts_lrn, .ways = ways_norm, .lower = lower_lrn };
