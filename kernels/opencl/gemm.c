/* Matrix products. */
#include "work.h"

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

static void arguments(opencl_work *w, const gemm_params *p, gemm_args *a)
{
	size_t extent[6];
	ptrdiff_t from[6], to[6], b[6];
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		extent[i] = p->batch[i];
		from[i] = p->a_batch[i];
		to[i] = p->out_batch[i];
		b[i] = p->b_batch[i];
		a->batch[i] = work_int(w, (ptrdiff_t)p->batch[i]);
		a->a_batch[i] = work_int(w, p->a_batch[i]);
		a->b_batch[i] = work_int(w, p->b_batch[i]);
		a->out_batch[i] = work_int(w, p->out_batch[i]);
	}
	from[4] = p->a_row;
	from[5] = p->a_col;
	to[4] = p->out_row;
	to[5] = 1;
	extent[4] = p->m;
	extent[5] = p->k;
	work_span(w, 6, extent, from);
	extent[5] = p->n;
	work_span(w, 6, extent, to);
	if (!p->packed) {
		b[4] = p->b_row;
		b[5] = p->b_col;
		extent[4] = p->k;
		work_span(w, 6, extent, b);
	}
	a->m = work_int(w, (ptrdiff_t)p->m);
	a->n = work_int(w, (ptrdiff_t)p->n);
	a->k = work_int(w, (ptrdiff_t)p->k);
	a->a_row = work_int(w, p->a_row);
	a->a_col = work_int(w, p->a_col);
	a->b_row = work_int(w, p->b_row);
	a->b_col = work_int(w, p->b_col);
	a->out_row = work_int(w, p->out_row);
	const size_t blocks = round_up(p->n, OPENCL_BLOCK) / OPENCL_BLOCK;
	a->weight_blocks = work_int(w, (ptrdiff_t)blocks);
	a->bias_slice = work_int(w, (ptrdiff_t)(blocks * OPENCL_BLOCK));
	a->weights = work_int(w, (ptrdiff_t)(blocks * OPENCL_BLOCK * p->slices + round_up(p->k, OPENCL_BLOCK)));
	if (p->packed)
		(void)work_int(w, (ptrdiff_t)(blocks * OPENCL_BLOCK * p->k * p->slices)); /* they are counted in 32 bits */
}

/* Rows in another order: each digit of a row is an axis of the epilogue. Returns the number of axes. */
static size_t row_axes(opencl_work *w, const gemm_params *p, gemm_args *a, work_strides *s)
{
	const epilogue *e = &p->epilogue;
	const size_t rows = p->row_digits ? p->row_digits : 1, last = GEMM_BATCH_AXES + rows;
	for (size_t i = 0; i < GEMM_BATCH_AXES; i++) {
		s->residual[i] = e->residual[i];
		for (uint32_t k = 0; k < e->operands; k++)
			s->operand[k][i] = e->operand[k].stride[i];
	}
	for (size_t i = 0; i < rows; i++) {
		const bool digits = p->row_digits;
		s->residual[GEMM_BATCH_AXES + i] = digits ? p->residual_digit[i] : e->residual[GEMM_BATCH_AXES];
		for (uint32_t k = 0; k < e->operands; k++)
			s->operand[k][GEMM_BATCH_AXES + i] = digits ? p->operand_digit[k][i] : e->operand[k].stride[GEMM_BATCH_AXES];
		a->digit[i] = digits ? work_int(w, (ptrdiff_t)p->digit[i]) : 0;
		a->out_digit[i] = digits ? work_int(w, p->out_digit[i]) : 0;
	}
	s->residual[last] = e->residual[GEMM_BATCH_AXES + 1];
	for (uint32_t k = 0; k < e->operands; k++)
		s->operand[k][last] = e->operand[k].stride[GEMM_BATCH_AXES + 1];
	if (p->row_digits)
		work_span(w, rows, p->digit, p->out_digit);
	work_define(w, "ROW_DIGITS", p->row_digits);
	work_text(w, "#define ROW_AXES ");
	for (size_t i = 0; i < rows; i++)
		work_text(w, p->row_digits ? "%sdigit[%zu]" : "%sm", i ? ", " : "", i);
	work_text(w, "\n");
	return last + 1;
}

static uint32_t tile_rows(const opencl_target *t, size_t m)
{
	const uint32_t most = t->host_cpu ? 6 : 4;
	return m >= most ? most : m >= 4 ? 4 : m >= 2 ? 2 : 1;
}

bool opencl_make_gemm_f32(const opencl_target *t, const void *params, uint32_t present, opencl_work *w)
{
	const gemm_params *p = params;
	gemm_args a = { 0 };
	work_product d = { p->m, p->n, p->k, 1 };
	work_variant v;
	(void)present;
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		d.batch *= p->batch[i];
	if (t->variant && !work_variant_get(t, KERNEL_gemm_f32, &v))
		return false;
	if (!t->variant && !work_variant_guess(t, &d, &v))
		v = (work_variant){ tile_rows(t, p->m), p->n > t->vector ? 2 : 1, t->host_cpu ? 4 : 8, 8, 0 };
	work_begin(w, v.depth ? "gemm_tiled" : "gemm", v.depth ? opencl_source_tile : opencl_source_gemm, t->vector,
		   1u << GEMM_OUT | 1u << GEMM_A | 1u << GEMM_B);
	if (v.depth) {
		work_define(w, "CONV", 0);
		work_define(w, "A_BY_ROWS", p->a_col != 1 && p->a_row == 1);
		work_channels(w, 1, 1);
		work_tile(w, &v);
	} else {
		work_define(w, "NB", v.vectors);
		work_define(w, "PX", v.rows);
		work_define(w, "B_UNIT", p->b_col == 1);
	}
	work_define(w, "B_PACKED", p->packed);
	work_define(w, "W_HALF", t->half);
	arguments(w, p, &a);
	work_strides strides = { 0 };
	const size_t axes = row_axes(w, p, &a, &strides);
	work_epilogue(w, &p->epilogue, &strides, axes, GEMM_RESIDUAL, GEMM_OPERANDS, &a.e);
	work_arguments(w, &a, sizeof a);
	const size_t wide = (size_t)t->vector * v.vectors * (v.depth ? v.group_x : 1), tall = v.rows * (v.depth ? v.group_y : 1);
	if (v.depth)
		work_launch_groups(w, (d.n + wide - 1) / wide, (d.m + tall - 1) / tall, d.batch, &v);
	else
		work_launch(w, t, (d.n + wide - 1) / wide, (d.m + tall - 1) / tall, d.batch, v.group_x, v.group_y);
	return !w->overflow;
}
