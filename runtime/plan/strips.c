/* Which steps become a strip group, and how many rows a strip has. */
#include "strips.h"

#include <string.h>

#include "cpu.h"
#include "spec_parts.h"

/* ---- Candidates: by shapes alone ---- */

static bool by_rows(const plan_step *step)
{
	return step->kind == STEP_NODE && step->family != FAMILY_REFERENCE && family_at(step->family)->by_rows;
}

static void count_readers(const specialisation *s, uint32_t *readers)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t i = 0; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		for (uint32_t k = 0; k < (uint32_t)step->n_in + step->n_fused + step->capture_count; k++) {
			const uint32_t at = k < step->n_in ? step->refs + k : k < (uint32_t)step->n_in + step->n_fused ?
			                    step->refs + k + step->n_out : step->captures + k - step->n_in - step->n_fused;
			if (p->refs[at] != NO_ID)
				readers[p->refs[at] - b->first_value]++;
		}
	}
	for (uint32_t i = 0; i < b->output_count; i++)
		readers[p->refs[b->outputs + i] - b->first_value]++;
}

static double bytes_of(const infer_value *v)
{
	return fact_known(v) ? (double)clast_dtype_bytes(v->dtype) * lower_count(v) : 0;
}

clast_status strips_mark(specialisation *s, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	s->follows = bump_array(&s->region, (size_t)b->step_count + 1, sizeof *s->follows);
	uint32_t *readers = mem_calloc(s->memory, (b->value_count + 1) * sizeof *readers);
	if (!s->follows || !readers) {
		mem_free(s->memory, readers, (b->value_count + 1) * sizeof *readers);
		return fail_memory(d, 0);
	}
	count_readers(s, readers);
	for (uint32_t i = 1; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i], *before = step - 1;
		if (!by_rows(step) || !by_rows(before))
			continue;
		const uint32_t pv = step_out(p, before)[0];
		s->follows[i] = pv == step_in(p, step)[0] && readers[pv - b->first_value] == 1 &&
		                bytes_of(fact_of(s, pv)) >= (double)p->strip_cache;
	}
	mem_free(s->memory, readers, (b->value_count + 1) * sizeof *readers);
	return CLAST_OK;
}

static bool step_reads(const specialisation *s, const plan_step *step, uint32_t base)
{
	const clast_plan *p = s->plan;
	for (uint32_t k = 0; k < (uint32_t)step->n_in + step->n_fused; k++) {
		const uint32_t pv = k < step->n_in ? step_in(p, step)[k] : step_fused(p, step)[k - step->n_in];
		if (pv != NO_ID && place_of(s, pv)->base == base)
			return true;
	}
	return false;
}

bool strips_read(const specialisation *s, uint32_t index, uint32_t base)
{
	bool reads = false;
	for (; s->follows && s->follows[index]; index--)
		reads |= step_reads(s, &s->plan->steps[s->block->first_step + index - 1], base);
	return reads;
}

/* ---- Members: by the calls that were recorded ---- */

typedef struct image_call {
	size_t window, batch;
	const image_strides *in, *out;
	bool plain;             /* channels innermost and side by side */
	size_t grain;
	size_t channels;        /* of the output */
} image_call;

