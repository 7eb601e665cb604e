/* Representative extents: what an extent that is not known counts as where costs are compared and reported. The batch of an input is
 * 1, the height and width of a picture 224; extents computed from them follow. */
#include "plan.h"

#define BATCH 1
#define PICTURE 224
#define OTHER 56 /* of symbols that no input names: sequences, numbers of detections */

static void set_symbol(const clast_plan *p, int64_t *values, dim d, int64_t x)
{
	const size_t n = dim_symbol_count(p->model->dims);
	for (size_t i = 0; dim_is_expr(d) && i < n; i++)
		if (dim_symbol_at(p->model->dims, i) == d && values[i] == DIM_UNKNOWN)
			values[i] = x;
}

static int64_t *make_values(clast_plan *p, size_t n)
{
	const graph *g = &p->model->graphs[0];
	int64_t *values = bump_array(&p->region, n + 1, sizeof *values);
	if (!values)
		return NULL;
	for (size_t i = 0; i < n; i++)
		values[i] = DIM_UNKNOWN;
	for (size_t i = 0; i < g->input_count; i++) {
		const value *v = &p->model->values[g->inputs[i]];
		for (int a = 0; a < v->rank; a++)
			set_symbol(p, values, v->dims[a], !a ? BATCH : v->rank >= 4 && a >= 2 ? PICTURE : OTHER);
	}
	dim_complete(p->model->dims, values);
	for (size_t i = 0; i < n; i++)
		if (values[i] == DIM_UNKNOWN)
			values[i] = OTHER;
	return values;
}

int64_t plan_extent(clast_plan *p, dim d)
{
	int64_t x;
	if (dim_is_number(d))
		return d;
	const size_t n = dim_symbol_count(p->model->dims); /* planning may add some */
	if (!p->extents || p->extent_count < n) {
		p->extents = make_values(p, n);
		p->extent_count = p->extents ? n : 0;
	}
	return p->extents && dim_is_expr(d) && !dim_eval(p->model->dims, d, p->extents, &x) && x > 0 ? x : OTHER;
}
