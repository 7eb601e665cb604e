#include "layers.h"

#include <stdlib.h>
#include <string.h>

#define SWEEPS 12
#define PULLS 40

/* Neighbours of each place in the layer above or below, and the places of each layer from left to right. */
typedef struct arrangement {
	layers *g;
	double *room; /* by place */
	uint32_t *up, *down, *up_first, *down_first; /* lists of neighbours and where each place's begins */
	uint32_t *row, *row_first; /* places by layer */
	double *key;
	size_t links;
} arrangement;

static void find_layers(layers *g, uint32_t *layer)
{
	memset(layer, 0, g->nodes * sizeof(*layer));
	/* Edges are sorted by where they end, and nodes are in topological order. */
	for (size_t i = 0; i < g->edge_count; i++) {
		const layer_edge *e = &g->edges[i];
		if (layer[e->to] < layer[e->from] + 1)
			layer[e->to] = layer[e->from] + 1;
	}
	g->layer_count = 1;
	for (size_t i = 0; i < g->nodes; i++)
		g->layer_count = layer[i] >= g->layer_count ? layer[i] + 1 : g->layer_count;
}

static size_t count_points(const layers *g, const uint32_t *layer)
{
	size_t n = 0;
	for (size_t i = 0; i < g->edge_count; i++)
		n += layer[g->edges[i].to] - layer[g->edges[i].from] - 1;
	return n <= LAYERS_MOST_POINTS ? n : 0;
}

static void make_points(layers *g, bool any)
{
	uint32_t next = (uint32_t)g->nodes;
	for (size_t i = 0; i < g->edge_count; i++) {
		layer_edge *e = &g->edges[i];
		const uint32_t top = g->layer[e->from];
		e->first_point = next;
		e->point_count = any ? g->layer[e->to] - top - 1 : 0;
		for (uint32_t k = 0; k < e->point_count; k++)
			g->layer[next++] = top + 1 + k;
	}
}

typedef void visit_link(arrangement *d, uint32_t above, uint32_t below);

static void each_link(arrangement *d, visit_link *visit)
{
	for (size_t i = 0; i < d->g->edge_count; i++) {
		const layer_edge *e = &d->g->edges[i];
		uint32_t above = e->from;
		for (uint32_t k = 0; k < e->point_count; k++) {
			visit(d, above, e->first_point + k);
			above = e->first_point + k;
		}
		visit(d, above, e->to);
	}
}

static void count_link(arrangement *d, uint32_t above, uint32_t below)
{
	d->links++;
	d->down_first[above + 1]++;
	d->up_first[below + 1]++;
}

/* Fills lists from their begins on; shift_back restores the begins. */
static void add_link(arrangement *d, uint32_t above, uint32_t below)
{
	d->down[d->down_first[above]++] = below;
	d->up[d->up_first[below]++] = above;
}

static void shift_back(uint32_t *first, size_t n)
{
	memmove(first + 1, first, n * sizeof(*first));
	first[0] = 0;
}

static bool link_places(arrangement *d)
{
	const size_t n = d->g->places;
	d->up_first = calloc(n + 2, sizeof(*d->up_first));
	d->down_first = calloc(n + 2, sizeof(*d->down_first));
	if (!d->up_first || !d->down_first)
		return false;
	each_link(d, count_link);
	for (size_t i = 0; i < n; i++) {
		d->up_first[i + 1] += d->up_first[i];
		d->down_first[i + 1] += d->down_first[i];
	}
	d->up = calloc(d->links + 1, sizeof(*d->up));
	d->down = calloc(d->links + 1, sizeof(*d->down));
	if (!d->up || !d->down)
		return false;
	each_link(d, add_link);
	shift_back(d->up_first, n);
	shift_back(d->down_first, n);
	return true;
}

static bool fill_rows(arrangement *d)
{
	const layers *g = d->g;
	d->row = calloc(g->places + 1, sizeof(*d->row));
	d->row_first = calloc(g->layer_count + 2, sizeof(*d->row_first));
	if (!d->row || !d->row_first)
		return false;
	for (size_t i = 0; i < g->places; i++)
		d->row_first[g->layer[i] + 1]++;
	for (size_t l = 0; l < g->layer_count; l++)
		d->row_first[l + 1] += d->row_first[l];
	for (size_t i = 0; i < g->places; i++)
		d->row[d->row_first[g->layer[i]]++] = (uint32_t)i;
	shift_back(d->row_first, g->layer_count);
	return true;
}

/* Side by side from the left, in the order of the row. */
static void pack_row(arrangement *d, uint32_t l)
{
	double x = 0;
	for (uint32_t i = d->row_first[l]; i < d->row_first[l + 1]; i++) {
		d->g->x[d->row[i]] = x + d->room[d->row[i]] / 2;
		x += d->room[d->row[i]];
	}
	for (uint32_t i = d->row_first[l]; i < d->row_first[l + 1]; i++)
		d->g->x[d->row[i]] -= x / 2;
}

