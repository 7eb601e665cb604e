/* Strips: steps that follow one another on an image, run some rows at a time.
 *
 * Where the values between layers leave the second-level cache, writing and reading them takes as long as a good part of the layers. A
 * strip group runs its members for the rows of one strip after the other: what lies between two of them are a few rows in the scratch
 * memory of each worker, a ring where the later one reads rows around its own. Rows of a ring are computed once, but at the beginning
 * of a worker's strips. Every row is computed by the calls that would compute the whole image, so that the results have the same bits. */
#ifndef CLAST_PLAN_STRIPS_H
#define CLAST_PLAN_STRIPS_H

#include "spec.h"

#define STRIP_MAX_MEMBERS 4
/* At least so many strips, for threads to share. */
#define STRIP_LEAST 8

/* The operands that members hand on are the same of every kernel. */
_Static_assert((int)CONV_OUT == (int)POOL_OUT && (int)CONV_IN == (int)POOL_IN, "operands of images");

typedef union strip_params {
	conv_params conv;
	pool_params pool;
} strip_params;

typedef struct strip_member {
	uint32_t call;          /* specialisation.calls */
	size_t window;          /* where its params have their conv_window */
	size_t height;          /* rows of its output */
	size_t in_height, kernel, stride;
	ptrdiff_t pad;
	size_t grain;           /* rows are computed in multiples: the side of a tile */
	/* What its output becomes, but for the last member. */
	size_t row_bytes;
	size_t ring;            /* rows held */
	bool moves;             /* no ring: the rows of a strip lie there one after the other, and the next member reads no others */
	size_t offset;          /* in scratch */
} strip_member;

typedef struct strip_group {
	uint32_t first_step, last_step;
	uint32_t count;
	size_t rows, strips;    /* of the last member's output */
	strip_member member[STRIP_MAX_MEMBERS];
} strip_group;

typedef struct strip_range {
	size_t begin, end;      /* rows to compute */
	size_t held;            /* rows from here on are read later */
} strip_range;

/* The rows that each member computes for a strip. done[i]: rows that member i has computed for the strips before it, 0 if there are none. */
static inline void strip_ranges(const strip_group *g, size_t strip, size_t *done, strip_range *range)
{
	size_t low = strip * g->rows, high = low + g->rows;
	for (size_t i = g->count; i-- > 0;) {
		const strip_member *m = &g->member[i];
		const size_t begin = low / m->grain * m->grain, end = (high + m->grain - 1) / m->grain * m->grain;
		strip_range *r = &range[i];
		r->held = low;
		r->begin = begin > done[i] ? begin : done[i];
		r->end = end < m->height ? end : m->height;
		r->end = r->end > r->begin ? r->end : r->begin;
		done[i] = r->end;
		/* What these rows read, in whole tiles; nothing if there are none. */
		const size_t last = (r->end + m->grain - 1) / m->grain * m->grain - 1;
		const ptrdiff_t first = (ptrdiff_t)(r->begin * m->stride) - m->pad;
		const ptrdiff_t beyond = r->end > r->begin ? (ptrdiff_t)(last * m->stride + m->kernel) - m->pad : first;
		low = first > 0 ? (size_t)first : 0;
		high = beyond > 0 ? (size_t)beyond : 0;
		low = low < m->in_height ? low : m->in_height;
		high = high < m->in_height ? high : m->in_height;
	}
}

/* Makes params those of the rows of a range. before: the member in front, or NULL. */
static inline void strip_set_rows(const strip_member *m, const strip_member *before, bool last, const strip_range *r, void *params)
{
	conv_window *w = (conv_window *)((char *)params + m->window);
	w->row_begin = r->begin;
	w->row_end = r->end;
	w->in_ring = before && !before->moves ? before->ring : 0;
	w->out_ring = last || m->moves ? 0 : m->ring;
}

/* Before steps are recorded: which of them may run with the one before, so that no output takes the place of what their group reads. */
clast_status strips_mark(specialisation *s, clast_diag *d);
/* Whether step `index` and some before it may become a group in which an earlier one reads what lies at this base. */
bool strips_read(const specialisation *s, uint32_t index, uint32_t base);
/* After all steps have been recorded: makes the groups. Their intermediate values leave the arena. */
clast_status strips_form(specialisation *s, clast_diag *d);

#endif
