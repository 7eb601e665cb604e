/* The stand-alone elementwise kernel: walks the outer axes and gives the two innermost to the interpreter. */
#include "program/run.h"

/* Elements of a task: enough that starting one costs nothing, few enough to share among threads. */
#define TASK_ELEMENTS 16384

/* The space as rows x cols per position of the outer axes, cut into tasks of `chunk` rows (or of columns, if
 * there is one row). */
typedef struct walk {
	size_t rank;
	size_t extent[KERNEL_MAX_AXES];
	ptrdiff_t stride[ELTWISE_MAX_OPERANDS][KERNEL_MAX_AXES];
	size_t outer; /* positions of all axes but the last two */
	size_t rows, cols;
	size_t row_chunk, col_chunk;
	size_t row_tasks, col_tasks;
} walk;

static void plan(const eltwise_params *p, walk *w)
{
	ptrdiff_t *strides[ELTWISE_MAX_OPERANDS];
	for (uint32_t o = 0; o < p->operands; o++) {
		memcpy(w->stride[o], p->operand[o].stride, sizeof w->stride[o]);
		strides[o] = w->stride[o];
	}
	memcpy(w->extent, p->extent, sizeof w->extent);
	w->rank = strided_merge(p->rank, w->extent, p->operands, strides);
	w->cols = w->rank > 0 ? w->extent[w->rank - 1] : 1;
	w->rows = w->rank > 1 ? w->extent[w->rank - 2] : 1;
	w->outer = 1;
	for (size_t i = 0; i + 2 < w->rank; i++)
		w->outer *= w->extent[i];
	w->col_chunk = size_max(1, size_min(w->cols, TASK_ELEMENTS));
	w->row_chunk = size_max(1, size_min(w->rows, TASK_ELEMENTS / w->col_chunk));
	w->col_tasks = div_up(w->cols, w->col_chunk);
	w->row_tasks = div_up(w->rows, w->row_chunk);
}

static size_t eltwise_tasks(const void *params)
{
	walk w;
	plan(params, &w);
	return w.outer * w.row_tasks * w.col_tasks;
}

static size_t eltwise_scratch(const void *params)
{
	(void)params;
	return PROGRAM_SCRATCH_BYTES;
}

static void run_task(const eltwise_params *p, const walk *w, void *const *args, size_t task, void *scratch)
{
	const size_t col = task % w->col_tasks * w->col_chunk;
	const size_t row = task / w->col_tasks % w->row_tasks * w->row_chunk;
	size_t outer = task / w->col_tasks / w->row_tasks;
	size_t at[KERNEL_MAX_AXES] = { 0 };
	for (size_t i = w->rank; i-- > 2;) {
		at[i - 2] = outer % w->extent[i - 2];
		outer /= w->extent[i - 2];
	}
	program_view view[ELTWISE_MAX_OPERANDS];
	for (uint32_t o = 0; o < p->operands; o++) {
		const ptrdiff_t *stride = w->stride[o];
		program_view *v = &view[o];
		v->dtype = p->operand[o].dtype;
		v->col = w->rank > 0 ? stride[w->rank - 1] : 0;
		v->row = w->rank > 1 ? stride[w->rank - 2] : 0;
		ptrdiff_t offset = (ptrdiff_t)row * v->row + (ptrdiff_t)col * v->col;
		for (size_t i = 0; i + 2 < w->rank; i++)
			offset += (ptrdiff_t)at[i] * stride[i];
		v->base = (char *)args[o] + offset * (ptrdiff_t)kernel_dtype_bytes(v->dtype);
	}
	program_run(&p->program, size_min(w->row_chunk, w->rows - row), size_min(w->col_chunk, w->cols - col),
		    view, NULL, NULL, scratch);
}

static void eltwise_run(const void *params, void *const *args, size_t begin, size_t end, void *scratch)
{
	walk w;
	plan(params, &w);
	for (size_t task = begin; task < end; task++)
		run_task(params, &w, args, task, scratch);
}

const compute_kernel ISA(eltwise);
const compute_kernel ISA(eltwise) = { "eltwise", sizeof(eltwise_params), eltwise_tasks, eltwise_scratch,
				      eltwise_run };