static bool describe(const spec_call *c, image_call *x)
{
	const cpu_kernels *cpu = cpu_kernels_get();
	const compute_kernel *const *k = cpu->kernel;
	*x = (image_call){ .grain = c->kernel == k[KERNEL_winograd4_f32] ? 4 : c->kernel == k[KERNEL_winograd2_f32] ? 2 : 1 };
	if (c->on_device)
		return false;
	if (c->kernel == k[KERNEL_pool_f32]) {
		const pool_params *p = c->params;
		x->window = offsetof(pool_params, window);
		x->batch = p->batch;
		x->in = &p->in;
		x->out = &p->out;
		x->channels = p->channels;
		x->plain = true;
		return p->window.out[DEPTH] == 1 && p->window.kernel[DEPTH] == 1;
	}
	const conv_params *p = c->params;
	if (c->kernel != k[KERNEL_conv_f32] && c->kernel != k[KERNEL_depthwise_f32] && x->grain == 1)
		return false;
	x->window = offsetof(conv_params, window);
	x->batch = p->batch;
	x->in = &p->in;
	x->out = &p->out;
	x->channels = p->weights.groups * p->weights.out_channels;
	x->plain = !p->in_block && !p->out_block && !p->out_run && (p->out_channel | 1) == 1;
	/* Far dilated ones leave out taps only where they run whole, and their tiles are those of many images. */
	return p->window.out[DEPTH] == 1 && p->window.kernel[DEPTH] == 1 && p->window.dilation[ROW] == 1 && p->window.dilation[PIXEL] == 1;
}

static const conv_window *window_of(const spec_call *c, size_t at)
{
	return (const conv_window *)((const char *)c->params + at);
}

/* The call of a step that could be a member; false if there is not exactly one. */
static bool member_of(const specialisation *s, uint32_t step, strip_member *m)
{
	const spec_step *made = &s->steps[step];
	image_call x;
	if (made->mode != MODE_CALLS || made->call_count != 1 || !describe(&s->calls[made->first_call], &x) || x.batch != 1 || !x.plain)
		return false;
	const conv_window *w = window_of(&s->calls[made->first_call], x.window);
	*m = (strip_member){ .call = made->first_call, .window = x.window, .height = w->out[ROW], .in_height = w->in[ROW],
		             .kernel = w->kernel[ROW] ? (w->kernel[ROW] - 1) * w->dilation[ROW] + 1 : 0, .stride = w->stride[ROW],
		             .pad = w->pad[ROW], .grain = x.grain };
	m->row_bytes = w->out[PIXEL] * x.channels * sizeof(float);
	return m->height > 0 && m->kernel > 0 && x.out->axis[PIXEL] > 0;
}

/* Whether what one call writes is a whole buffer that the other alone reads, as its image. */
static bool handed_on(const specialisation *s, uint32_t step, const strip_member *from, const strip_member *to)
{
	const spec_call *a = &s->calls[from->call], *b = &s->calls[to->call];
	const spec_arg *out = &s->args[a->first_arg + CONV_OUT], *in = &s->args[b->first_arg + CONV_IN];
	image_call x, y;
	if (out->base != in->base || out->offset || in->offset || out->base < s->input_count || out->base >= BASE_ABSOLUTE ||
	    !describe(a, &x) || !describe(b, &y))
		return false;
	const spec_buffer *buffer = &s->buffers[out->base - s->input_count];
	if (buffer->shared || buffer->first != step || buffer->last != step + 1 || from->height != to->in_height ||
	    x.out->axis[PIXEL] != (ptrdiff_t)x.channels || x.out->axis[ROW] * (ptrdiff_t)sizeof(float) != (ptrdiff_t)from->row_bytes ||
	    memcmp(x.out->axis + ROW, y.in->axis + ROW, 2 * sizeof *x.out->axis))
		return false;
	for (uint32_t i = 0; i < a->arg_count; i++)
		if (i != CONV_OUT && s->args[a->first_arg + i].base == out->base)
			return false;
	for (uint32_t i = 0; i < b->arg_count; i++)
		if (i != CONV_IN && s->args[b->first_arg + i].base == out->base)
			return false;
	return true;
}

/* Whether the last member writes over what an earlier one reads. */
static bool overwrites(const specialisation *s, const strip_group *g)
{
	const spec_call *last = &s->calls[g->member[g->count - 1].call];
	const uint32_t base = s->args[last->first_arg + CONV_OUT].base;
	for (uint32_t i = 0; i + 1 < g->count; i++) {
		const spec_call *c = &s->calls[g->member[i].call];
		for (uint32_t k = 0; k < c->arg_count; k++)
			if (s->args[c->first_arg + k].base == base)
				return true;
	}
	return false;
}

