/* Strided copies. Axes are sorted by the output's strides and merged, so that writing is as sequential as it
 * can be. Then either the innermost axis is contiguous on both sides (runs), or another axis is contiguous in
 * the input (a transposition of those two), or elements are copied one by one. */
#include "copy.h"

#include "copy/transpose.h"
#include "rows/walk.h"

typedef struct quad {
	uint64_t half[2];
} __attribute__((may_alias, aligned(4))) quad;
typedef uint16_t u16 __attribute__((may_alias));
typedef uint32_t u32 __attribute__((may_alias));
typedef uint64_t u64 __attribute__((may_alias, aligned(4)));

#define ELEMENT uint8_t
#define NAMED(x) x##_1
#include "copy/elements.h"
#define ELEMENT u16
#define NAMED(x) x##_2
#include "copy/elements.h"
#define ELEMENT u32
#define NAMED(x) x##_4
#include "copy/elements.h"
#define ELEMENT u64
#define NAMED(x) x##_8
#include "copy/elements.h"
#define ELEMENT quad
#define NAMED(x) x##_16
#include "copy/elements.h"

#define TASK_BYTES 65536

typedef enum way { RUNS, TRANSPOSE, ELEMENTS } way;

typedef struct plan {
	size_t bytes; /* of an element */
	way way;
	walk outer;   /* all axes but the innermost and, where it is transposed, `cross` */
	size_t inner; /* extent of the innermost */
	ptrdiff_t in_inner, out_inner;
	size_t cross;
	ptrdiff_t in_cross, out_cross;
	bool cut_cross;      /* when transposing, the longer of the two is cut */
	size_t step, pieces; /* the cut axis in pieces of `step` */
	size_t outer_step;   /* positions of a task, where there is one piece */
} plan;

/* Outermost first: the largest stride of the output. */
static size_t sort_axes(const copy_params *p, size_t *extent, ptrdiff_t *in, ptrdiff_t *out)
{
	size_t rank = 0;
	for (size_t i = 0; i < p->rank; i++) {
		if (p->extent[i] == 1)
			continue;
		const size_t size = (size_t)(p->out[i] < 0 ? -p->out[i] : p->out[i]);
		size_t at = rank++;
		for (; at > 0 && (size_t)(out[at - 1] < 0 ? -out[at - 1] : out[at - 1]) < size; at--) {
			extent[at] = extent[at - 1];
			in[at] = in[at - 1];
			out[at] = out[at - 1];
		}
		extent[at] = p->extent[i];
		in[at] = p->in[i];
		out[at] = p->out[i];
	}
	return rank;
}

static void take_out(walk *w, size_t axis)
{
	w->rank--;
	for (size_t i = axis; i < w->rank; i++) {
		w->extent[i] = w->extent[i + 1];
		for (int o = 0; o < WALK_OPERANDS; o++)
			w->stride[o][i] = w->stride[o][i + 1];
	}
}

static plan plan_of(const copy_params *p)
{
	plan g = { .bytes = p->element_bytes, .way = ELEMENTS, .cross = 1 };
	size_t extent[KERNEL_MAX_AXES];
	ptrdiff_t in[KERNEL_MAX_AXES], out[KERNEL_MAX_AXES];
	const size_t rank = sort_axes(p, extent, in, out);
	g.outer = walk_over(rank, extent, in, out);
	g.inner = inner_extent(&g.outer);
	g.in_inner = inner_stride(&g.outer, 0);
	g.out_inner = inner_stride(&g.outer, 1);
	if (g.outer.rank > 0)
		take_out(&g.outer, g.outer.rank - 1);
	if ((g.in_inner == 1 && g.out_inner == 1) || g.inner == 1) {
		g.way = RUNS;
	} else if (g.out_inner == 1) {
		for (size_t i = g.outer.rank; i-- > 0 && g.way == ELEMENTS;) {
			if (g.outer.stride[0][i] != 1)
				continue;
			g.way = TRANSPOSE;
			g.cross = g.outer.extent[i];
			g.in_cross = 1;
			g.out_cross = g.outer.stride[1][i];
			take_out(&g.outer, i);
		}
	}
	g.outer.count = 1;
	for (size_t i = 0; i < g.outer.rank; i++)
		g.outer.count *= g.outer.extent[i];
	g.cut_cross = g.way == TRANSPOSE && g.cross >= g.inner;
	const size_t cut = g.cut_cross ? g.cross : g.inner, other = g.cut_cross ? g.inner : g.cross;
	g.step = size_max(1, TASK_BYTES / size_max(1, g.bytes * other));
	/* Pieces of a transposition begin at whole cache lines. */
	if (g.way == TRANSPOSE)
		g.step = div_up(g.step, 64) * 64;
	g.step = size_max(1, size_min(g.step, cut));
	g.pieces = div_up(cut, g.step);
	g.outer_step = g.pieces == 1 ? size_max(1, TASK_BYTES / size_max(1, g.bytes * cut * other)) : 1;
	return g;
}

