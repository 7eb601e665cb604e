/* ONNX NonMaxSuppression: for every batch and class the boxes above score_threshold, best first, except those
 * that overlap one taken before by more than iou_threshold; at most max_output_boxes_per_class of them.
 * boxes: [batches, boxes, 4] as two corners (y1, x1, y2, x2) in either order, or centre and size (x, y, w,
 * h). scores: [batches, classes, boxes]. Result: [selected, 3] of (batch, class, box), in the order of batch,
 * class, score. Equal scores go by the smaller index. Boxes without area suppress nothing and are not
 * suppressed. */
#include <math.h>
#include <stdlib.h>

#include "move.h"

typedef struct attrs {
	bool center_point_box;
} attrs;
static const attr_spec spec[] = { { "center_point_box", ATTR_BOOL, offsetof(attrs, center_point_box) },
				  { 0 } };

static clast_status check_scalar(const infer_in *in, size_t i, uint32_t dtypes, clast_diag *d)
{
	int64_t count;
	if (!has_input(in, i))
		return CLAST_OK;
	if (infer_count(in, i, &count) && count != 1)
		return fail(d, CLAST_ERROR_MODEL, "input %zu: expected one element, found %lld", i,
			    (long long)count);
	return infer_dtype(in, i, dtypes, d);
}

static clast_status check_shapes(const infer_in *in, clast_diag *d)
{
	const shape *boxes = &in->in[0].shape, *scores = &in->in[1].shape;
	clast_status s = infer_rank(in, 0, 3, 3, d);
	s = s ? s : infer_rank(in, 1, 3, 3, d);
	if (s || boxes->rank < 0)
		return s;
	if (dim_is_number(boxes->dims[2]) && boxes->dims[2] != 4)
		return fail(d, CLAST_ERROR_MODEL, "boxes: expected 4 numbers a box, found %lld",
			    (long long)boxes->dims[2]);
	dim batches = boxes->dims[0], count = boxes->dims[1];
	if (scores->rank >= 0 &&
	    (!dims_unify(&batches, scores->dims[0]) || !dims_unify(&count, scores->dims[2])))
		return fail(d, CLAST_ERROR_MODEL,
			    "scores: expected %lld batches and %lld boxes, found %lld and %lld",
			    (long long)batches, (long long)count, (long long)scores->dims[0],
			    (long long)scores->dims[2]);
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const uint32_t real = DTYPE_BIT(CLAST_FLOAT32);
	clast_status s = check_shapes(in, d);
	s = s ? s : infer_dtype(in, 1, real, d);
	s = s ? s : check_scalar(in, 2, DTYPE_BIT(CLAST_INT64), d);
	s = s ? s : check_scalar(in, 3, real, d);
	s = s ? s : check_scalar(in, 4, real, d);
	const shape y = { .rank = 2, .dims = { infer_fresh(in, "selected", 0, DIM_NO_MAX), 3 } };
	infer_set(out, 0, CLAST_INT64, &y);
	return s;
}

typedef struct box {
	double x1, y1, x2, y2, area;
} box;

/* Boxes taken, in blocks of a fixed size that the compiler turns into vector code; the rest of the last block
 * has no area. */
#define BLOCK 8
typedef struct box_block {
	double x1[BLOCK], y1[BLOCK], x2[BLOCK], y2[BLOCK], area[BLOCK];
} box_block;

typedef struct candidate {
	double score;
	int64_t index;
} candidate;

typedef struct selection {
	int64_t batch, class, box;
} selection;

typedef struct nms {
	call *c;
	int64_t batches, classes, n, limit;
	double iou, threshold;
	box *boxes;            /* of one batch */
	candidate *candidates; /* of one class */
	box_block *taken;      /* of one class */
	selection *selected;
	size_t selected_count, selected_capacity;
} nms;