/* ---- Rows of a strip ---- */

/* What a worker does for a strip, as the first of its strips or after another. */
typedef void visit_strip(void *context, const strip_group *g, const strip_range *range);

static void visit_strips(const strip_group *g, visit_strip *visit, void *context)
{
	strip_range range[STRIP_MAX_MEMBERS];
	for (size_t i = 0; i < g->strips; i++) {
		size_t done[STRIP_MAX_MEMBERS] = { 0 };
		strip_ranges(g, i, done, range);
		visit(context, g, range);
		if (i + 1 < g->strips) {
			strip_ranges(g, i + 1, done, range);
			visit(context, g, range);
		}
	}
}

static void widen_rings(void *context, const strip_group *g, const strip_range *range)
{
	strip_group *to = context;
	for (uint32_t i = 0; i + 1 < g->count; i++) {
		const size_t low = range[i].held < range[i].begin ? range[i].held : range[i].begin;
		if (range[i].end - low > to->member[i].ring)
			to->member[i].ring = range[i].end - low;
	}
}

typedef struct scratch_need {
	const specialisation *s;
	size_t bytes;
} scratch_need;

static void add_scratch(void *context, const strip_group *g, const strip_range *range)
{
	scratch_need *need = context;
	strip_params params;
	for (uint32_t i = 0; i < g->count; i++) {
		const spec_call *c = &need->s->calls[g->member[i].call];
		memcpy(&params, c->params, c->kernel->params_bytes);
		strip_set_rows(&g->member[i], i ? &g->member[i - 1] : NULL, i + 1 == g->count, &range[i], &params);
		const size_t bytes = c->kernel->scratch_bytes ? c->kernel->scratch_bytes(&params) : 0;
		need->bytes = bytes > need->bytes ? bytes : need->bytes;
	}
}

/* Bytes between members, and of the rows that come in and go out, for strips of g->rows. */
static size_t measure(strip_group *g, size_t in_row_bytes)
{
	const strip_member *last = &g->member[g->count - 1];
	size_t bytes = g->rows * last->row_bytes + in_row_bytes * g->member[0].stride * g->rows;
	g->strips = (last->height + g->rows - 1) / g->rows;
	for (uint32_t i = 0; i + 1 < g->count; i++)
		g->member[i].ring = 0;
	visit_strips(g, widen_rings, g);
	for (uint32_t i = 0; i + 1 < g->count; i++) {
		const strip_member *next = &g->member[i + 1];
		g->member[i].moves = next->kernel == 1 && next->stride == 1 && next->pad == 0 && g->member[i].grain == 1 && next->grain == 1;
		bytes += g->member[i].ring * g->member[i].row_bytes;
	}
	return bytes;
}

/* Strips as high as fits a quarter of the second-level cache: the rest is for weights and for what is on its way to and from memory.
 * Where not even the lowest do, half of it. An even number of them, for two threads to share. False if they do not fit. */
static bool choose_rows(const specialisation *s, strip_group *g, size_t in_row_bytes)
{
	const strip_member *last = &g->member[g->count - 1];
	const size_t cache = s->plan->strip_cache, most = last->height / STRIP_LEAST;
	size_t best = 0, even = 0;
	for (g->rows = last->grain; g->rows <= most; g->rows += last->grain) {
		if (measure(g, in_row_bytes) > (best ? cache / 4 : cache / 2))
			break;
		best = g->rows;
		even = g->strips % 2 == 0 ? best : even;
	}
	g->rows = 2 * even > best ? even : best;
	if (best)
		measure(g, in_row_bytes);
	return best > 0;
}

/* All that the members read and write is needed from the first of them to the last. */
static void hold_operands(specialisation *s, const strip_group *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const spec_call *c = &s->calls[g->member[i].call];
		for (uint32_t k = 0; k < c->arg_count; k++) {
			spec_touch(s, s->args[c->first_arg + k].base, g->first_step);
			spec_touch(s, s->args[c->first_arg + k].base, g->last_step);
		}
	}
}

