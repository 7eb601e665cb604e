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
