/* Matrix products against a sum in double. */
#include "harness.h"

typedef struct gemm_case {
	gemm_params p;
	float *a, *b, *bias, *residual, *operand;
	size_t out_count;
	size_t terms; /* the error bound is this many roundings of the sum of magnitudes; 0: k + 8 */
} gemm_case;

static size_t matrix_span(const gemm_params *p, const ptrdiff_t *batch, size_t rows, ptrdiff_t row,
			  size_t cols, ptrdiff_t col)
{
	size_t extent[6] = { p->batch[0], p->batch[1], p->batch[2], p->batch[3], rows, cols };
	ptrdiff_t stride[6] = { batch[0], batch[1], batch[2], batch[3], row, col };
	return span(6, extent, stride);
}

/* Strides of the batch axes of a matrix of `size` elements; some broadcast. */
static void batch_strides(rng *r, const gemm_params *p, ptrdiff_t *stride, size_t size, bool broadcast)
{
	ptrdiff_t step = (ptrdiff_t)size;
	for (int i = GEMM_BATCH_AXES; i-- > 0;) {
		stride[i] = broadcast && rng_chance(r, 30) ? 0 : step;
		step *= (ptrdiff_t)p->batch[i];
	}
}

static void matrix_strides(rng *r, size_t rows, size_t cols, bool turned, ptrdiff_t *row, ptrdiff_t *col)
{
	const ptrdiff_t gap = rng_chance(r, 50) ? (ptrdiff_t)rng_range(r, 0, 7) : 0;
	*row = turned ? 1 + (rng_chance(r, 10) ? 1 : 0) : (ptrdiff_t)cols + gap;
	*col = turned ? *row * (ptrdiff_t)rows + gap : 1;
}

/* Rows of the output, and of the residual, turned: digit 0 of the row of a becomes the inner one. */
static void turn_rows(rng *r, gemm_params *p)
{
	const size_t inner = p->m % 7 == 0 ? 7 : p->m % 3 == 0 ? 3 : p->m % 2 == 0 ? 2 : 1;
	if (!rng_chance(r, 50))
		return;
	p->row_digits = 2;
	p->digit[0] = p->m / inner;
	p->digit[1] = inner;
	p->out_digit[0] = p->residual_digit[0] = p->out_row;
	p->out_digit[1] = p->residual_digit[1] = p->out_row * (ptrdiff_t)p->digit[0];
	p->operand_digit[0][0] = (ptrdiff_t)inner;
	p->operand_digit[0][1] = 1;
}

static ptrdiff_t out_row_at(const gemm_params *p, size_t i)
{
	return p->row_digits ? (ptrdiff_t)(i / p->digit[1]) * p->out_digit[0] + (ptrdiff_t)(i % p->digit[1]) * p->out_digit[1] :
			       (ptrdiff_t)i * p->out_row;
}

static gemm_case random_case(rng *r, size_t m, size_t n, size_t k, bool packed)
{
	gemm_case c = { .p = { .m = m, .n = n, .k = k, .packed = packed } };
	gemm_params *p = &c.p;
	p->chain = random_chain(r);
	for (int i = 0; i < GEMM_BATCH_AXES; i++)
		p->batch[i] = rng_chance(r, 20) ? 2 : 1;
	matrix_strides(r, m, k, rng_chance(r, 25), &p->a_row, &p->a_col);
	batch_strides(r, p, p->a_batch, span(2, (size_t[]){ m, k }, (ptrdiff_t[]){ p->a_row, p->a_col }),
		      true);
	c.a = floats_random(r, matrix_span(p, p->a_batch, m, p->a_row, k, p->a_col));
	if (packed) {
		batch_strides(r, p, p->b_batch, 1, true);
		p->slices = matrix_span(p, p->b_batch, 1, 0, 1, 0);
		p->b_row = (ptrdiff_t)n;
		p->b_col = 1;
		c.b = floats_random(r, p->slices * k * n);
		c.bias = floats_random(r, p->slices * n);
	} else {
		matrix_strides(r, k, n, rng_chance(r, 50), &p->b_row, &p->b_col);
		batch_strides(r, p, p->b_batch,
			      span(2, (size_t[]){ k, n }, (ptrdiff_t[]){ p->b_row, p->b_col }), true);
		c.b = floats_random(r, matrix_span(p, p->b_batch, k, p->b_row, n, p->b_col));
	}
	p->out_row = (ptrdiff_t)(n + (rng_chance(r, 50) ? 3 : 0));
	batch_strides(r, p, p->out_batch, m * (size_t)p->out_row, false);
	c.out_count = matrix_span(p, p->out_batch, m, p->out_row, n, 1);
	turn_rows(r, p);
	epilogue *e = &p->epilogue;
	if (rng_chance(r, 30)) {
		e->flags |= EPILOGUE_RESIDUAL;
		memcpy(e->residual, p->out_batch, sizeof p->out_batch);
		e->residual[4] = p->out_row;
		e->residual[5] = 1;
		c.residual = floats_random(r, c.out_count);
	}
	if (rng_chance(r, 30)) {
		e->flags |= EPILOGUE_CLAMP;
		e->min = -0.25f;
		e->max = 1;
	}
	if (rng_chance(r, 30)) {
		e->flags |= EPILOGUE_PROGRAM;
		e->operands = 1;
		e->operand[0].stride[4] = 1; /* one value a row */
		c.operand = floats_random(r, m);
		e->program.count = 2;
		e->program.code[0] = (program_instr){ .op = PROGRAM_LOAD, .dst = 3 };
		e->program.code[1] = (program_instr){ .op = PROGRAM_SUB, .dst = 0, .b = 3 };
	}
	return c;
}

