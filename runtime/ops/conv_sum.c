#include "conv_sum.h"

#include "offsets.h"
#include "product.h"

#define OUTSIDE INT64_MIN

/* For one image and group: rows are output channels, columns output positions, k runs over input channels and
 * taps. */
typedef struct work {
	const conv_sum *sum;
	int64_t taps, channels; /* of a group */
	int64_t x_base, w_base, y_base, first_channel;
	int64_t *x_channel, *w_out, *w_k, *y_channel, *y_position;
	int64_t *x_tap[MAX_SPATIAL]; /* [output position][tap] of an axis: offset in x, or OUTSIDE */
	int64_t k, positions;
} work;

static void row(const product *p, int64_t m, double *a)
{
	const work *w = p->context;
	load_reals(w->sum->w, w->w_base + w->w_out[w->first_channel + m], w->w_k, p->k, a, 1);
	if (!w->sum->w_zero)
		return;
	for (int64_t k = 0; k < p->k; k++)
		a[k] -= w->sum->w_zero[w->first_channel + m];
}

/* Indices along each axis of consecutive output positions. */
static void find_positions(const conv_geometry *g, int64_t n0, int count, int64_t positions[][MAX_SPATIAL])
{
	for (int lane = 0; lane < count; lane++) {
		int64_t n = n0 + lane;
		for (int i = g->spatial - 1; i >= 0; i--) {
			positions[lane][i] = n % g->out[i];
			n /= g->out[i];
		}
	}
}

/* Offset of a tap within a channel. */
static int64_t tap_offset(const work *w, const int64_t *position, const int64_t *tap, bool *inside)
{
	const conv_geometry *g = &w->sum->geometry;
	int64_t offset = 0;
	*inside = true;
	for (int i = 0; i < g->spatial; i++) {
		const int64_t at = w->x_tap[i][position[i] * g->kernel[i] + tap[i]];
		if (at == OUTSIDE)
			return *inside = false, 0;
		offset += at;
	}
	return offset;
}

static bool next_tap(const conv_geometry *g, int64_t *tap)
{
	for (int i = g->spatial - 1; i >= 0; i--) {
		if (++tap[i] < g->kernel[i])
			return true;
		tap[i] = 0;
	}
	return false;
}

static void panel(const product *p, int64_t n0, int count, double *b)
{
	const work *w = p->context;
	const conv_geometry *g = &w->sum->geometry;
	const tensor_view *x = w->sum->x;
	int64_t positions[PRODUCT_LANES][MAX_SPATIAL], tap[MAX_SPATIAL] = { 0 }, t = 0;
	find_positions(g, n0, count, positions);
	do {
		int64_t offsets[PRODUCT_LANES];
		bool inside[PRODUCT_LANES];
		for (int lane = 0; lane < count; lane++)
			offsets[lane] = tap_offset(w, positions[lane], tap, &inside[lane]);
		for (int64_t c = 0; c < w->channels; c++) {
			double *to = b + (c * w->taps + t) * PRODUCT_LANES;
			load_reals(x, w->x_base + w->x_channel[c], offsets, count, to, 1);
			for (int lane = 0; lane < count; lane++)
				to[lane] = inside[lane] ? to[lane] - w->sum->x_zero : 0;
		}
		t++;
	} while (next_tap(g, tap));
}

static void store(const product *p, int64_t m, int64_t n0, int count, const double *sums)
{
	const work *w = p->context;
	const conv_sum *s = w->sum;
	const int64_t channel = w->first_channel + m, base = w->y_base + w->y_channel[channel];
	for (int i = 0; i < count; i++) {
		const double sum = sums[i] + (s->bias ? s->bias[channel] : 0);
		store_real(s->y, base + w->y_position[n0 + i], s->finish ? s->finish(s, channel, sum) : sum);
	}
}

static int64_t *tap_table(bump *b, const tensor_view *x, const conv_geometry *g, int i)
{
	int64_t *table = bump_array(b, (size_t)g->out[i] * (size_t)g->kernel[i] + 1, sizeof *table), *to = table;
	for (int64_t o = 0; table && o < g->out[i]; o++)
		for (int64_t k = 0; k < g->kernel[i]; k++) {
			const int64_t at = o * g->stride[i] + k * g->dilation[i] - g->pad_begin[i];
			*to++ = at < 0 || at >= g->in[i] ? OUTSIDE : axis_offset(x, 2 + i, at);
		}
	return table;
}

static bool prepare(work *w, bump *b)
{
	const conv_sum *s = w->sum;
	const conv_geometry *g = &s->geometry;
	w->taps = 1;
	w->channels = g->in_channels / g->group;
	bool ok = true;
	for (int i = 0; i < g->spatial; i++) {
		w->taps *= g->kernel[i];
		ok = ok && (w->x_tap[i] = tap_table(b, s->x, g, i));
	}
	w->w_out = offset_table(b, s->w, 0, 1, NULL);
	w->w_k = offset_table(b, s->w, 1, s->w->rank, &w->k);
	w->y_channel = offset_table(b, s->y, 1, 2, NULL);
	w->y_position = offset_table(b, s->y, 2, s->y->rank, &w->positions);
	w->x_channel = offset_table(b, s->x, 1, 2, NULL);
	return ok && w->w_out && w->w_k && w->y_channel && w->y_position && w->x_channel;
}

clast_status conv_sum_run(call *c, const conv_sum *sum)
{
	const conv_geometry *g = &sum->geometry;
	bump tables;
	bump_init(&tables, c->memory);
	work w = { .sum = sum };
	clast_status s = prepare(&w, &tables) ? CLAST_OK : fail_memory(c->diag, 0);
	int64_t *channels = w.x_channel;
	for (int64_t n = 0; !s && n < g->batch; n++) {
		w.y_base = axis_offset(sum->y, 0, n);
		w.x_base = axis_offset(sum->x, 0, n);
		for (int64_t group = 0; !s && group < g->group; group++) {
			w.first_channel = group * (g->out_channels / g->group);
			w.x_channel = channels + group * w.channels;
			const product p = { .m = g->out_channels / g->group,
					    .n = w.positions,
					    .k = w.k,
					    .row = row,
					    .panel = panel,
					    .store = store,
					    .context = &w };
			s = product_run(c, &p);
		}
	}
	bump_release(&tables);
	return s;
}