static int better(const void *a, const void *b)
{
	const candidate *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static void read_boxes(nms *s, int64_t batch)
{
	const tensor_view *v = s->c->in[0];
	const bool centered = ((const attrs *)s->c->attrs)->center_point_box;
	for (int64_t i = 0; i < s->n; i++) {
		double p[4];
		for (int64_t k = 0; k < 4; k++)
			p[k] = load_real(v, axis_offset(v, 0, batch) + axis_offset(v, 1, i) +
						    axis_offset(v, 2, k));
		const box corners = { fmin(p[1], p[3]), fmin(p[0], p[2]), fmax(p[1], p[3]), fmax(p[0], p[2]),
				      0 };
		const box sized = { p[0] - p[2] / 2, p[1] - p[3] / 2, p[0] + p[2] / 2, p[1] + p[3] / 2, 0 };
		box *b = &s->boxes[i];
		*b = centered ? sized : corners;
		b->area = (b->x2 - b->x1) * (b->y2 - b->y1);
	}
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

/* Whether b overlaps a box of the block by more than limit. Without area nothing overlaps. */
static bool overlaps(const box_block *t, const box *b, double limit)
{
	int hits = 0;
	for (int i = 0; i < BLOCK; i++) {
		const double w = least(t->x2[i], b->x2) - most(t->x1[i], b->x1),
			     h = least(t->y2[i], b->y2) - most(t->y1[i], b->y1);
		const double common = w * h;
		hits += (w > 0) & (h > 0) & (t->area[i] > 0) &
			(common > limit * (t->area[i] + b->area - common));
	}
	return hits != 0;
}

static void take(nms *s, int64_t n, const box *b)
{
	box_block *t = &s->taken[n / BLOCK];
	const int64_t i = n % BLOCK;
	if (!i)
		memset(t, 0, sizeof *t);
	t->x1[i] = b->x1;
	t->y1[i] = b->y1;
	t->x2[i] = b->x2;
	t->y2[i] = b->y2;
	t->area[i] = b->area;
}

/* A score that is no number is never above a threshold and never best. */
static int64_t collect(nms *s, int64_t batch, int64_t class)
{
	const tensor_view *v = s->c->in[1];
	const int64_t base = axis_offset(v, 0, batch) + axis_offset(v, 1, class);
	int64_t n = 0;
	for (int64_t i = 0; i < s->n; i++) {
		const double score = load_real(v, base + axis_offset(v, 2, i));
		if (score > s->threshold || (score == -INFINITY && s->threshold == -INFINITY))
			s->candidates[n++] = (candidate){ score, i };
	}
	qsort(s->candidates, (size_t)n, sizeof *s->candidates, better);
	return n;
}

static clast_status select_class(nms *s, int64_t batch, int64_t class)
{
	const int64_t n = collect(s, batch, class);
	int64_t taken = 0;
	for (int64_t i = 0; i < n && taken < s->limit; i++) {
		const box *b = &s->boxes[s->candidates[i].index];
		bool keep = true;
		for (int64_t j = 0; j * BLOCK < taken && keep && b->area > 0; j++)
			keep = !overlaps(&s->taken[j], b, s->iou);
		if (!keep)
			continue;
		if (!grow(s->c->memory, &s->selected, &s->selected_capacity, s->selected_count + 1,
			  sizeof *s->selected))
			return fail_memory(s->c->diag, 0);
		s->selected[s->selected_count++] = (selection){ batch, class, s->candidates[i].index };
		take(s, taken++, b);
	}
	return call_proceed(s->c) ? CLAST_OK : CLAST_ERROR_CANCELLED;
}

static clast_status write_selected(nms *s)
{
	call *c = s->c;
	const clast_status status =
		call_output(c, 0, CLAST_INT64, 2, (const int64_t[]){ (int64_t)s->selected_count, 3 });
	if (status)
		return status;
	const tensor_view *y = c->out[0];
	for (size_t i = 0; i < s->selected_count; i++) {
		const selection *x = &s->selected[i];
		const int64_t row = axis_offset(y, 0, (int64_t)i), values[3] = { x->batch, x->class, x->box };
		for (int64_t k = 0; k < 3; k++)
			store_int(y, row + axis_offset(y, 1, k), values[k]);
	}
	return CLAST_OK;
}

static double scalar(const call *c, size_t i, double absent)
{
	return i < c->n_in && c->in[i] && view_count(c->in[i]) ? load_real(c->in[i], 0) : absent;
}

static clast_status reference(call *c)
{
	nms s = {
		.c = c, .batches = c->in[0]->dims[0], .classes = c->in[1]->dims[1], .n = c->in[0]->dims[1]
	};
	const double limit = scalar(c, 2, 0);
	s.limit = limit > 0 ? (int64_t)fmin(limit, (double)s.n) : 0;
	s.iou = scalar(c, 3, 0);
	s.threshold = scalar(c, 4, -INFINITY);
	if (!(s.iou >= 0 && s.iou <= 1))
		return fail(c->diag, CLAST_ERROR_DATA, "iou_threshold: expected a number in [0, 1], found %g",
			    s.iou);
	s.boxes = mem_array(c->memory, (size_t)s.n, sizeof *s.boxes);
	s.candidates = mem_array(c->memory, (size_t)s.n, sizeof *s.candidates);
	const size_t blocks = (size_t)(s.limit + BLOCK - 1) / BLOCK;
	s.taken = mem_array(c->memory, blocks, sizeof *s.taken);
	clast_status status = s.boxes && s.candidates && s.taken
				      ? CLAST_OK
				      : fail_memory(c->diag, (size_t)s.n * sizeof *s.boxes);
	for (int64_t b = 0; b < s.batches && s.limit && !status; b++) {
		read_boxes(&s, b);
		for (int64_t k = 0; k < s.classes && !status; k++)
			status = select_class(&s, b, k);
	}
	status = status ? status : write_selected(&s);
	mem_free(c->memory, s.boxes, s.boxes ? (size_t)s.n * sizeof *s.boxes : 0);
	mem_free(c->memory, s.candidates, s.candidates ? (size_t)s.n * sizeof *s.candidates : 0);
	mem_free(c->memory, s.taken, s.taken ? blocks * sizeof *s.taken : 0);
	mem_free(c->memory, s.selected, s.selected_capacity * sizeof *s.selected);
	return status;
}

static const op_version versions[] = { { 10, DTYPE_BIT(CLAST_FLOAT32) },
				       { 11, DTYPE_BIT(CLAST_FLOAT32) },
				       { 0 } };
const op op_non_max_suppression = { .name = "NonMaxSuppression",
				    .domain = "",
				    .versions = versions,
				    .attrs = spec,
				    .attrs_bytes = sizeof(attrs),
				    .min_in = 2,
				    .max_in = 5,
				    .min_out = 1,
				    .max_out = 1,
				    .flags = OP_DATA_SHAPED,
				    .rule = RULE_FIXED,
				    .infer = infer,
				    .reference = reference };
