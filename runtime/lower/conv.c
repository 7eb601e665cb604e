/* Conv and ConvTranspose in one, two or three dimensions with constant weights. */
#include <string.h>

#include "conv_attrs.h"
#include "lower.h"
#include "patches.h"

static bool is_onnx(const lower_node *x, const char *name)
{
	return !x->n->op->domain[0] && !strcmp(x->n->op->name, name);
}

static bool constant_floats(const infer_value *v)
{
	return v->present && v->data && v->dtype == CLAST_FLOAT32;
}

static bool accepts_weights(const lower_node *x, port *ports)
{
	const int rank = x->in[0].shape.rank;
	if (x->in[0].dtype != CLAST_FLOAT32 || rank < 3 || rank > 5 || !constant_floats(&x->in[1]) || x->in[1].data->rank != rank)
		return false;
	if (x->n->n_in > 2 && x->in[2].present && !(constant_floats(&x->in[2]) && view_is_dense(x->in[2].data)))
		return false;
	ports[0] = (port){ PORT_LAST, true };
	ports[1] = (port){ PORT_ABSENT, false };
	if (x->n->n_in > 2)
		ports[2] = (port){ PORT_ABSENT, false };
	ports[x->n->n_in] = (port){ PORT_LAST, true };
	return true;
}

/* What weights [first, second, ...] of `groups` groups can absorb; outputs of a group lie along axis `out` of the weights' shape. */
static void permit_channels(const lower_node *x, int64_t groups, int out, port *ports)
{
	const tensor_view *w = x->in[1].data;
	port *from = &ports[0], *to = &ports[x->n->n_in];
	if (groups < 1 || w->dims[0] % groups)
		return;
	const int64_t first = w->dims[0] / groups, second = w->dims[1];
	if (groups > 1 && first == 1 && second == 1) {
		from->channels = to->channels = CHANNELS_TIED;
		return;
	}
	from->channels = to->channels = CHANNELS_FREE;
	from->block = groups > 1 ? (uint32_t)(out ? first : second) : 0;
	to->block = groups > 1 ? (uint32_t)(out ? second : first) : 0;
}

/* Spatial axis i of n goes to kernel axis i + 3 - n; those before it have extent 1. */
static void set_window(const conv_geometry *g, conv_params *p)
{
	for (int a = 0; a < 3; a++) {
		const int i = a - (3 - g->spatial);
		const bool there = i >= 0;
		p->window.in[a] = there ? (size_t)g->in[i] : 1;
		p->window.out[a] = there ? (size_t)g->out[i] : 1;
		p->window.kernel[a] = there ? (size_t)g->kernel[i] : 1;
		p->window.stride[a] = there ? (size_t)g->stride[i] : 1;
		p->window.dilation[a] = there ? (size_t)g->dilation[i] : 1;
		p->window.pad[a] = there ? (ptrdiff_t)g->pad_begin[i] : 0;
	}
	p->window.row_begin = 0;
	p->window.row_end = p->window.out[ROW];
}

/* Logical axes of depth, row, pixel, -1 where there is none; then batch and channel around them for epilogues. */
static void kernel_axes(int spatial, int axes[5])
{
	axes[0] = 0;
	for (int a = 0; a < 3; a++)
		axes[1 + a] = a - (3 - spatial) >= 0 ? 2 + a - (3 - spatial) : -1;
	axes[4] = 1;
}

/* channel: its stride. Vectors may run along pixels, whose stride is therefore 1 even where there is but one. */
static void set_strides(const tensor_view *v, int spatial, image_strides *s, ptrdiff_t *channel)
{
	int axes[5];
	kernel_axes(spatial, axes);
	s->batch = v->strides[0];
	for (int a = 0; a < 3; a++)
		s->axis[a] = axes[1 + a] < 0 ? 0 : v->strides[axes[1 + a]];
	if (v->dims[v->rank - 1] == 1)
		s->axis[PIXEL] = 1;
	*channel = v->dims[1] == 1 || lower_block_stride(v) ? 1 : lower_run_stride(v, 1);
}

