/* Tiles and groups in which products, convolutions and depthwise convolutions exist, and the guess at the best. */
#include <math.h>
#include <stdio.h>

#include "work.h"

/* Rows of a work item, its vectors of columns, work items of a group along columns and rows, steps of the sum in local memory (0: a work
 * item keeps to its registers). Tiles of 64x64 and 128x128 are those that BLAS libraries for GPUs settle on most; narrow ones are for few
 * channels or few pixels. A CPU has no use for local memory, which is memory like any other there. */
static const work_variant products[] = {
	{ 6, 2, 4, 8, 0 },  { 4, 2, 4, 8, 0 },  { 8, 2, 4, 4, 0 },  { 8, 1, 4, 8, 0 },   { 4, 2, 8, 8, 0 },   { 2, 1, 16, 8, 0 },
	{ 1, 2, 16, 4, 0 }, { 4, 1, 16, 16, 16 }, { 8, 2, 8, 8, 16 }, { 8, 2, 16, 16, 8 }, { 4, 2, 8, 8, 16 }, { 8, 1, 8, 16, 16 },
	{ 2, 1, 16, 8, 16 },
};
static const work_variant depthwise[] = {
	{ 4, 1, 4, 8, 0 }, { 2, 1, 4, 8, 0 }, { 8, 1, 4, 4, 0 }, { 2, 1, 16, 4, 0 }, { 1, 1, 16, 8, 0 }, { 4, 1, 8, 8, 0 }, { 1, 1, 64, 2, 0 },
};

static const work_variant *table_of(kernel_id id, uint32_t *count)
{
	switch (id) {
	case KERNEL_conv_f32:
	case KERNEL_conv_first_f32:
	case KERNEL_conv_transpose_f32:
	case KERNEL_gemm_f32:
		*count = sizeof products / sizeof *products;
		return products;
	case KERNEL_depthwise_f32:
	case KERNEL_depthwise_first_f32:
		*count = sizeof depthwise / sizeof *depthwise;
		return depthwise;
	default:
		*count = 0;
		return NULL;
	}
}

uint32_t opencl_variant_count(kernel_id id)
{
	uint32_t count;
	table_of(id, &count);
	return count + 1;
}

void opencl_variant_text(kernel_id id, uint32_t variant, char *text, size_t room)
{
	uint32_t count;
	const work_variant *list = table_of(id, &count);
	if (!variant || variant > count) {
		snprintf(text, room, "default");
		return;
	}
	const work_variant *v = &list[variant - 1];
	snprintf(text, room, "%s %ux%u by %ux%u", v->depth ? "local" : "registers", v->rows, v->vectors, v->group_x, v->group_y);
	if (v->depth && strlen(text) + 1 < room)
		snprintf(text + strlen(text), room - strlen(text), " of %u", v->depth);
}

static size_t local_bytes(const opencl_target *t, const work_variant *v)
{
	const size_t rows = (size_t)v->rows * v->group_y, columns = (size_t)v->vectors * v->group_x * t->vector;
	return v->depth * (rows + 1 + columns) * sizeof(float);
}

/* Local memory wants whole shares of a chunk for every work item, whatever the width of vectors. */
static bool fits(const opencl_target *t, const work_variant *v)
{
	const size_t items = (size_t)v->group_x * v->group_y;
	return items <= t->max_group && local_bytes(t, v) <= t->local_bytes && v->vectors * t->vector <= OPENCL_BLOCK;
}

bool work_variant_get(const opencl_target *t, kernel_id id, work_variant *v)
{
	uint32_t count;
	const work_variant *list = table_of(id, &count);
	if (t->variant > count || !fits(t, &list[t->variant - 1]))
		return false;
	*v = list[t->variant - 1];
	return true;
}

static double rounded(double x, double to)
{
	return ceil(x / to) * to;
}

/* Time of an m x n x k product, up to a factor: what it rounds up to, what it loads for each multiplication, and how much of the device
 * it leaves idle. */
static double estimate(const opencl_target *t, const work_variant *v, const work_product *p)
{
	const double width = v->vectors * t->vector, columns = v->depth ? width * v->group_x : width;
	const double rows = v->depth ? v->rows * v->group_y : v->rows;
	const double m = rounded((double)p->m, rows), n = rounded((double)p->n, columns), k = rounded((double)p->k, v->depth ? v->depth : 1);
	const double loads = (1.0 / v->rows + 1.0 / width) * (v->depth ? 2 : 6);
	const double items = m * n / (v->rows * width) * (double)p->batch, wanted = 512.0 * t->units;
	return m * n * k * (1 + loads) * fmax(1, wanted / items);
}

bool work_variant_guess(const opencl_target *t, const work_product *p, work_variant *v)
{
	double least = INFINITY;
	work_variant best = products[0];
	for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
		const double e = products[i].depth && fits(t, &products[i]) ? estimate(t, &products[i], p) : INFINITY;
		if (e < least) {
			least = e;
			best = products[i];
		}
	}
	const work_variant plain = { 4, 2, 8, 8, 0 };
	if (t->host_cpu || !(least < estimate(t, &plain, p)))
		return false;
	*v = best;
	return true;
}