/* The mean place of its neighbours on one side; its own where it has none. */
static double mean(const arrangement *d, uint32_t place, bool upwards)
{
	const uint32_t *list = upwards ? d->up : d->down, *first = upwards ? d->up_first : d->down_first;
	double sum = 0;
	if (first[place] == first[place + 1])
		return d->g->x[place];
	for (uint32_t i = first[place]; i < first[place + 1]; i++)
		sum += d->g->x[list[i]];
	return sum / (first[place + 1] - first[place]);
}

/* Insertion sort: rows are nearly sorted after the first sweep. */
static void sort_row(arrangement *d, uint32_t l, bool upwards)
{
	for (uint32_t i = d->row_first[l]; i < d->row_first[l + 1]; i++)
		d->key[d->row[i]] = mean(d, d->row[i], upwards);
	for (uint32_t i = d->row_first[l] + 1; i < d->row_first[l + 1]; i++) {
		const uint32_t place = d->row[i];
		uint32_t at = i;
		for (; at > d->row_first[l] && d->key[d->row[at - 1]] > d->key[place]; at--)
			d->row[at] = d->row[at - 1];
		d->row[at] = place;
	}
	pack_row(d, l);
}

static double gap(const arrangement *d, uint32_t left, uint32_t right)
{
	return (d->room[left] + d->room[right]) / 2;
}

/* Moves the places of a row towards their neighbours as far as those beside them let them: the mean of pushing from the left and
 * from the right. */
static void pull_row(arrangement *d, uint32_t l, bool upwards)
{
	double *x = d->g->x;
	const uint32_t begin = d->row_first[l], end = d->row_first[l + 1];
	double left = 0, right = 0;
	for (uint32_t i = begin; i < end; i++)
		d->key[d->row[i]] = mean(d, d->row[i], upwards);
	for (uint32_t i = begin; i < end; i++) {
		const uint32_t p = d->row[i];
		left = i > begin && left + gap(d, d->row[i - 1], p) > d->key[p] ? left + gap(d, d->row[i - 1], p) : d->key[p];
		x[p] = left;
	}
	for (uint32_t i = end; i-- > begin;) {
		const uint32_t p = d->row[i];
		right = i + 1 < end && right - gap(d, p, d->row[i + 1]) < d->key[p] ? right - gap(d, p, d->row[i + 1]) : d->key[p];
		x[p] = (x[p] + right) / 2;
	}
}

static void arrange(arrangement *d)
{
	const uint32_t n = d->g->layer_count;
	for (uint32_t l = 0; l < n; l++)
		pack_row(d, l);
	for (int sweep = 0; sweep < SWEEPS; sweep++)
		for (uint32_t i = 0; i < n; i++)
			sort_row(d, sweep % 2 ? n - 1 - i : i, sweep % 2 == 0);
	for (int k = 0; k < PULLS; k++)
		for (uint32_t i = 0; i < n; i++)
			pull_row(d, k % 2 ? n - 1 - i : i, k % 2 == 0);
}

static void shift_to_zero(layers *g, const double *room)
{
	double left = 0, right = 0;
	for (size_t i = 0; i < g->places; i++) {
		left = !i || g->x[i] - room[i] / 2 < left ? g->x[i] - room[i] / 2 : left;
		right = !i || g->x[i] + room[i] / 2 > right ? g->x[i] + room[i] / 2 : right;
	}
	for (size_t i = 0; i < g->places; i++)
		g->x[i] -= left;
	g->total_width = right - left;
}

bool layers_place(layers *g)
{
	bool fine = false;
	arrangement d = { .g = g };
	g->layer = calloc(g->nodes + 1, sizeof(*g->layer));
	if (!g->layer)
		return false;
	find_layers(g, g->layer);
	const size_t points = count_points(g, g->layer);
	g->places = g->nodes + points;
	uint32_t *more = realloc(g->layer, (g->places + 1) * sizeof(*more));
	if (!more)
		return false;
	g->layer = more;
	make_points(g, points > 0);
	g->x = calloc(g->places + 1, sizeof(*g->x));
	d.key = calloc(g->places + 1, sizeof(*d.key));
	d.room = calloc(g->places + 1, sizeof(*d.room));
	if (!g->x || !d.key || !d.room || !link_places(&d) || !fill_rows(&d))
		goto done;
	for (size_t i = 0; i < g->places; i++)
		d.room[i] = i < g->nodes ? g->width[i] : LAYERS_POINT_WIDTH;
	arrange(&d);
	shift_to_zero(g, d.room);
	fine = true;
done:
	free(d.key);
	free(d.room);
	free(d.up);
	free(d.down);
	free(d.up_first);
	free(d.down_first);
	free(d.row);
	free(d.row_first);
	return fine;
}

void layers_free(layers *g)
{
	free(g->x);
	free(g->layer);
	g->x = NULL;
	g->layer = NULL;
}
