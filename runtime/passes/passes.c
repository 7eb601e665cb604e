#include "pass.h"

#include <string.h>

#define PASS(name) extern const pass pass_##name;
#include "passes.def"
#undef PASS

static const pass *const list[] = {
#define PASS(name) &pass_##name,
#include "passes.def"
#undef PASS
};

static clast_status run_list(clast_model *m, size_t n, const pass *const *passes, clast_diag *d)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < n; i++) {
		s = passes[i]->run(m, d);
		if (!s)
			s = graph_sweep(m, d);
		if (!s && m->progress && !m->progress(m->progress_context, (double)(i + 1) / (double)n))
			s = fail(d, CLAST_ERROR_CANCELLED, "loading was cancelled");
	}
	return s;
}

clast_status passes_run(clast_model *m, clast_diag *d)
{
	return run_list(m, sizeof list / sizeof *list, list, d);
}

clast_status passes_clean(clast_model *m, clast_diag *d)
{
	static const pass *const clean[] = { &pass_fold, &pass_dropout, &pass_identity };
	m->keep_compact = true;
	return run_list(m, sizeof clean / sizeof *clean, clean, d);
}

static void note_users(clast_model *m, user_table *t, graph_id id)
{
	const graph *g = &m->graphs[id];
	for (size_t i = 0; i < g->node_count; i++) {
		const node *n = &m->nodes[g->nodes[i]];
		for (uint32_t j = 0; j < n->n_in; j++)
			if (n->in[j] != NO_ID)
				t->user[n->in[j]] = g->nodes[i];
	}
}

clast_status pass_users(clast_model *m, user_table *t, clast_diag *d)
{
	t->user = mem_array(&m->memory, m->value_count + 1, sizeof *t->user);
	if (!t->user)
		return fail_memory(d, 0);
	memset(t->user, 0xff, (m->value_count + 1) * sizeof *t->user);
	for (size_t g = 0; g < m->graph_count; g++)
		note_users(m, t, (graph_id)g);
	return CLAST_OK;
}

void pass_users_free(clast_model *m, user_table *t)
{
	mem_free(&m->memory, t->user, (m->value_count + 1) * sizeof *t->user);
}

node_id only_user(const clast_model *m, const user_table *t, value_id v)
{
	const node_id u = t->user[v];
	return m->values[v].uses == 1 && u != NO_ID && m->nodes[u].graph == m->values[v].graph ? u : NO_ID;
}