static size_t copy_tasks(const void *params)
{
	const plan g = plan_of(params);
	return div_up(g.outer.count, g.outer_step) * g.pieces;
}

static void copy_elements(size_t bytes, const void *from, ptrdiff_t in, void *to, ptrdiff_t out, size_t count)
{
	switch (bytes) {
	case 1:
		run_1(from, in, to, out, count);
		break;
	case 2:
		run_2(from, in, to, out, count);
		break;
	case 4:
		run_4(from, in, to, out, count);
		break;
	case 8:
		run_8(from, in, to, out, count);
		break;
	case 16:
		run_16(from, in, to, out, count);
		break;
	}
}

static void copy_transposed(const plan *g, const void *from, void *to, size_t width, size_t height)
{
	switch (g->bytes) {
	case 1:
		transpose_1(from, g->in_inner, to, g->out_cross, width, height);
		break;
	case 2:
		transpose_2(from, g->in_inner, to, g->out_cross, width, height);
		break;
	case 4:
		transpose_floats(from, g->in_inner, to, g->out_cross, width, height);
		break;
	case 8:
		transpose_8(from, g->in_inner, to, g->out_cross, width, height);
		break;
	case 16:
		transpose_16(from, g->in_inner, to, g->out_cross, width, height);
		break;
	}
}

static void copy_part(const plan *g, const char *from, char *to, size_t first, size_t count)
{
	const ptrdiff_t bytes = (ptrdiff_t)g->bytes, at = (ptrdiff_t)first;
	switch (g->way) {
	case RUNS:
		from += at * bytes;
		to += at * bytes;
		if (g->bytes == 4 && count <= 64)
			copy_floats((float *)to, (const float *)from, count);
		else
			memcpy(to, from, count * g->bytes);
		break;
	case TRANSPOSE:
		from += at * (g->cut_cross ? g->in_cross : g->in_inner) * bytes;
		to += at * (g->cut_cross ? g->out_cross : g->out_inner) * bytes;
		copy_transposed(g, from, to, g->cut_cross ? count : g->cross,
				g->cut_cross ? g->inner : count);
		break;
	case ELEMENTS:
		copy_elements(g->bytes, from + at * g->in_inner * bytes, g->in_inner,
			      to + at * g->out_inner * bytes, g->out_inner, count);
		break;
	}
}

static void copy_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	(void)scratch;
	plan g = plan_of(params);
	const size_t cut = g.cut_cross ? g.cross : g.inner;
	const ptrdiff_t bytes = (ptrdiff_t)g.bytes;
	for (size_t task = begin; task < end; task++) {
		const size_t piece = task % g.pieces * g.step;
		const size_t first = task / g.pieces * g.outer_step;
		const size_t last = size_min(g.outer.count, first + g.outer_step);
		walk_seek(&g.outer, first);
		for (size_t i = first; i < last; i++, walk_next(&g.outer))
			copy_part(&g, (const char *)args[COPY_IN] + g.outer.offset[0] * bytes,
				  (char *)args[COPY_OUT] + g.outer.offset[1] * bytes, piece,
				  size_min(g.step, cut - piece));
	}
}

static size_t no_scratch(const void *params)
{
	(void)params;
	return 0;
}

extern const compute_kernel ISA(copy);
const compute_kernel ISA(copy) = { "copy", sizeof(copy_params), copy_tasks, no_scratch, copy_run };

/* ---- Fill ---- */

/* A fill is a copy from one element: stride 0 along all axes. */
static copy_params fill_as_copy(const fill_params *p)
{
	copy_params c = { .element_bytes = p->element_bytes, .rank = p->rank };
	memcpy(c.extent, p->extent, sizeof c.extent);
	memcpy(c.out, p->out, sizeof c.out);
	return c;
}

static size_t fill_tasks(const void *params)
{
	const copy_params c = fill_as_copy(params);
	return copy_tasks(&c);
}

static void fill_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	const fill_params *p = params;
	const copy_params c = fill_as_copy(p);
	uint64_t value[2];
	memcpy(value, p->value, sizeof value);
	void *const copy_args[] = { [COPY_OUT] = args[FILL_OUT], [COPY_IN] = value };
	copy_run(&c, copy_args, begin, end, scratch);
}

extern const compute_kernel ISA(fill);
const compute_kernel ISA(fill) = { "fill", sizeof(fill_params), fill_tasks, no_scratch, fill_run };