/* w is [first, second, kernel...] row-major; source.out or .in follows from which of the two axes is which. */
static void set_weights(const infer_value *w, const infer_value *bias, int spatial, weights_source *s)
{
	const tensor_view *v = w->data;
	s->data = v->data;
	for (int a = 0; a < 3; a++) {
		const int i = a - (3 - spatial);
		s->tap[a] = i >= 0 ? v->strides[2 + i] : 0;
	}
	if (bias && bias->present) {
		s->bias = bias->data->data;
		s->bias_stride = 1;
	}
}

typedef struct weight_key {
	value_id weights, bias;
	uint32_t kind;
	axis_run in, out; /* the keys alone */
} weight_key;

/* Whether channels stay in their groups, permuted in each alike. */
static bool keeps_groups(const axis_run *r, size_t groups, size_t each)
{
	for (size_t g = 0; r->index && g < groups; g++)
		for (size_t i = 0; i < each; i++)
			if (r->index[g * each + i] != g * each + r->index[i])
				return false;
	return true;
}

/* Whether groups take turns, their channels permuted alike; the index becomes that of groups one after the other. */
static bool take_turns(lowering *l, axis_run *r, size_t groups, size_t each)
{
	uint32_t *index = r->index && groups > 1 && each > 1 ? bump_array(l->memory, groups * each, sizeof *index) : NULL;
	for (size_t i = 0; index && i < each; i++)
		for (size_t g = 0; g < groups; g++) {
			index[g * each + i] = r->index[i * groups + g];
			if (r->index[i * groups] >= each || index[g * each + i] != g * each + r->index[i * groups])
				return false;
		}
	r->index = index;
	return index != NULL;
}

/* How channels are permuted; blocks of them are not. */
static bool channel_run(lowering *l, const tensor_view *v, axis_run *run)
{
	memset(run, 0, sizeof *run);
	return lower_block_stride(v) || lower_run(l, v, 1, run);
}

/* Permuted channels of input and output become permuted weights. Sets the distances of channels and groups. */
static bool absorb_channels(lowering *l, conv_params *p, const axis_pieces *pieces, weights_source *source, weight_key *key)
{
	const weights_shape *form = &p->weights;
	axis_run in, out;
	if (!channel_run(l, &l->in_view[0], &in))
		return false;
	if (pieces->length)
		out = pieces->run;
	else if (!channel_run(l, &l->out_view[0], &out))
		return false;
	const bool depthwise = form->groups > 1 && form->in_channels == 1 && form->out_channels == 1;
	if (depthwise && !lower_runs_agree(&in, &out))
		return false;
	if (!depthwise && !keeps_groups(&in, form->groups, form->in_channels)) {
		if (!take_turns(l, &in, form->groups, form->in_channels))
			return false;
		p->in_group = p->in_channel;
		p->in_channel *= (ptrdiff_t)form->groups;
	}
	if (!depthwise && !keeps_groups(&out, form->groups, form->out_channels)) {
		if (!take_turns(l, &out, form->groups, form->out_channels) || p->out_channel != 1)
			return false;
		p->out_group = 1;
		p->out_channel = (ptrdiff_t)form->groups;
	}
	source->in_index = depthwise ? NULL : in.index;
	source->out_index = out.index;
	key->in.key = in.key;
	key->out.key = out.key;
	return true;
}

/* Whether channels lie in pieces, as a pixel shuffle has them. */
static bool lies_in_runs(const tensor_view *v)
{
	for (int a = 0; a < v->rank; a++)
		if (v->split[a] && a != 1)
			return false;
	return v->split[1] && !lower_run_stride(v, 1) && !lower_block_stride(v);
}

static void set_runs(const axis_pieces *pieces, conv_params *p)
{
	p->out_run = (size_t)pieces->length;
	for (int i = 0; pieces->length && i < 2; i++) {
		p->out_runs[i] = (size_t)pieces->count[i];
		p->out_run_stride[i] = pieces->step[i];
	}
}

static bool kernel_is_first(kernel_id k)
{
	return k == KERNEL_conv_first_f32 || k == KERNEL_depthwise_first_f32;
}

