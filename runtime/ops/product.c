#include "product.h"

#include <string.h>

#include "diag.h"

/* Rows of a kept at a time: at most 4 MiB of doubles. */
#define ROW_BLOCK_BYTES ((int64_t)4 << 20)

/* Pairs, which every 64-bit target has in registers; at -O2 an array of sums would live in memory. b may lie anywhere. */
typedef double pair __attribute__((vector_size(16), aligned(8)));
_Static_assert(PRODUCT_LANES == 16, "product_lanes() is written out for 8 pairs");

void product_lanes(int64_t k, const double *a, const double *b, double *y)
{
	pair s0 = { 0 }, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
	for (int64_t i = 0; i < k; i++) {
		const pair *row = (const pair *)(b + i * PRODUCT_LANES);
		const double x = a[i];
		s0 += x * row[0];
		s1 += x * row[1];
		s2 += x * row[2];
		s3 += x * row[3];
		s4 += x * row[4];
		s5 += x * row[5];
		s6 += x * row[6];
		s7 += x * row[7];
	}
	const pair sums[] = { s0, s1, s2, s3, s4, s5, s6, s7 };
	memcpy(y, sums, sizeof sums);
}

clast_status product_run(call *c, const product *p)
{
	if (p->m <= 0 || p->n <= 0)
		return CLAST_OK;
	const int64_t k = p->k > 0 ? p->k : 1;
	int64_t block = ROW_BLOCK_BYTES / (k * (int64_t)sizeof(double));
	block = block < 1 ? 1 : block > p->m ? p->m : block;
	const size_t a_count = (size_t)(block * k), b_count = (size_t)k * PRODUCT_LANES;
	double *a = mem_array(c->memory, a_count, sizeof *a);
	double *b = mem_array(c->memory, b_count, sizeof *b);
	clast_status s = a && b ? CLAST_OK : fail_memory(c->diag, (a_count + b_count) * sizeof *a);
	for (int64_t m0 = 0; !s && m0 < p->m; m0 += block) {
		const int64_t rows = p->m - m0 < block ? p->m - m0 : block;
		for (int64_t i = 0; i < rows; i++)
			p->row(p, m0 + i, a + i * p->k);
		for (int64_t n0 = 0; !s && n0 < p->n; n0 += PRODUCT_LANES) {
			const int count = p->n - n0 < PRODUCT_LANES ? (int)(p->n - n0) : PRODUCT_LANES;
			if (count < PRODUCT_LANES)
				memset(b, 0, b_count * sizeof *b);
			p->panel(p, n0, count, b);
			for (int64_t i = 0; i < rows; i++) {
				double y[PRODUCT_LANES];
				product_lanes(p->k, a + i * p->k, b, y);
				p->store(p, m0 + i, n0, count, y);
			}
			if (!call_proceed(c))
				s = fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
		}
	}
	mem_free(c->memory, a, a_count * sizeof *a);
	mem_free(c->memory, b, b_count * sizeof *b);
	return s;
}

void load_reals(const tensor_view *v, int64_t base, const int64_t *offsets, int64_t n, double *out,
		int64_t step)
{
	if (v->dtype == CLAST_FLOAT32) {
		const float *x = (const float *)v->data + base;
		for (int64_t i = 0; i < n; i++)
			out[i * step] = x[offsets[i]];
		return;
	}
	for (int64_t i = 0; i < n; i++)
		out[i * step] = load_real(v, base + offsets[i]);
}

/* ---- Tables ---- */

typedef struct tables {
	const operand *a, *b, *add, *y;
	double alpha, beta;
} tables;

static void table_row(const product *p, int64_t m, double *a)
{
	const tables *t = p->context;
	load_reals(t->a->view, t->a->base + t->a->rows[m], t->a->columns, p->k, a, 1);
}

static void table_panel(const product *p, int64_t n0, int count, double *b)
{
	const operand *o = ((const tables *)p->context)->b;
	for (int64_t k = 0; k < p->k; k++)
		load_reals(o->view, o->base + o->rows[k], o->columns + n0, count, b + k * PRODUCT_LANES, 1);
}

static void table_store(const product *p, int64_t m, int64_t n0, int count, const double *sums)
{
	const tables *t = p->context;
	for (int i = 0; i < count; i++) {
		double y = t->alpha * sums[i];
		if (t->add)
			y += t->beta * load_real(t->add->view,
						 t->add->base + t->add->rows[m] + t->add->columns[n0 + i]);
		store_real(t->y->view, t->y->base + t->y->rows[m] + t->y->columns[n0 + i], y);
	}
}

static uint64_t integer_sum(int64_t k, const operand *a, const operand *b, int64_t m, int64_t n)
{
	uint64_t sum = 0;
	for (int64_t i = 0; i < k; i++)
		sum += (uint64_t)load_int(a->view, a->base + a->rows[m] + a->columns[i]) *
		       (uint64_t)load_int(b->view, b->base + b->rows[i] + b->columns[n]);
	return sum;
}

/* alpha and beta other than 1 take the sums through double, as no integer definition of them exists. */
static clast_status integer_product(call *c, int64_t m, int64_t n, int64_t k, const tables *t)
{
	for (int64_t i = 0; i < m; i++) {
		for (int64_t j = 0; j < n; j++) {
			const int64_t at = t->y->base + t->y->rows[i] + t->y->columns[j];
			const uint64_t sum = integer_sum(k, t->a, t->b, i, j);
			const int64_t add = t->add ? load_int(t->add->view, t->add->base + t->add->rows[i] +
										    t->add->columns[j])
						   : 0;
			if (t->alpha == 1 && (t->beta == 1 || !t->add))
				store_int(t->y->view, at, (int64_t)(sum + (uint64_t)add));
			else
				store_real(t->y->view, at,
					   t->alpha * (double)(int64_t)sum + t->beta * (double)add);
		}
		if (!call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	return CLAST_OK;
}

clast_status product_of_tables(call *c, int64_t m, int64_t n, int64_t k, const operand *a, const operand *b,
			       const operand *add, const operand *y, double alpha, double beta)
{
	tables t = {
		.a = a, .b = b, .add = add && add->view ? add : NULL, .y = y, .alpha = alpha, .beta = beta
	};
	if (dtype_is_integer(y->view->dtype))
		return integer_product(c, m, n, k, &t);
	const product p = { .m = m,
			    .n = n,
			    .k = k,
			    .row = table_row,
			    .panel = table_panel,
			    .store = table_store,
			    .context = &t };
	return product_run(c, &p);
}
