/* Expand in front of an operator that broadcasts its operands itself and has an operand of the full extents, as exporters write expand_as. Without it
 * the operand is read where it is small, in the order of the large one. */
#include <string.h>

#include "pass.h"

static bool is(const node *n, const char *name)
{
	return !n->op->domain[0] && !strcmp(n->op->name, name);
}

static bool broadcasts(const node *n)
{
	static const char *const names[] = { "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Mean", "Sum", "And", "Or", "Xor",
		                             "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Where" };
	for (size_t i = 0; n->version >= 7 && i < sizeof names / sizeof *names; i++)
		if (is(n, names[i]))
			return true;
	return false;
}

/* Whether the inputs broadcast to the same output with `small` in the place of input k. */
static bool needless(clast_model *m, const node *n, uint32_t k, value_id small)
{
	shape out;
	value_shape(m, n->out[0], &out);
	for (int a = 0; a < out.rank; a++) {
		dim e = 1;
		for (uint32_t i = 0; i < n->n_in; i++) {
			shape in;
			bool impossible = false;
			value_shape(m, i == k ? small : n->in[i], &in);
			const int at = in.rank - out.rank + a;
			if (in.rank < 0)
				return false;
			if (at >= 0)
				e = dim_broadcast(m->dims, e, in.dims[at], &impossible);
			if (impossible)
				return false;
		}
		if (e != out.dims[a])
			return false;
	}
	return out.rank >= 0;
}

static clast_status run(clast_model *m, clast_diag *d)
{
	(void)d;
	for (size_t i = 0; i < m->node_count; i++) {
		node *n = &m->nodes[i];
		if (n->dead || !n->op || !broadcasts(n))
			continue;
		for (uint32_t k = 0; k < n->n_in; k++) {
			const node_id maker = n->in[k] == NO_ID ? NO_ID : m->values[n->in[k]].producer;
			if (maker != NO_ID && m->nodes[maker].op && is(&m->nodes[maker], "Expand") && m->nodes[maker].graph == n->graph &&
			    needless(m, n, k, m->nodes[maker].in[0]))
				n->in[k] = m->nodes[maker].in[0];
		}
	}
	return CLAST_OK;
}

const pass pass_expand = { "expand", run };
