/* Certificates are accepted only for what they prove. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "solve.h"
#include "strategy.h"

static mem m;

static void set_up(void)
{
	mem_init(&m, NULL, 0);
}

static void all_is_freed(void)
{
	cr_assert_eq(m.used_bytes, 0);
}

TestSuite(certificate, .init = set_up, .fini = all_is_freed);

/* Problems that need each kind of step between them. */
enum { KINDS = 6 };

static solve_options make_problem(problem *p, int kind)
{
	problem_init(p, &m);
	switch (kind) {
	case 0:
		generate_random(p, 11, 30, 4);
		return (solve_options){ .table_entries = 0 };
	case 1:
		generate_densenet(p, 60, 2, 1);
		return (solve_options){ .table_entries = 0 };
	case 2:
		generate_wide(p, 60, 2, 30, 3);
		return (solve_options){ .table_entries = 1 };
	case 3:
		generate_wide(p, 60, 4, 30, 6);
		return (solve_options){ .table_entries = 1 };
	case 4:
		generate_swin(p, 30, 4, 1);
		return (solve_options){ .table_entries = 1 };
	default:
		generate_random(p, 12, 60, 4);
		return (solve_options){ .table_entries = 1 };
	}
}

static bool accepts(const problem *p, const solution *r)
{
	clast_diag d = { 0 };
	const clast_status s = certificate_check(p, &r->best, &r->proof, &m, &d);
	cr_expect(s == CLAST_OK || s == CLAST_ERROR_DATA);
	cr_expect(s == CLAST_OK || d.message[0] != '\0');
	return s == CLAST_OK;
}

/* Which steps occur, by walking the words as certificate.h describes them. */
static size_t find_step(const certificate *c, int64_t wanted)
{
	size_t found = 0;
	for (size_t i = 0; i < c->words; i++)
		found += c->word[i] == wanted;
	return found;
}

Test(certificate, other_figures_are_rejected)
{
	for (int kind = 0; kind < KINDS; kind++) {
		problem p;
		solution r;
		const solve_options o = make_problem(&p, kind);
		cr_assert_eq(solve(&p, &o, &m, &r, NULL), CLAST_OK);
		cr_assert(accepts(&p, &r));
		const certificate good = r.proof;
		r.proof.cost++;
		cr_expect(!accepts(&p, &r), "cost + 1");
		r.proof.cost = good.cost - 1;
		cr_expect(!accepts(&p, &r), "cost - 1");
		r.proof = good;
		r.proof.bound++;
		cr_expect(!accepts(&p, &r), "bound + 1");
		r.proof = good;
		const uint64_t scales[] = { 0, 1, 3, good.scale / 2, good.scale - 1, UINT64_MAX };
		for (int i = 0; i < 6; i++) {
			r.proof.scale = scales[i];
			if (scales[i] == 0 || scales[i] == UINT64_MAX)
				cr_expect(!accepts(&p, &r), "scale %zu", (size_t)scales[i]);
			else
				accepts(&p, &r); /* a proof without moves holds at any scale */
		}
		r.proof = good;
		solution_release(&r);
		problem_release(&p);
	}
}

Test(certificate, another_assignment_is_rejected)
{
	for (int kind = 0; kind < KINDS; kind++) {
		problem p;
		solution r;
		const solve_options o = make_problem(&p, kind);
		cr_assert_eq(solve(&p, &o, &m, &r, NULL), CLAST_OK);
		for (uint32_t g = 0; g < p.groups; g++) {
			const uint32_t old = r.best.config[g];
			r.best.config[g] = p.group[g].configs + (g & 1) * 1000;
			cr_expect(!accepts(&p, &r), "configuration that does not exist, group %u", g);
			for (uint32_t c = 0; c < p.group[g].configs; c++) {
				bool differs = p.cost[p.group[g].first_config + c] !=
					       p.cost[p.group[g].first_config + old];
				for (uint32_t i = 0; i < p.group[g].ports; i++) {
					const uint32_t port = p.group[g].first_port + i;
					differs = differs || (!p.class[p.port[port].class].constant &&
							      problem_order(&p, port, c) != PROBLEM_ANY &&
							      problem_order(&p, port, c) !=
								      problem_order(&p, port, old));
				}
				r.best.config[g] = c;
				cr_expect(!differs || !accepts(&p, &r), "group %u, configuration %u", g, c);
			}
			r.best.config[g] = old;
		}
		for (uint32_t v = 0; v < p.classes; v++) {
			const uint16_t old = r.best.produced[v];
			r.best.produced[v] = (uint16_t)p.class[v].orders;
			cr_expect(p.class[v].constant || !accepts(&p, &r), "class %u", v);
			r.best.produced[v] = old;
		}
		for (size_t i = 0; i < r.best.conversions; i++) {
			conversion_step *c = &r.best.conversion[i];
			const conversion_step old = *c;
			c->from = (uint32_t)i;
			cr_expect(!accepts(&p, &r), "conversion from itself");
			*c = old;
			c->class = (uint32_t)p.classes;
			cr_expect(!accepts(&p, &r), "conversion of nothing");
			*c = old;
			c->order = (c->order + 1) % p.class[c->class].orders;
			cr_expect(!accepts(&p, &r), "conversion to something else");
			*c = old;
		}
		if (r.best.conversions > 0) {
			r.best.conversions--;
			cr_expect(!accepts(&p, &r), "a conversion left out");
			r.best.conversions++;
		}
		for (uint32_t i = 0; i < p.ports; i++) {
			const uint32_t old = r.best.reads[i];
			r.best.reads[i] = (uint32_t)r.best.conversions;
			cr_expect(p.port[i].produced || p.class[p.port[i].class].constant || !accepts(&p, &r),
				  "port %u", i);
			r.best.reads[i] = old;
		}
		cr_expect(accepts(&p, &r));
		solution_release(&r);
		problem_release(&p);
	}
}

