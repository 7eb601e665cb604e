#include "subspace.h"

tensor_view view_axes(const tensor_view *v, uint32_t mask)
{
	tensor_view part = *v;
	part.rank = 0;
	for (int a = 0; a < v->rank; a++)
		if (mask >> a & 1) {
			part.dims[part.rank] = v->dims[a];
			part.strides[part.rank] = v->strides[a];
			part.split[part.rank] = v->split[a];
			part.first_factor[part.rank++] = v->first_factor[a];
		}
	return part;
}

cells cells_of(const tensor_view *v)
{
	int64_t dims[CLAST_MAX_RANK];
	for (int a = 0; a < v->rank; a++)
		dims[a] = v->dims[a];
	const int64_t length = v->rank ? dims[v->rank - 1] : 1;
	if (v->rank)
		dims[v->rank - 1] = length > 0;
	return (cells){ .v = v, .it = iter_dims(v->rank, dims), .i = length, .length = length };
}

bool cells_next_row(cells *k, int64_t *offset)
{
	if (!iter_next(&k->it))
		return false;
	k->i = 0;
	*offset = k->row = iter_offset(k->v, &k->it);
	return true;
}
