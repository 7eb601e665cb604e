/* Converted graphs compute what they did, whatever the orders, and ask for no more Transpose nodes than
 * needed. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "pass.h"
#include "pattern.h"
#include "random_graph.h"

typedef struct pattern {
	const char *name;
	void (*build)(net *g);
	enum { FIXED, OPEN } extents;
	int64_t opset;
} pattern;

static const pattern patterns[] = {
#define PATTERN(number, name, extents, opset, ...) { #name, pattern_##name, extents, opset },
#include "pattern.def"
#undef PATTERN
};
enum { PATTERNS = sizeof patterns / sizeof *patterns, MOST_OUTPUTS = 8 };

static const extents equal = { .n = 4, .c = 4, .h = 4, .w = 4, .d = 4, .g = 2, .wh = 2, .ww = 2 };
static const extents distinct = { .n = 3, .c = 10, .h = 6, .w = 20, .d = 8, .g = 2, .wh = 3, .ww = 4 };

/* ---- Running ---- */

typedef struct answer {
	size_t count, size[MOST_OUTPUTS];
	double *element[MOST_OUTPUTS];
	int rank[MOST_OUTPUTS];
	int64_t dims[MOST_OUTPUTS][CLAST_MAX_RANK];
} answer;

static void read_output(const clast_tensor *t, answer *a, size_t i)
{
	const clast_dtype type = clast_tensor_dtype(t);
	const size_t n = a->size[i] = clast_tensor_count(t);
	void *raw = malloc(n * 8 + 1);
	a->element[i] = malloc((n + 1) * sizeof(double));
	a->rank[i] = (int)clast_tensor_rank(t);
	memcpy(a->dims[i], clast_tensor_dims(t), clast_tensor_rank(t) * sizeof(int64_t));
	cr_assert_eq(clast_tensor_read(t, raw, n * clast_dtype_bytes(type)), CLAST_OK);
	for (size_t k = 0; k < n; k++)
		a->element[i][k] = type == CLAST_FLOAT32 ? ((float *)raw)[k] : (double)((int64_t *)raw)[k];
	free(raw);
}

static answer run(clast_model *m, size_t n, clast_tensor *const *inputs, const char *what)
{
	clast_diag d = { 0 };
	clast_plan *p;
	clast_session *s;
	clast_tensor *out[MOST_OUTPUTS] = { NULL };
	answer a = { .count = clast_model_output_count(m) };
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s: %s", what, d.message);
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s: %s", what, d.message);
	cr_assert_eq(clast_session_run(s, n, (const clast_tensor *const *)inputs, a.count, out, &d), CLAST_OK,
		     "%s: %s: %s", what, d.node, d.message);
	for (size_t i = 0; i < a.count; i++)
		read_output(out[i], &a, i);
	clast_session_free(&s);
	clast_plan_free(&p);
	return a;
}

static void forget(answer *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->element[i]);
}

static void expect_close(const answer *want, const answer *got, double tolerance, const char *what)
{
	cr_assert_eq(want->count, got->count);
	for (size_t i = 0; i < want->count; i++) {
		double largest = 0, error = 0;
		cr_assert_eq(want->size[i], got->size[i], "%s: output %zu", what, i);
		for (size_t k = 0; k < want->size[i]; k++) {
			largest = fmax(largest, fabs(want->element[i][k]));
			error = fmax(error, fabs(want->element[i][k] - got->element[i][k]));
		}
		cr_expect(error <= tolerance * fmax(largest, 1e-3), "%s: output %zu is off by %g of %g", what,
			  i, error, largest);
	}
}

/* Converts the model in place. Inference has to agree with the extents of the new graph, and every pass runs
 * on it. */
static convert_report convert(clast_model *m, convert_layout layout, convert_layout border,
			      const char *strategy, const char *what)
{
	const convert_options o = {
		.layout = layout, .inputs = border, .outputs = border, .strategy = strategy
	};
	const bool straighten = strategy && !strcmp(strategy, "straighten");
	convert_report r = { 0 };
	clast_diag d = { 0 };
	const clast_status s = straighten ? convert_straighten(m, &d) : convert_model(m, &o, &r, &d);
	cr_assert_eq(s, CLAST_OK, "%s: %s: %s", what, d.node, d.message);
	cr_assert_eq(passes_run(m, &d), CLAST_OK, "%s: %s: %s", what, d.node, d.message);
	return r;
}

