#include <string.h>

#include "lower.h"

#define FAMILY(name) extern const kernel_family family_##name;
#include "lower.def"
#undef FAMILY

static const kernel_family *const families[] = {
#define FAMILY(name) &family_##name,
#include "lower.def"
#undef FAMILY
};

size_t family_count(void)
{
	return sizeof families / sizeof *families;
}

const kernel_family *family_at(size_t index)
{
	return index < family_count() ? families[index] : NULL;
}

uint16_t family_find(const lower_node *x, port *ports)
{
	for (uint32_t i = 0; i < x->n->n_in; i++) /* kernels know no rank and no dtype but at the time of planning */
		if (x->in[i].present && (x->in[i].shape.rank < 0 || x->in[i].dtype == CLAST_UNDEFINED))
			return FAMILY_REFERENCE;
	for (uint32_t i = 0; i < x->n->n_out; i++)
		if (x->out[i].present && (x->out[i].shape.rank < 0 || x->out[i].kind != KIND_TENSOR))
			return FAMILY_REFERENCE;
	for (size_t i = 0; i < family_count(); i++)
		if (families[i]->accepts(x, ports))
			return (uint16_t)i;
	return FAMILY_REFERENCE;
}

clast_status lower_emit(lowering *l, kernel_id k, const void *params, size_t arg_count, const lower_arg *args)
{
	return l->host->emit(l, k, params, arg_count, args, false);
}

clast_status lower_emit_beside(lowering *l, kernel_id k, const void *params, size_t arg_count, const lower_arg *args)
{
	return l->host->emit(l, k, params, arg_count, args, true);
}

clast_status lower_weight(lowering *l, packing_id how, const weights_shape *form, const weights_source *source, const void *key,
                          size_t key_bytes, uint32_t *index)
{
	return l->host->weight(l, how, form, source, key, key_bytes, index);
}

clast_status lower_table(lowering *l, size_t bytes, void **data, uint32_t *index)
{
	return l->host->table(l, bytes, data, index);
}

clast_status lower_temp(lowering *l, size_t bytes, uint32_t *index)
{
	return l->host->temp(l, bytes, index);
}

double lower_count(const infer_value *v)
{
	double n = 1;
	for (int a = 0; a < v->shape.rank; a++)
		n *= (double)v->shape.dims[a];
	return n;
}

size_t lower_product_choices(lower_choice own, int64_t k, int64_t n, size_t count, lower_choice *choice)
{
	lower_choice other = own;
	/* The own pass is that of product_by_rows. */
	other.hint.pass = k * n <= 65536 ? PASS_PANELS : PASS_ROWS;
	choice[count++] = other;
	for (int size = 1; size >= -1; size -= 2) {
		other = own;
		other.hint.size = (int8_t)size;
		choice[count++] = other;
	}
	return count;
}

/* Some 5 multiplications and additions a nanosecond for each lane of a vector, and 8 bytes: between what the machines at hand do. */
double lower_time(double flops, double bytes)
{
	return flops / (5 * (double)cpu_kernels_get()->vector) + bytes / 8;
}

bool lower_lies(const tensor_view *v, port_need how)
{
	const int64_t block = (int64_t)cpu_kernels_get()->vector;
	const int inner = v->rank - 1;
	for (int a = 0; a < v->rank; a++)
		if (v->split[a] && (a != 1 || how == PORT_FIRST))
			return false;
	if (v->rank < 3)
		return false;
	if (v->split[1] && how == PORT_LAST)
		return lower_run_stride(v, 1) == 1;
	if (v->split[1]) {
		const axis_factor *f = v->factors + v->first_factor[1];
		return v->split[1] == 2 && f[1].extent == block && f[1].stride == 1;
	}
	const bool innermost = v->dims[1] == 1 || v->strides[1] == 1;
	if (how != PORT_FIRST)
		return innermost && (how == PORT_LAST || v->dims[1] % block == 0);
	return v->dims[inner] == 1 || v->strides[inner] == 1;
}

int64_t lower_block_stride(const tensor_view *v)
{
	return v->rank > 1 && v->split[1] && lower_lies(v, PORT_BLOCKED) ? v->factors[v->first_factor[1]].stride : 0;
}