static clast_status emit_conv(lowering *l, kernel_id kernel_number, packing_id how, const weights_source *from, uint32_t kind,
                              conv_params *p)
{
	weights_source source = *from;
	const int spatial = l->in_view[0].rank - 2;
	int axes[5];
	lower_arg extra[1 + EPILOGUE_MAX_OPERANDS], args[CONV_OPERANDS + EPILOGUE_MAX_OPERANDS];
	size_t count;
	uint32_t weight;
	weight_key key;
	memset(&key, 0, sizeof key);
	key.weights = l->n->in[1];
	key.bias = l->n_in > 2 ? l->n->in[2] : NO_ID;
	key.kind = kind;
	kernel_axes(spatial, axes);
	set_strides(&l->in_view[0], spatial, &p->in, &p->in_channel);
	set_strides(&l->out_view[0], spatial, &p->out, &p->out_channel);
	axis_pieces pieces = { .length = 0 };
	if (lies_in_runs(&l->out_view[0]) && (p->weights.groups > 1 || !lower_pieces(l, &l->out_view[0], 1, &pieces)))
		return CLAST_ERROR_UNSUPPORTED;
	if (!absorb_channels(l, p, &pieces, &source, &key))
		return CLAST_ERROR_UNSUPPORTED;
	set_runs(&pieces, p);
	p->in_block = lower_block_stride(&l->in_view[0]);
	p->out_block = lower_block_stride(&l->out_view[0]);
	p->block = p->in_block || p->out_block ? cpu_kernels_get()->vector : 0;
	const int block_axes[6] = { axes[0], axes[1], axes[2], axes[3], AXIS_BLOCKS, AXIS_IN_BLOCK };
	/* A kernel that transposes or interleaves its results on their way out takes no residual. */
	const size_t unit = kernel_is_first(kernel_number) ? 3 : p->out_channel == 1 ? 4 : 5;
	if (!(p->out_run   ? fuse_epilogue_pieces(l, 4, axes, &pieces, &p->epilogue, extra, &count) :
	      p->out_block ? fuse_epilogue_blocks(l, 6, block_axes, &p->epilogue, extra, &count) :
	                     fuse_epilogue_along(l, 5, axes, unit, &p->epilogue, extra, &count)))
		return CLAST_ERROR_UNSUPPORTED;
	const clast_status s = lower_weight(l, how, &p->weights, &source, &key, sizeof key, &weight);
	if (s)
		return s;
	args[CONV_OUT] = (lower_arg){ ARG_OUT, 0, 0 };
	args[CONV_IN] = (lower_arg){ ARG_IN, 0, 0 };
	args[CONV_WEIGHTS] = (lower_arg){ ARG_WEIGHT, weight, 0 };
	memcpy(args + CONV_RESIDUAL, extra, count * sizeof *extra);
	return lower_emit(l, kernel_number, p, CONV_RESIDUAL + count, args);
}

static void set_shape(const conv_geometry *g, size_t out, size_t in, conv_params *p)
{
	p->batch = (size_t)g->batch;
	p->weights = (weights_shape){ .groups = (size_t)g->group, .out_channels = out, .in_channels = in };
	for (int a = 0; a < 3; a++) {
		p->weights.kernel[a] = p->window.kernel[a];
		p->weights.stride[a] = p->window.stride[a];
		p->weights.dilation[a] = p->window.dilation[a];
	}
}

/* ---- Conv ---- */

static bool accepts_conv(const lower_node *x, port *ports)
{
	if (!is_onnx(x, "Conv") || !accepts_weights(x, ports))
		return false;
	permit_channels(x, ((const conv_attrs *)x->n->attrs)->group, 0, ports);
	return true;
}

/* Winograd tiles save multiplications where there is enough to multiply: their transforms cost a pass over input and output, and their
 * weights are 1.8 and 4 times as large, which small images cannot spread over enough tiles. */
static bool suits_winograd(const conv_params *p, size_t least)
{
	const conv_window *w = &p->window;
	for (int a = 0; a < 3; a++)
		if (w->kernel[a] != (a == DEPTH ? 1 : 3) || w->stride[a] != 1)
			return false;
	/* Dilated, the image is so many images that tiles have to fill. Of few positions each most taps are outside, which conv_f32 leaves
	 * out. */
	if (w->out[ROW] < 4 * w->dilation[ROW] || w->out[PIXEL] < 4 * w->dilation[PIXEL])
		return false;
	return p->weights.groups == 1 && p->weights.in_channels >= TILE_CHANNELS && p->weights.out_channels >= TILE_CHANNELS &&
	       w->out[ROW] >= least && w->out[PIXEL] >= least;
}

