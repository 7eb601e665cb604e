/* The exact planner: part after part of the problem, each reduced exactly and searched where that does not finish. */
#include "solve.h"
#include "solve_build.h"

typedef struct solver {
	const problem *p;
	mem *m;
	parts parts;
	trail trail;
	certificate *proof;
	uint16_t *label; /* of each id */
	uint32_t next_id; /* of variables that are made on the way */
	uint64_t bound;   /* of the parts done */
} solver;

static clast_status solve_part(solver *s, uint32_t part, clast_diag *d)
{
	network n;
	const size_t words = s->trail.words;
	clast_status status = CLAST_OK;
	const uint32_t first_bit = (uint32_t)(s->p->groups + s->p->classes);
	if (!parts_network(&s->parts, part, &n, &s->trail, s->proof) ||
	    !network_share(&n, (uint32_t)s->p->groups, first_bit, &s->next_id) || !network_reduce(&n, (size_t)1 << 22))
		status = fail_memory(d, 0);
	if (status == CLAST_OK && n.left > 0)
		status = fail(d, CLAST_ERROR_UNSUPPORTED, "part %u of the layout problem is too wide", part);
	if (status == CLAST_OK) {
		trail_replay(&s->trail, words, s->label);
		s->bound += (uint64_t)n.constant;
	}
	trail_cut(&s->trail, words, 1);
	network_release(&n);
	return status;
}

/* The assignment that the labels mean. */
static clast_status extract(solver *s, assignment *a, clast_diag *d)
{
	const problem *p = s->p;
	clast_status status = assignment_init(a, p, s->m, d);
	if (status != CLAST_OK)
		return status;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = s->label[g];
	for (uint32_t v = 0; v < p->classes; v++)
		if (p->class[v].producer == PROBLEM_NONE)
			a->produced[v] = s->label[p->groups + v];
	return assignment_complete(a, p, d);
}

clast_status solve(const problem *p, const solve_options *options, mem *m, solution *r, clast_diag *d)
{
	*r = (solution){ .proof = { .m = m, .scale = 1 } };
	solver s = { .p = p, .m = m, .proof = &r->proof };
	clast_status status = CLAST_OK;
	(void)options;
	if (!trail_init(&s.trail, m) || !parts_find(&s.parts, p, m) ||
	    !(s.label = mem_calloc(m, 2 * s.parts.ids * sizeof *s.label)))
		status = fail_memory(d, 0);
	s.next_id = (uint32_t)s.parts.ids;
	for (uint32_t part = 0; status == CLAST_OK && part < s.parts.count; part++)
		status = solve_part(&s, part, d);
	if (status == CLAST_OK && !proof_append(&r->proof, (int64_t[]){ PROOF_END }, 1))
		status = fail_memory(d, 0);
	if (status == CLAST_OK)
		status = extract(&s, &r->best, d);
	r->bound = r->proof.bound = s.bound;
	r->proof.cost = assignment_cost(&r->best);
	r->optimal = r->bound == r->proof.cost;
	mem_free(m, s.label, 2 * s.parts.ids * sizeof *s.label);
	parts_release(&s.parts);
	trail_release(&s.trail);
	if (status != CLAST_OK)
		solution_release(r);
	return status;
}

void solution_release(solution *s)
{
	assignment_release(&s->best);
	certificate_release(&s->proof);
}
