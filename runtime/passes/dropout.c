/* Dropout outside training whose mask nobody reads is an Identity, which costs nothing. */
#include <string.h>

#include "dropout.h"
#include "pass.h"

static bool is_copy(const clast_model *m, const node *n)
{
	infer_value in[3];
	if (!n->op || n->dead || n->op->domain[0] || strcmp(n->op->name, "Dropout") || n->n_in > 3)
		return false;
	if (n->n_out > 1 && n->out[1] != NO_ID && m->values[n->out[1]].uses)
		return false;
	for (uint32_t i = 0; i < n->n_in; i++)
		value_infer(m, n->in[i], &in[i]);
	const infer_in query = {
		.op = n->op, .attrs = n->attrs, .version = n->version, .n_in = n->n_in, .in = in
	};
	return !dropout_is_training(&query);
}

static clast_status run(clast_model *m, clast_diag *d)
{
	const op *identity = op_find("", "Identity");
	(void)d;
	graph_count_uses(m);
	for (size_t i = 0; identity && i < m->node_count; i++) {
		node *n = &m->nodes[i];
		if (!is_copy(m, n))
			continue;
		for (uint32_t j = 1; j < n->n_out; j++)
			if (n->out[j] != NO_ID)
				m->values[n->out[j]].producer = NO_ID;
		n->op = identity;
		n->version = op_resolve(identity, NEWEST_OPSET)->since;
		n->attrs = NULL;
		n->n_in = n->n_out = 1;
		n->in[1] = n->out[0]; /* outputs lie right after the inputs */
		n->out = n->in + 1;
	}
	return CLAST_OK;
}

const pass pass_dropout = { "dropout", run };