static void check_matrix(const gemm_case *c, const float *out, const size_t *b, const char *isa)
{
	const gemm_params *p = &c->p;
	const epilogue *e = &p->epilogue;
	ptrdiff_t a_at = 0, b_at = 0, out_at = 0;
	for (int i = 0; i < GEMM_BATCH_AXES; i++) {
		a_at += (ptrdiff_t)b[i] * p->a_batch[i];
		b_at += (ptrdiff_t)b[i] * p->b_batch[i];
		out_at += (ptrdiff_t)b[i] * p->out_batch[i];
	}
	const float *bm = c->b + (p->packed ? b_at * (ptrdiff_t)(p->k * p->n) : b_at);
	for (size_t i = 0; i < p->m; i++)
		for (size_t j = 0; j < p->n; j++) {
			double v = p->packed ? c->bias[b_at * (ptrdiff_t)p->n + (ptrdiff_t)j] : 0,
			       size = fabs(v);
			for (size_t k = 0; k < p->k; k++) {
				const double x =
					c->a[a_at + (ptrdiff_t)i * p->a_row + (ptrdiff_t)k * p->a_col];
				const double y = bm[(ptrdiff_t)k * p->b_row + (ptrdiff_t)j * p->b_col];
				v += x * y;
				size += fabs(x * y);
			}
			const ptrdiff_t at = out_at + out_row_at(p, i) + (ptrdiff_t)j;
			if (e->flags & EPILOGUE_RESIDUAL)
				v += c->residual[at];
			if (e->flags & EPILOGUE_CLAMP)
				v = fmin(fmax(v, (double)e->min), (double)e->max);
			if (e->flags & EPILOGUE_PROGRAM)
				v -= c->operand[i];
			cr_assert(fabs(out[at] - v) <=
					  (double)(c->terms ? c->terms : p->k + 8) * 0x1p-24 * (size + 1),
				  "%s: %zux%zux%zu at %zu %zu: %g, expected %g", isa, p->m, p->n, p->k, i, j,
				  (double)out[at], v);
		}
}

static void check(rng *r, const gemm_case *c)
{
	const gemm_params *p = &c->p;
	EACH_ISA(t)
	{
		void *b = c->b;
		if (p->packed) {
			const weights_shape shape = { p->slices, p->n, p->k, { 1, 1, 1 } };
			const weights_source source = { .data = c->b,
							.group = (ptrdiff_t)(p->k * p->n),
							.out = 1,
							.in = (ptrdiff_t)p->n,
							.bias = c->bias,
							.bias_stride = 1 };
			b = memory_new((t->packing[PACKING_GEMM]->bytes(&shape) + 63) / 64 * 64);
			t->packing[PACKING_GEMM]->pack(&shape, &source, b);
		}
		float *out = floats_untouched(c->out_count), *again = floats_untouched(c->out_count);
		void *args[] = { out, c->a, b, c->residual, c->operand };
		run_whole(t->kernel[KERNEL_gemm_f32], p, args);
		size_t at[4], written = 0, untouched = 0;
		for (at[0] = 0; at[0] < p->batch[0]; at[0]++)
			for (at[1] = 0; at[1] < p->batch[1]; at[1]++)
				for (at[2] = 0; at[2] < p->batch[2]; at[2]++)
					for (at[3] = 0; at[3] < p->batch[3]; at[3]++) {
						check_matrix(c, out, at, t->isa);
						written += p->m * p->n;
					}
		for (size_t i = 0; i < c->out_count; i++)
			untouched += is_untouched(out[i]);
		cr_assert_eq(untouched, c->out_count - written, "%s: wrote between the elements", t->isa);
		args[GEMM_OUT] = again;
		run_pieces(r, t->kernel[KERNEL_gemm_f32], p, args);
		cr_assert(same_bits(out, again, c->out_count * sizeof(float)),
			  "%s: the cut into pieces shows", t->isa);
		gemm_params hinted = *p;
		hinted.hint = random_hint(r);
		for (size_t i = 0; i < c->out_count; i++)
			again[i] = is_untouched(out[i]) ? out[i] : 0;
		run_pieces(r, t->kernel[KERNEL_gemm_f32], &hinted, args);
		cr_assert(same_bits(out, again, c->out_count * sizeof(float)), "%s: the hint %d %d shows", t->isa,
			  hinted.hint.size, hinted.hint.pass);
	}
	memory_free_all();
}

