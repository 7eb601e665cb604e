/* Numeric inference: the nodes of a block at concrete shapes. */
#include <string.h>

#include "spec_parts.h"

bool fact_known(const infer_value *f)
{
	if (f->dtype == CLAST_UNDEFINED || f->shape.rank < 0 || f->kind != KIND_TENSOR)
		return false;
	for (int a = 0; a < f->shape.rank; a++)
		if (!dim_is_number(f->shape.dims[a]))
			return false;
	return true;
}

static clast_status check_result(const specialisation *s, const plan_node *pn, const infer_value *f, clast_diag *d)
{
	for (int a = 0; a < f->shape.rank; a++)
		if (f->shape.dims[a] == DIM_ERROR || (dim_is_number(f->shape.dims[a]) && f->shape.dims[a] < 0))
			return node_fail(s->plan->model, pn->node,
			                 fail(d, CLAST_ERROR_MODEL, "axis %d of the output would have an impossible extent", a), d);
	return CLAST_OK;
}

/* Elements that were not all known ahead, and are computed now. */
static void drop_partial_ints(infer_value *x)
{
	for (size_t i = 0; x->data && x->ints && i < x->int_count; i++)
		if (!dim_is_number(x->ints[i]))
			x->ints = NULL;
}

static clast_status infer_node(specialisation *s, const plan_node *pn, infer_value *values, clast_diag *d)
{
	const clast_plan *p = s->plan;
	const node *n = &p->model->nodes[pn->node];
	const uint32_t *facts = p->fact_refs + pn->facts;
	bool known = true;
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
		memset(&values[i], 0, sizeof *values);
		values[i].shape.rank = -1;
		if (facts[i] == NO_ID)
			continue;
		if (i < n->n_in) {
			values[i] = s->facts[facts[i]];
			drop_partial_ints(&values[i]);
		}
		values[i].present = true;
		known &= i >= n->n_in || fact_known(&values[i]);
	}
	const infer_in in = { .op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .n_out = n->n_out,
		              .in = values, .memory = &s->region };
	infer_out out = { .out = values + n->n_in };
	clast_status status = CLAST_OK;
	if (known && !(n->op->flags & OP_BODIES))
		status = n->op->infer(&in, &out, d);
	if (status)
		return node_fail(p->model, pn->node, status, d);
	for (uint32_t j = 0; !status && j < n->n_out; j++) {
		const uint32_t f = facts[n->n_in + j];
		if (f == NO_ID)
			continue;
		infer_value *to = &s->facts[f];
		const infer_value *from = &out.out[j];
		status = check_result(s, pn, from, d);
		if (!to->data) { /* a constant stays what it is */
			*to = *from;
			to->data = NULL;
		}
		to->present = true;
	}
	return status;
}

clast_status spec_infer_node(specialisation *s, const plan_node *pn, clast_diag *d)
{
	enum { FEW = 12 };
	const node *n = &s->plan->model->nodes[pn->node];
	const size_t count = (size_t)n->n_in + n->n_out;
	infer_value few[FEW], *many = count > FEW ? mem_array(s->memory, count, sizeof *many) : NULL;
	if (count > FEW && !many)
		return fail_memory(d, count * sizeof *many);
	const clast_status status = infer_node(s, pn, many ? many : few, d);
	mem_free(s->memory, many, count * sizeof *many);
	return status;
}

clast_status spec_infer_step(specialisation *s, const plan_step *step, clast_diag *d)
{
	clast_status status = CLAST_OK;
	for (uint32_t i = 0; !status && i < step->node_count; i++)
		status = spec_infer_node(s, &s->plan->nodes[s->plan->step_nodes[step->nodes + i]], d);
	return status;
}

void spec_set_facts(specialisation *s, const tensor_view *inputs)
{
	const clast_plan *p = s->plan;
	const plan_block *b = s->block;
	for (uint32_t f = 0; f < b->fact_count; f++) {
		infer_value *x = &s->facts[f];
		const value *v = &p->model->values[p->facts[b->first_fact + f]];
		x->present = true;
		x->kind = v->kind;
		x->shape.rank = -1;
		if (v->constant) {
			value_infer(p->model, p->facts[b->first_fact + f], x);
			x->ints = v->ints;
		}
	}
	for (uint32_t i = 0; i < s->input_count; i++) {
		const uint32_t pv = p->refs[(i < b->input_count ? b->inputs : b->captures - b->input_count) + i];
		infer_value *x = &s->facts[p->values[pv].fact];
		if (p->values[pv].constant)
			continue;
		x->dtype = inputs[i].dtype;
		x->shape.rank = inputs[i].rank;
		for (int a = 0; a < inputs[i].rank; a++)
			x->shape.dims[a] = inputs[i].dims[a];
	}
}