static clast_status make_group(specialisation *s, strip_group *g, clast_diag *d)
{
	scratch_need need = { .s = s };
	strip_group *kept = bump_alloc(&s->region, sizeof *kept);
	if (!kept)
		return fail_memory(d, sizeof *kept);
	visit_strips(g, add_scratch, &need);
	hold_operands(s, g);
	for (uint32_t i = 0; i < g->count; i++) {
		spec_step *made = &s->steps[g->first_step + i];
		made->mode = i + 1 == g->count ? MODE_STRIPS : MODE_NOTHING;
		if (i + 1 == g->count) {
			made->strips = kept;
			break;
		}
		const spec_call *c = &s->calls[g->member[i].call];
		s->buffers[s->args[c->first_arg + CONV_OUT].base - s->input_count].bytes = 0;
		g->member[i].offset = (need.bytes + 63) / 64 * 64;
		need.bytes = g->member[i].offset + g->member[i].ring * g->member[i].row_bytes;
	}
	s->scratch_bytes = need.bytes > s->scratch_bytes ? need.bytes : s->scratch_bytes;
	*kept = *g;
	return CLAST_OK;
}

/* The group of the steps first..last; false if they cannot be one. */
static bool group_of(const specialisation *s, uint32_t first, uint32_t last, strip_group *g)
{
	image_call x;
	*g = (strip_group){ .first_step = first, .last_step = last };
	for (uint32_t i = first; i <= last; i++, g->count++)
		if (!member_of(s, i, &g->member[g->count]) ||
		    (g->count && !handed_on(s, i - 1, &g->member[g->count - 1], &g->member[g->count])))
			return false;
	describe(&s->calls[g->member[0].call], &x);
	return !overwrites(s, g) && choose_rows(s, g, (size_t)(x.in->axis[ROW] < 0 ? 0 : x.in->axis[ROW]) * sizeof(float));
}

/* The best groups of steps that may all follow one another: those that leave the fewest bytes between them.
 * length[i]: members of the group that ends with step i, in the best grouping of the steps up to there; kept[i]: bytes that it saves. */
typedef struct best_group {
	uint32_t length;
	size_t kept;
} best_group;

static void group_chain(const specialisation *s, uint32_t first, uint32_t last, best_group *best)
{
	for (uint32_t i = first; i <= last; i++) {
		const best_group none = { 1, 0 };
		best[i] = (best_group){ 1, i > first ? best[i - 1].kept : 0 };
		for (uint32_t n = 2; n <= STRIP_MAX_MEMBERS && i + 1 >= first + n; n++) {
			strip_group g;
			if (!group_of(s, i + 1 - n, i, &g))
				continue;
			size_t kept = (i + 1 > first + n ? best[i - n] : none).kept;
			for (uint32_t k = 0; k + 1 < n; k++)
				kept += g.member[k].height * g.member[k].row_bytes;
			if (kept > best[i].kept)
				best[i] = (best_group){ n, kept };
		}
	}
}

clast_status strips_form(specialisation *s, clast_diag *d)
{
	const uint32_t count = s->block->step_count;
	clast_status status = CLAST_OK;
	best_group *best = mem_array(s->memory, (size_t)count + 1, sizeof *best);
	if (!best)
		return fail_memory(d, 0);
	for (uint32_t first = 0, last; first < count; first = last + 1) {
		for (last = first; last + 1 < count && s->follows[last + 1];)
			last++;
		group_chain(s, first, last, best);
		for (uint32_t i = last + 1; !status && i > first; i -= best[i - 1].length) {
			strip_group g;
			if (best[i - 1].length > 1 && group_of(s, i - best[i - 1].length, i - 1, &g))
				status = make_group(s, &g, d);
		}
	}
	mem_free(s->memory, best, ((size_t)count + 1) * sizeof *best);
	return status;
}