Test(gemm, agrees_with_the_sum_for_random_shapes)
{
	rng r = { 21 };
	for (int i = 0; i < 400; i++) {
		const gemm_case c = random_case(&r, rng_range(&r, 1, 40), rng_range(&r, 1, 80),
						rng_range(&r, 0, 40), i % 2);
		check(&r, &c);
	}
}

Test(gemm, agrees_at_every_number_of_rows_and_columns)
{
	rng r = { 22 };
	for (size_t m = 1; m <= 30; m++)
		for (size_t n = 1; n <= 70; n += m % 3 + 1) {
			const gemm_case c = random_case(&r, m, n, 3, (m + n) % 2);
			check(&r, &c);
		}
}

Test(gemm, adds_up_long_sums_in_blocks)
{
	rng r = { 23 };
	for (int i = 0; i < 20; i++) {
		const gemm_case c = random_case(&r, rng_range(&r, 1, 20), rng_range(&r, 1, 40),
						rng_range(&r, 600, 2100), i % 2);
		check(&r, &c);
	}
}

Test(gemm, cuts_large_products_into_tasks)
{
	rng r = { 24 };
	for (int i = 0; i < 4; i++) {
		const gemm_case c = random_case(&r, 150 + (size_t)i, 200, 130, i % 2);
		check(&r, &c);
	}
}

/* Tasks of the same columns share what the first of them packed. */
Test(gemm, cuts_large_products_of_runtime_operands_both_ways)
{
	rng r = { 27 };
	for (int i = 0; i < 3; i++) {
		const gemm_case c = random_case(&r, 470 + (size_t)i, 250, i == 2 ? 700 : 40, false);
		check(&r, &c);
	}
}

/* a of ones, b of 0.1: a chain of equal terms rounds the same way again and again. */
static gemm_case equal_terms(rng *r, size_t k, bool packed, float bias)
{
	gemm_case c = random_case(r, 5, 40, k, packed);
	const gemm_params *p = &c.p;
	c.p.epilogue.flags = 0;
	c.p.chain = 0;
	const size_t a = matrix_span(p, p->a_batch, p->m, p->a_row, p->k, p->a_col);
	const size_t b =
		packed ? p->slices * p->k * p->n : matrix_span(p, p->b_batch, p->k, p->b_row, p->n, p->b_col);
	for (size_t i = 0; i < a; i++)
		c.a[i] = 1;
	for (size_t i = 0; i < b; i++)
		c.b[i] = 0.1f;
	for (size_t i = 0; packed && i < p->slices * p->n; i++)
		c.bias[i] = bias;
	return c;
}

/* One chain over all of k is wrong by 1,400 units of 2^-24, chains of 512 by 71, chains of 128 by 19. */
Test(gemm, long_sums_of_equal_terms_stay_accurate)
{
	rng r = { 25 };
	for (int i = 0; i < 4; i++) {
		gemm_case c = equal_terms(&r, 9216, i % 2, 0.1f);
		c.terms = 24;
		c.p.chain = i < 2 ? 0 : 24;
		check(&r, &c);
	}
}

/* A bias in front of the products would be rounded with each of them: 200 units of 2^-24. */
Test(gemm, a_large_bias_is_rounded_once)
{
	rng r = { 26 };
	gemm_case c = equal_terms(&r, 512, true, 1000);
	c.terms = 2;
	check(&r, &c);
}

/* Networks whose filters are alike have equal outputs, and ties among them decide. */
Test(gemm, equal_columns_get_equal_bits)
{
	rng r = { 27 };
	for (int n = 0; n < 40; n++) {
		gemm_case c = random_case(&r, rng_range(&r, 1, 40), rng_range(&r, 2, 120), rng_range(&r, 1, 700), false);
		gemm_params *p = &c.p;
		p->epilogue.flags = 0;
		p->b_row = 1; /* all columns are one */
		p->b_col = 0;
		EACH_ISA(t)
		{
			float *out = floats_untouched(c.out_count);
			void *args[] = { out, c.a, c.b, NULL, NULL };
			run_whole(t->kernel[KERNEL_gemm_f32], p, args);
			for (size_t i = 0; i < p->m; i++) {
				const float *row = out + out_row_at(p, i);
				for (size_t j = 1; j < p->n; j++)
					cr_assert(same_bits(row, row + j, sizeof *row), "%s: %zux%zux%zu, row %zu: column %zu is %g, column 0 is %g",
						  t->isa, p->m, p->n, p->k, i, j, (double)row[j], (double)row[0]);
			}
		}
		memory_free_all();
	}
}
