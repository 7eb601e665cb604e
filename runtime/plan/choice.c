/* What timing may choose between for a step of the plan, and which layers are alike. */
#include <string.h>

#include "cache_file.h"
#include "plan.h"

enum { FEW = 8 };

static void add_number(uint64_t key[2], int64_t x)
{
	cache_key_add(key, &x, sizeof x);
}

static void add_attribute(uint64_t key[2], const attr_spec *spec, const void *attrs)
{
	const char *at = (const char *)attrs + spec->offset;
	const int_list *list = (const int_list *)at;
	switch (spec->type) {
	case ATTR_FLOAT:
		cache_key_add(key, at, sizeof(float));
		break;
	case ATTR_INT:
		cache_key_add(key, at, sizeof(int64_t));
		break;
	case ATTR_BOOL:
		add_number(key, *(const bool *)at);
		break;
	case ATTR_ENUM:
		add_number(key, *(const int *)at);
		break;
	case ATTR_INTS:
		add_number(key, (int64_t)list->n);
		cache_key_add(key, list->v, list->n * sizeof *list->v);
		break;
	default: /* no operator that has choices has another */
		break;
	}
}

static void add_node(uint64_t key[2], const node *n, const infer_value *facts)
{
	cache_key_add(key, n->op->name, strlen(n->op->name) + 1);
	add_number(key, n->version);
	for (const attr_spec *spec = n->op->attrs; spec && spec->name; spec++)
		add_attribute(key, spec, n->attrs);
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
		add_number(key, facts[i].present ? facts[i].shape.rank : -2);
		for (int a = 0; facts[i].present && a < facts[i].shape.rank; a++)
			add_number(key, facts[i].shape.dims[a]);
	}
}

static void add_fused(uint64_t key[2], const fused *f)
{
	add_number(key, f->operand_count);
	for (uint32_t i = 0; i < f->program.count; i++)
		add_number(key, f->program.code[i].op);
}

size_t plan_choices(clast_plan *p, const plan_step *step, lower_choice *choice, uint64_t key[2])
{
	infer_value facts[FEW];
	const kernel_family *family = step->kind == STEP_NODE ? family_at(step->family) : NULL;
	const node *n = family ? &p->model->nodes[step->node] : NULL;
	if (!family || !family->choices || n->n_in + n->n_out > FEW)
		return 0;
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
		value_infer(p->model, n->in[i], &facts[i]);
		if (facts[i].present && facts[i].shape.rank < 0)
			return 0;
		for (int a = 0; a < facts[i].shape.rank; a++)
			facts[i].shape.dims[a] = plan_extent(p, facts[i].shape.dims[a]);
	}
	const port *ports = p->ports + step->refs;
	const unsigned tile = p->tiles ? p->tiles[step->node] : 0;
	const size_t count = family->choices(&(lower_node){ p->model, n, facts, facts + n->n_in }, ports, tile, choice);
	cache_key_begin(key);
	add_node(key, n, facts);
	for (uint32_t i = 0; i < n->n_in + n->n_out; i++)
		add_number(key, ports[i].need);
	if (step->fused != NO_ID)
		add_fused(key, &p->fused[step->fused]);
	for (size_t i = 0; i < count; i++) {
		add_number(key, choice[i].tile);
		add_number(key, choice[i].hint.size);
		add_number(key, choice[i].hint.pass);
	}
	return count > 1 ? count : 0;
}
