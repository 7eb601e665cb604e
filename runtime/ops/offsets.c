#include "offsets.h"

int64_t *offset_table_of(bump *b, const tensor_view *v, int n, const int *axes, int64_t *count)
{
	int64_t total = 1;
	for (int i = 0; i < n; i++)
		total *= axes[i] < 0 ? 1 : v->dims[axes[i]];
	if (count)
		*count = total;
	int64_t *table = bump_array(b, total > 0 ? (size_t)total : 1, sizeof *table);
	if (!table)
		return NULL;
	/* Each axis multiplies the part that is there already, from the innermost outwards. */
	int64_t have = total > 0;
	for (int i = n - 1; have && i >= 0; i--) {
		const int64_t extent = axes[i] < 0 ? 1 : v->dims[axes[i]];
		for (int64_t j = extent - 1; j >= 0; j--) {
			const int64_t at = axes[i] < 0 ? 0 : axis_offset(v, axes[i], j);
			for (int64_t k = 0; k < have; k++)
				table[j * have + k] = table[k] + at;
		}
		have *= extent;
	}
	return table;
}

int64_t *offset_table(bump *b, const tensor_view *v, int first, int end, int64_t *count)
{
	int axes[CLAST_MAX_RANK], n = 0;
	for (int a = first; a < end; a++)
		axes[n++] = a;
	return offset_table_of(b, v, n, axes, count);
}

double *real_table(bump *b, const tensor_view *v)
{
	const int64_t n = view_count(v);
	double *table = bump_array(b, n > 0 ? (size_t)n : 1, sizeof *table);
	int64_t i = 0;
	for (iter it = iter_over(v); table && iter_next(&it);)
		table[i++] = get_real(v, &it);
	return table;
}

double *channel_table(bump *b, const tensor_view *v, int64_t n)
{
	double *table = bump_array(b, n > 0 ? (size_t)n : 1, sizeof *table);
	for (int64_t i = 0; table && i < n; i++)
		table[i] = load_real(v, v->rank && v->dims[0] > 1 ? axis_offset(v, 0, i) : 0);
	return table;
}