/* Factors of more than one element, logically outermost first; `by` lists them as they lie in memory, innermost first. */
static uint32_t factors_of(const tensor_view *v, int axis, axis_factor *f, uint32_t *by)
{
	uint32_t n = 0;
	for (int i = 0; i < v->split[axis]; i++) {
		const axis_factor x = v->factors[v->first_factor[axis] + i];
		if (x.extent == 1)
			continue;
		uint32_t at = n;
		for (; at > 0 && f[by[at - 1]].stride > x.stride; at--)
			by[at] = by[at - 1];
		by[at] = n;
		f[n++] = x;
	}
	return n;
}

int64_t lower_run_stride(const tensor_view *v, int axis)
{
	axis_factor f[VIEW_MAX_FACTORS];
	uint32_t by[VIEW_MAX_FACTORS];
	if (!v->split[axis])
		return v->dims[axis] == 1 ? 1 : v->strides[axis];
	const uint32_t n = factors_of(v, axis, f, by);
	for (uint32_t i = 1; i < n; i++)
		if (f[by[i]].stride != f[by[i - 1]].stride * f[by[i - 1]].extent)
			return 0;
	return n ? f[by[0]].stride : 1;
}

/* The index and the key of a run of these factors. */
static bool index_run(const lowering *l, uint32_t n, const axis_factor *f, const uint32_t *by, axis_run *out)
{
	int64_t inner[VIEW_MAX_FACTORS], count = 1;
	if (n > RUN_MAX_FACTORS)
		return false;
	for (uint32_t i = n; i-- > 0;) {
		inner[i] = count;
		count *= f[i].extent;
	}
	uint32_t *index = bump_array(l->memory, (size_t)count, sizeof *index);
	for (int64_t p = 0; index && p < count; p++) {
		int64_t rest = p, q = 0;
		for (uint32_t i = 0; i < n; i++) {
			q += rest % f[by[i]].extent * inner[by[i]];
			rest /= f[by[i]].extent;
		}
		index[p] = (uint32_t)q;
	}
	out->index = index;
	out->key.n = n;
	int64_t below = 1;
	for (uint32_t i = 0; i < n; i++) {
		out->key.factor[by[i]] = (axis_factor){ f[by[i]].extent, below };
		below *= f[by[i]].extent;
	}
	return index != NULL;
}

bool lower_run(const lowering *l, const tensor_view *v, int axis, axis_run *out)
{
	axis_factor f[VIEW_MAX_FACTORS];
	uint32_t by[VIEW_MAX_FACTORS];
	memset(out, 0, sizeof *out);
	out->stride = lower_run_stride(v, axis);
	const uint32_t n = v->split[axis] ? factors_of(v, axis, f, by) : 0;
	return n < 2 || !out->stride ? out->stride != 0 : index_run(l, n, f, by, out);
}

bool lower_pieces(const lowering *l, const tensor_view *v, int axis, axis_pieces *out)
{
	axis_factor f[VIEW_MAX_FACTORS];
	uint32_t by[VIEW_MAX_FACTORS], i = 0;
	memset(out, 0, sizeof *out);
	const uint32_t n = v->split[axis] ? factors_of(v, axis, f, by) : 0;
	for (out->length = 1; i < n && f[by[i]].stride == out->length; i++)
		out->length *= f[by[i]].extent;
	if (n - i < 1 || n - i > 2 || !i || !index_run(l, n, f, by, &out->run))
		return false;
	out->run.stride = 1;
	out->count[0] = n - i == 2 ? f[by[n - 1]].extent : 1;
	out->step[0] = n - i == 2 ? f[by[n - 1]].stride : 0;
	out->count[1] = f[by[i]].extent;
	out->step[1] = f[by[i]].stride;
	bool natural = true;
	for (uint32_t k = 0; k < n; k++)
		natural &= by[k] == n - 1 - k;
	out->run.index = natural ? NULL : out->run.index;
	return true;
}

bool lower_runs_agree(const axis_run *a, const axis_run *b)
{
	return a->key.n == b->key.n && !memcmp(a->key.factor, b->key.factor, a->key.n * sizeof *a->key.factor);
}

bool lower_channels_agree(const lowering *l)
{
	const tensor_view *x = &l->in_view[0], *y = &l->out_view[0];
	axis_run in, out;
	return (!x->split[1] && !y->split[1]) || (lower_run(l, x, 1, &in) && lower_run(l, y, 1, &out) && lower_runs_agree(&in, &out));
}