/* ---- Patterns ---- */

typedef struct way {
	convert_layout layout;
	const char *strategy; /* or "straighten", as channels-last exports are on import */
} way;

static const way ways[] = { { CONVERT_FIRST, NULL },      { CONVERT_LAST, NULL },
			    { CONVERT_LAST, "last" },     { CONVERT_FIRST, "first" },
			    { CONVERT_LAST, "lazy" },     { CONVERT_LAST, "random:1" },
			    { CONVERT_LAST, "random:2" }, { CONVERT_FIRST, "random:3" },
			    { CONVERT_FIRST, "random:4" },
	                    { CONVERT_FIRST, "straighten" } };

static void build(const pattern *p, const extents *e, bool open, net *g, clast_model **m)
{
	net_begin(g, e, p->opset);
	g->open = open;
	p->build(g);
	*m = net_end(g);
}

static void expect_same_answers(const pattern *p, const extents *e, bool open)
{
	net g;
	clast_model *m;
	build(p, e, open, &g, &m);
	answer want = run(m, g.input_count, g.inputs, p->name);
	clast_model_free(&m);
	net_free_inputs(&g);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		char what[160];
		snprintf(what, sizeof what, "%s, %s extents%s, layout %s, strategy %s", p->name,
			 e == &equal ? "equal" : "distinct", open ? ", unknown" : "",
			 ways[i].layout == CONVERT_LAST ? "last" : "first",
			 ways[i].strategy ? ways[i].strategy : "min");
		build(p, e, open, &g, &m);
		const convert_report r = convert(m, ways[i].layout, CONVERT_KEEP, ways[i].strategy, what);
		answer got = run(m, g.input_count, g.inputs, what);
		expect_close(&want, &got, 1e-5, what);
		if (!ways[i].strategy) {
			cr_expect(r.optimal, "%s: not proved optimal", what);
			cr_expect(r.transposes <= r.transposes_before, "%s: %zu Transpose nodes became %zu",
				  what, r.transposes_before, r.transposes);
		}
		forget(&got);
		clast_model_free(&m);
		net_free_inputs(&g);
	}
	forget(&want);
}

static struct criterion_test_params every_pattern(void)
{
	static size_t index[PATTERNS];
	for (size_t i = 0; i < PATTERNS; i++)
		index[i] = i;
	return cr_make_param_array(size_t, index, PATTERNS);
}

ParameterizedTestParameters(convert, patterns_keep_their_answers)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, convert, patterns_keep_their_answers)
{
	const pattern *p = &patterns[*index];
	expect_same_answers(p, &equal, false);
	expect_same_answers(p, &distinct, false);
	if (p->extents == OPEN)
		expect_same_answers(p, &distinct, true);
}

/* ---- Random graphs ---- */

Test(convert, random_graphs_keep_their_answers)
{
	for (uint64_t seed = 1; seed <= 150; seed++) {
		random_graph g;
		char strategy[24], what[9000];
		random_graph_create(seed, 24, &g);
		answer want = run(g.model, RANDOM_GRAPH_INPUTS, g.inputs, g.text);
		random_graph_free(&g);
		for (int i = 0; i < 4; i++) {
			snprintf(strategy, sizeof strategy, i == 3 ? "straighten" : i ? "random:%d" : "min", (int)seed * 2 + i);
			random_graph_create(seed, 24, &g);
			snprintf(what, sizeof what, "graph %d, %s%s", (int)seed, strategy, g.text);
			convert(g.model, i & 1 ? CONVERT_FIRST : CONVERT_LAST, CONVERT_KEEP, strategy, what);
			answer got = run(g.model, RANDOM_GRAPH_INPUTS, g.inputs, what);
			expect_close(&want, &got, 1e-4, what);
			forget(&got);
			random_graph_free(&g);
		}
		forget(&want);
	}
}