/* The side of the tiles to take: what timing chose, else the largest that suits. most: what is accurate enough. */
static unsigned tile_of(const conv_params *p, unsigned most, const lower_choice *choice)
{
	if (choice)
		return !suits_winograd(p, 1) ? 0 : choice->tile < most ? choice->tile : most;
	if (most == 4 && suits_winograd(p, TILE_4_EXTENT))
		return 4;
	return most && suits_winograd(p, TILE_2_EXTENT) ? 2 : 0;
}

/* Window and channels at representative extents; false if those do not fit. */
static bool params_of(const lower_node *x, conv_params *p)
{
	conv_geometry g;
	clast_diag unused = { 0 };
	*p = (conv_params){ 0 };
	if (conv_geometry_of(x->n->attrs, x->in[0].shape.rank, x->in[0].shape.dims, x->in[1].data->dims, &g, &unused) || !g.in_channels)
		return false;
	set_window(&g, p);
	set_shape(&g, (size_t)(g.out_channels / g.group), (size_t)(g.in_channels / g.group), p);
	return true;
}

static size_t choices_conv(const lower_node *x, const port *ports, unsigned most, lower_choice *choice)
{
	conv_params p;
	size_t n = 1;
	if (ports[0].need != PORT_LAST || ports[x->n->n_in].need != PORT_LAST || !params_of(x, &p))
		return 0;
	const size_t out = p.weights.out_channels, in = p.weights.in_channels;
	const lower_choice own = { .tile = (uint8_t)tile_of(&p, most, NULL) };
	choice[0] = own;
	for (unsigned tile = suits_winograd(&p, 1) ? most : 0; tile; tile -= 2)
		if (tile != own.tile)
			choice[n++] = (lower_choice){ .tile = (uint8_t)tile };
	if (own.tile)
		choice[n++] = (lower_choice){ .tile = 0 };
	const int64_t taps = (int64_t)(p.window.kernel[0] * p.window.kernel[1] * p.window.kernel[2]);
	if (n == 1 && !(p.weights.groups > 1 && in == 1 && out == 1))
		return lower_product_choices(own, (int64_t)in * taps, (int64_t)out, n, choice);
	for (int size = 1; size >= -1; size -= 2)
		choice[n++] = (lower_choice){ .tile = own.tile, .hint.size = (int8_t)size };
	return n;
}

static clast_status lower_conv(lowering *l)
{
	const infer_value *w = &l->in[1];
	conv_geometry g;
	conv_params p = { .chain = l->chain };
	weights_source source = { 0 };
	const clast_status s = conv_geometry_of(l->n->attrs, l->in_view[0].rank, l->in_view[0].dims, w->data->dims, &g, l->diag);
	if (s)
		return s;
	if (!g.out_channels || !g.in_channels)
		return CLAST_ERROR_UNSUPPORTED;
	const size_t out = (size_t)(g.out_channels / g.group), in = (size_t)(g.in_channels / g.group);
	set_window(&g, &p);
	set_shape(&g, out, in, &p);
	set_weights(w, l->n_in > 2 ? &l->in[2] : NULL, g.spatial, &source);
	source.group = (ptrdiff_t)out * w->data->strides[0];
	source.out = w->data->strides[0];
	source.in = w->data->strides[1];
	const bool depthwise = g.group > 1 && out == 1 && in == 1;
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	const bool in_last = lower_lies(x, PORT_LAST) || lower_lies(x, PORT_BLOCKED);
	const bool out_last = lower_lies(y, PORT_LAST) || lower_lies(y, PORT_BLOCKED) || lies_in_runs(y);
	/* Where an image is one pixel both lie alike; weights are packed once for all sizes, for the way that was chosen. */
	const bool lines = l->ports && l->ports[0].need == PORT_FIRST && l->ports[l->n_in].need == PORT_FIRST;
	if ((lines || !(in_last && out_last)) && lower_lies(x, PORT_FIRST) && lower_lies(y, PORT_FIRST))
		return depthwise ? emit_conv(l, KERNEL_depthwise_first_f32, PACKING_DEPTHWISE_FIRST, &source, 6, &p) :
		                   emit_conv(l, KERNEL_conv_first_f32, PACKING_FIRST, &source, 5, &p);
	if (!out_last && (depthwise || !lower_lies(y, PORT_FIRST)))
		return CLAST_ERROR_UNSUPPORTED;
	if (l->choice)
		p.hint = l->choice->hint;
	const unsigned tile = in_last && out_last ? tile_of(&p, l->tile, l->choice) : 0;
	if (tile == 4) {
		const clast_status fast = emit_conv(l, KERNEL_winograd4_f32, PACKING_WINOGRAD4, &source, 7, &p);
		if (fast != CLAST_ERROR_UNSUPPORTED)
			return fast;
	}
	if (tile) {
		const clast_status fast = emit_conv(l, KERNEL_winograd2_f32, PACKING_WINOGRAD2, &source, 4, &p);
		if (fast != CLAST_ERROR_UNSUPPORTED)
			return fast;
	}
	return depthwise ? emit_conv(l, KERNEL_depthwise_f32, PACKING_DEPTHWISE, &source, 1, &p) :
	                   emit_conv(l, KERNEL_conv_f32, PACKING_GEMM, &source, 0, &p);
}