Test(certificate, every_truncation_and_extension_is_rejected)
{
	for (int kind = 0; kind < KINDS; kind++) {
		problem p;
		solution r;
		const solve_options o = make_problem(&p, kind);
		cr_assert_eq(solve(&p, &o, &m, &r, NULL), CLAST_OK);
		const size_t words = r.proof.words;
		for (size_t n = 0; n < words; n += 1 + words / 300) {
			r.proof.words = n;
			cr_expect(!accepts(&p, &r), "%zu of %zu words", n, words);
		}
		r.proof.words = words;
		for (int64_t step = 0; step < 10; step++) {
			cr_assert(
				grow(&m, &r.proof.word, &r.proof.capacity, words + 1, sizeof *r.proof.word));
			r.proof.word[words] = step;
			r.proof.words = words + 1;
			cr_expect(!accepts(&p, &r));
			r.proof.words = words;
		}
		solution_release(&r);
		problem_release(&p);
	}
}

/* A word of a proof changed at random, as a careless or a malicious writer might. */
static void tamper(certificate *c, uint64_t *state)
{
	int64_t *word = &c->word[random_below(state, (uint32_t)c->words)];
	switch (random_below(state, 8)) {
	case 0:
		*word = (int64_t)((uint64_t)*word + 1);
		break;
	case 1:
		*word = (int64_t)((uint64_t)*word - 1);
		break;
	case 2:
		*word = (int64_t) - (uint64_t)*word;
		break;
	case 3:
		*word = random_below(state, 10);
		break;
	case 4:
		*word = (int64_t)((uint64_t)*word ^ ((uint64_t)1 << random_below(state, 64)));
		break;
	case 5:
		*word = random_below(state, 2) ? INT64_MAX : INT64_MIN;
		break;
	case 6:
		*word = (int64_t)((uint64_t)*word + c->scale * random_below(state, 1000));
		break;
	default:
		*word = c->word[random_below(state, (uint32_t)c->words)];
	}
}

/* The claim is false by one: whatever the words, it must not pass. */
Test(certificate, no_tampering_proves_more_than_the_truth)
{
	uint64_t state = 1;
	size_t steps[PROOF_BRANCH + 1] = { 0 };
	for (int kind = 0; kind < KINDS; kind++) {
		problem p;
		solution r;
		assignment worse;
		const solve_options o = make_problem(&p, kind);
		cr_assert_eq(solve(&p, &o, &m, &r, NULL), CLAST_OK);
		cr_assert(r.optimal);
		for (int64_t step = 0; step <= PROOF_BRANCH; step++)
			steps[step] += find_step(&r.proof, step);
		cr_assert_eq(assignment_init(&worse, &p, &m, NULL), CLAST_OK);
		cr_assert_eq(strategy_random(&p, &(strategy_options){ .seed = 5 }, &worse, NULL), CLAST_OK);
		cr_assert_gt(assignment_cost(&worse), r.bound);
		const assignment best = r.best;
		r.best = worse;
		r.proof.cost = assignment_cost(&worse);
		cr_expect(accepts(&p, &r), "the same bound beside a worse assignment");
		r.proof.bound++;
		cr_expect(!accepts(&p, &r));
		int64_t *good = malloc(r.proof.words * sizeof *good);
		memcpy(good, r.proof.word, r.proof.words * sizeof *good);
		for (int i = 0; i < 1500; i++) {
			for (uint32_t changes = 1 + random_below(&state, 3); changes > 0; changes--)
				tamper(&r.proof, &state);
			cr_expect(!accepts(&p, &r), "kind %d, tampering %d", kind, i);
			memcpy(r.proof.word, good, r.proof.words * sizeof *good);
		}
		free(good);
		r.best = best;
		assignment_release(&worse);
		solution_release(&r);
		problem_release(&p);
	}
	for (int64_t step = 0; step <= PROOF_BRANCH; step++)
		cr_expect_gt(steps[step], 0, "no step %d", (int)step);
}

/* Of the words that carry the proof, most cannot change at all. */
Test(certificate, a_changed_proof_of_the_same_claim_is_rejected_or_still_a_proof)
{
	uint64_t state = 2;
	size_t rejected = 0, tried = 0;
	for (int kind = 0; kind < KINDS; kind++) {
		problem p;
		solution r;
		const solve_options o = make_problem(&p, kind);
		cr_assert_eq(solve(&p, &o, &m, &r, NULL), CLAST_OK);
		int64_t *good = malloc(r.proof.words * sizeof *good);
		memcpy(good, r.proof.word, r.proof.words * sizeof *good);
		for (int i = 0; i < 400; i++, tried++) {
			tamper(&r.proof, &state);
			rejected += !accepts(&p, &r);
			memcpy(r.proof.word, good, r.proof.words * sizeof *good);
		}
		free(good);
		solution_release(&r);
		problem_release(&p);
	}
	cr_expect_gt(rejected, tried / 2);
}