/* Elements of the window: those of a weight tensor but its first two axes. */
static double taps_of(const infer_value *w)
{
	double n = 1;
	for (int a = 2; a < w->data->rank; a++)
		n *= (double)w->data->dims[a];
	return n;
}

/* A shuffle of channels between grouped convolutions: results are interleaved on their way out, columns gathered one by one. */
static size_t ways_of_groups(lower_way last, int64_t groups, double columns, double out, lower_way *way)
{
	const double in_turns = 30 * columns, out_turns = 16 * out;
	if (groups < 2)
		return 0;
	way[0] = way[1] = way[2] = last;
	way[0].out = way[1].in = way[2].in = way[2].out = PORT_INTERLEAVED;
	way[0].flops += out_turns;
	way[1].flops += in_turns;
	way[2].flops += in_turns + out_turns;
	return 3;
}

static size_t ways_conv(const lower_node *x, lower_way *way)
{
	const tensor_view *w = x->in[1].data;
	const double taps = taps_of(&x->in[1]), depth = (double)w->dims[1], out = lower_count(&x->out[0]);
	const double in = lower_count(&x->in[0]), weights = (double)view_count(w);
	const double flops = 2 * out * depth * taps, bytes = 4 * (in + out + weights);
	/* Columns are gathered once for each output pixel. */
	const double columns = out / (double)(w->dims[0] ? w->dims[0] : 1) * depth * taps;
	const bool depthwise = w->dims[1] == 1 && x->in[0].shape.dims[1] == w->dims[0] && w->dims[0] > 1;
	conv_params p;
	const unsigned tile = !depthwise && x->tile && params_of(x, &p) ? tile_of(&p, x->tile, NULL) : 0;
	size_t n = 0;
	/* Tiles of 2 take 0.6 of the direct form's time, tiles of 4 0.62 to 0.79 of that (docs/performance.md). */
	way[n++] = (lower_way){ PORT_LAST, PORT_LAST, depthwise ? 3 * flops : flops / (tile == 4 ? 2.4 : tile ? 1.6 : 1), bytes };
	way[n++] = (lower_way){ PORT_FIRST, PORT_FIRST, depthwise ? 12 * flops : flops + 30 * columns, bytes };
	const int64_t block = (int64_t)cpu_kernels_get()->vector, in_channels = x->in[0].shape.dims[1], groups = in_channels / w->dims[1];
	const bool blocks_in = in_channels % block == 0 && (depthwise || groups == 1 || w->dims[1] % block == 0);
	const bool blocks_out = w->dims[0] % block == 0 && (depthwise || groups == 1 || w->dims[0] / groups % block == 0);
	if (blocks_in && blocks_out)
		way[n++] = (lower_way){ PORT_BLOCKED, PORT_BLOCKED, way[0].flops * 1.02, bytes };
	if (depthwise)
		return n;
	if (blocks_out && depth <= 4)
		way[n++] = (lower_way){ PORT_FIRST, PORT_BLOCKED, flops, bytes };
	/* With few channels the lines of the image are turned, else the columns, element by element where a stride leaves some out. */
	const bool strided = in / (double)(in_channels ? in_channels : 1) > 1.5 * out / (double)(w->dims[0] ? w->dims[0] : 1);
	const double turn = depth <= 4 ? 0 : strided ? 100 : 18;
	way[n++] = (lower_way){ PORT_FIRST, PORT_LAST, flops + turn * columns, bytes };
	way[n++] = (lower_way){ PORT_LAST, PORT_FIRST, flops + 16 * out, bytes };
	if (groups == 1) /* a pixel shuffle, after Winograd tiles too */
		way[n++] = (lower_way){ PORT_LAST, PORT_RUNS, way[0].flops + 16 * out, bytes };
	return n + ways_of_groups(way[0], groups, columns, out, way + n);
}

const kernel_family family_conv = { .name = "conv", .accepts = accepts_conv, .epilogue = true, .by_rows = true, .ways = ways_conv, .choices = choices_conv,
	                            .lower = lower_conv };

/* ---- ConvTranspose ---- */

static bool accepts_transpose(const lower_node *x, port *ports)
{
	if (!is_onnx(x, "ConvTranspose") || !accepts_weights(x, ports))
		return false;
	permit_channels(x, ((const conv_transpose_attrs *)x->n->attrs)->group, 1, ports);
	return true;
}

static clast_status lower_transpose(lowering *l)
{
	const infer_value *w = &l->in[1];
	conv_geometry g;
	conv_params p = { 0 };
	weights_source source = { 0 };
	const clast_status s =
	        conv_transpose_geometry_of(l->n->attrs, l->in_view[0].rank, l->in_view[0].dims, w->data->dims, &g, l->diag);
	if (s)
		return s;
	if (!g.out_channels || !g.in_channels)
		return CLAST_ERROR_UNSUPPORTED;
	const clast_status patches = lower_patches(l, &g);
	if (patches != CLAST_ERROR_UNSUPPORTED)
		return patches;
	const size_t out = (size_t)(g.out_channels / g.group), in = (size_t)(g.in_channels / g.group);
	set_window(&g, &p);
	set_shape(&g, out, in, &p);
	set_weights(w, l->n_in > 2 ? &l->in[2] : NULL, g.spatial, &source);
	source.group = (ptrdiff_t)in * w->data->strides[0];
	source.in = w->data->strides[0];
	source.out = w->data->strides[1];
	return emit_conv(l, KERNEL_conv_transpose_f32, PACKING_TRANSPOSE, &source, 2, &p);
}

static size_t ways_transpose(const lower_node *x, lower_way *way)
{
	const double in = lower_count(&x->in[0]), out = lower_count(&x->out[0]), weights = (double)view_count(x->in[1].data);
	const double depth = (double)x->in[1].data->dims[1], taps = taps_of(&x->in[1]);
	const double flops = 2 * in * depth * taps, bytes = 4 * (in + out + weights);
	/* Columns are turned for each tap, results once, and spread by the stride. */
	const double turn_in = 12 * in * taps, turn_out = 24 * out;
	way[0] = (lower_way){ PORT_LAST, PORT_LAST, flops, bytes };
	way[1] = (lower_way){ PORT_FIRST, PORT_FIRST, flops + turn_in + turn_out, bytes };
	way[2] = (lower_way){ PORT_FIRST, PORT_LAST, flops + turn_in, bytes };
	way[3] = (lower_way){ PORT_LAST, PORT_FIRST, flops + turn_out, bytes };
	return 4 + ways_of_groups(way[0], ((const conv_transpose_attrs *)x->n->attrs)->group, in * taps, out, way + 4);
}

const kernel_family family_conv_transpose = { .name = "conv_transpose", .accepts = accepts_transpose, .epilogue = true,
	                                      .ways = ways_transpose, .lower = lower_transpose };
