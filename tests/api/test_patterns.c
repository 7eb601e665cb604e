/* The patterns that break converters: right results by every strategy, and no conversion of order more than needed. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

typedef struct pattern {
	int number;
	const char *name;
	void (*build)(net *g);
	enum { FIXED, OPEN } extents;
	int64_t opset;
	size_t least, reached;
	const char *why;
} pattern;

static const pattern patterns[] = {
#define PATTERN(number, name, extents, opset, least, reached, why) { number, #name, pattern_##name, extents, opset, least, reached, why },
#include "pattern.def"
#undef PATTERN
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

static const extents equal = { .n = 4, .c = 4, .h = 4, .w = 4, .d = 4, .g = 2, .wh = 2, .ww = 2 };
static const extents distinct = { .n = 3, .c = 10, .h = 6, .w = 20, .d = 8, .g = 2, .wh = 3, .ww = 4 };

/* What unknown heights and widths count as. The batch is 1 in both twins: where it is known to be, orders do not say where its axis lies. */
static const extents representative = { .n = 1, .c = 10, .h = 224, .w = 224, .d = 8, .g = 2, .wh = 7, .ww = 8 };

typedef struct built {
	const pattern *p;
	const char *which;
	net g;
	clast_model *m;
} built;

static void build(const pattern *p, const extents *e, bool open, built *x)
{
	*x = (built){ .p = p, .which = e == &equal ? "equal extents" : "distinct extents" };
	net_begin(&x->g, e, p->opset);
	x->g.open = open;
	p->build(&x->g);
	x->m = net_end(&x->g);
}

static void release(built *x)
{
	clast_model_free(&x->m);
	net_free_inputs(&x->g);
}

/* Params hold an index and not the pattern, whose pointers mean nothing in the process that runs the test. */
static struct criterion_test_params every_pattern(void)
{
	static size_t index[PATTERNS];
	for (size_t i = 0; i < PATTERNS; i++)
		index[i] = i;
	return cr_make_param_array(size_t, index, PATTERNS);
}

/* ---- Results ---- */

#define MAX_OUTPUTS 4

typedef struct answer {
	size_t count, size[MAX_OUTPUTS];
	double *element[MAX_OUTPUTS];
} answer;

static double *read_output(const clast_tensor *t, size_t *count)
{
	*count = clast_tensor_count(t);
	double *x = malloc((*count + 1) * sizeof *x);
	void *raw = malloc(*count * 8 + 1);
	const clast_dtype type = clast_tensor_dtype(t);
	cr_assert_eq(clast_tensor_read(t, raw, *count * clast_dtype_bytes(type)), CLAST_OK);
	for (size_t i = 0; i < *count; i++)
		x[i] = type == CLAST_FLOAT32 ? ((float *)raw)[i] : (double)((int64_t *)raw)[i];
	free(raw);
	return x;
}

static clast_plan *plan_of(const built *x, const clast_plan_options *o)
{
	clast_diag d = { 0 };
	clast_plan *p;
	cr_assert_eq(clast_plan_create(x->m, o, &p, &d), CLAST_OK, "%s, %s: %s", x->p->name, x->which, d.message);
	return p;
}

static answer run(const built *x, const clast_plan_options *o)
{
	clast_diag d = { 0 };
	clast_session *s;
	clast_plan *p = plan_of(x, o);
	answer a = { .count = clast_model_output_count(x->m) };
	clast_tensor *out[MAX_OUTPUTS] = { NULL };
	cr_assert_eq(clast_session_create(p, NULL, &s, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_run(s, x->g.input_count, (const clast_tensor *const *)x->g.inputs, a.count, out, &d), CLAST_OK,
	             "%s, %s, %s: %s: %s", x->p->name, x->which, o->strategy, d.node, d.message);
	for (size_t i = 0; i < a.count; i++)
		a.element[i] = read_output(out[i], &a.size[i]);
	clast_session_free(&s);
	clast_plan_free(&p);
	return a;
}

static void forget(answer *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->element[i]);
}

static void expect_close(const built *x, const char *strategy, const answer *want, const answer *got)
{
	for (size_t i = 0; i < want->count; i++) {
		double largest = 0, error = 0;
		cr_assert_eq(want->size[i], got->size[i]);
		for (size_t k = 0; k < want->size[i]; k++) {
			largest = fmax(largest, fabs(want->element[i][k]));
			error = fmax(error, fabs(want->element[i][k] - got->element[i][k]));
		}
		cr_expect(largest > 0, "%s, %s: output %zu is zero", x->p->name, x->which, i);
		cr_expect(error <= 1e-5 * largest, "%s, %s, %s: output %zu is off by %g of %g", x->p->name, x->which, strategy, i,
		          error, largest);
	}
}

static void expect_same_results(const pattern *p, const extents *e, bool open)
{
	static const char *const strategies[] = { "wrap", "first",    "last",     "blocked",  "lazy",
		                                  "push", "min",      "random:1", "random:2", "random:3" };
	static const char *const layouts[] = { "first", "last" };
	built x;
	build(p, e, open, &x);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .precision = CLAST_PRECISION_REFERENCE };
	answer want = run(&x, &o);
	o.precision = CLAST_PRECISION_DEFAULT;
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
		o.strategy = strategies[i];
		o.input_layout = o.output_layout = layouts[i % 2];
		answer got = run(&x, &o);
		expect_close(&x, strategies[i], &want, &got);
		forget(&got);
	}
	forget(&want);
	release(&x);
}

ParameterizedTestParameters(patterns, every_strategy_gives_the_answer_of_the_references)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, every_strategy_gives_the_answer_of_the_references)
{
	expect_same_results(&patterns[*index], &equal, false);
	expect_same_results(&patterns[*index], &distinct, false);
}

/* ---- Conversions ---- */

/* What is left inside when inputs and outputs may come in the order that suits best: they are tried in both. */
static size_t conversions_inside(const built *x)
{
	size_t least = SIZE_MAX;
	for (int i = 0; i < 4; i++) {
		clast_plan_report r = { .struct_size = sizeof r };
		const clast_plan_options o = { .struct_size = sizeof o,
			                       .strategy = "min",
			                       .objective = "count",
			                       .input_layout = i & 1 ? "last" : "first",
			                       .output_layout = i & 2 ? "last" : "first" };
		clast_plan *p = plan_of(x, &o);
		cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
		cr_expect(r.optimal, "%s, %s: not proved optimal", x->p->name, x->which);
		const size_t inside = r.transposes + r.io_transposes;
		least = inside < least ? inside : least;
		clast_plan_free(&p);
	}
	return least;
}

static size_t expect_conversions(const pattern *p, const extents *e)
{
	built x;
	build(p, e, false, &x);
	const size_t found = conversions_inside(&x);
	cr_expect(found >= p->least, "%s, %s: %zu conversions inside are fewer than the least, %zu: correct the table", p->name, x.which,
	          found, p->least);
	cr_expect(found <= p->reached, "%s, %s: %zu conversions inside, expected %zu%s%s%s", p->name, x.which, found, p->reached,
	          p->why ? " (" : "", p->why ? p->why : "", p->why ? ")" : "");
	release(&x);
	return found;
}

ParameterizedTestParameters(patterns, min_converts_no_more_than_needed)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, min_converts_no_more_than_needed)
{
	const pattern *p = &patterns[*index];
	const size_t a = expect_conversions(p, &equal), b = expect_conversions(p, &distinct);
	if (a < p->reached && b < p->reached)
		cr_log_warn("%s: %zu conversions inside instead of %zu: pattern.def can say so", p->name, a > b ? a : b, p->reached);
}

/* ---- Reports ---- */

/* Each conversion says what is converted, from what to what, and why; together they are the totals. */
static void expect_report(const built *x, const char *strategy)
{
	const clast_plan_options o = { .struct_size = sizeof o, .strategy = strategy };
	clast_plan_report r = { .struct_size = sizeof r };
	clast_plan *p = plan_of(x, &o);
	size_t bytes = 0, inside = 0;
	cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
	for (size_t i = 0; i < clast_plan_transpose_count(p); i++) {
		clast_transpose_info t = { .struct_size = sizeof t };
		clast_step_info s = { .struct_size = sizeof s };
		cr_assert_eq(clast_plan_transpose(p, i, &t), CLAST_OK);
		cr_assert_eq(clast_plan_step(p, t.step, &s), CLAST_OK);
		cr_expect(s.conversion && *t.value && *t.reason && *t.remedy && t.bytes > 0 && t.times > 0, "%s, %s: %s", x->p->name, strategy, t.value);
		cr_expect(strcmp(t.from, t.to) != 0, "%s, %s: %s is converted from %s to %s", x->p->name, strategy, t.value, t.from, t.to);
		bytes += t.io ? 0 : t.bytes * t.times;
		inside += !t.io;
	}
	cr_expect_eq(bytes, r.transpose_bytes);
	cr_expect_eq(inside, r.transposes);
	cr_expect_eq(clast_plan_transpose_count(p), r.transposes + r.io_transposes);
	clast_plan_free(&p);
}

ParameterizedTestParameters(patterns, every_conversion_is_reported)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, every_conversion_is_reported)
{
	static const char *const strategies[] = { "min", "wrap", "last", "random:1" };
	built x;
	build(&patterns[*index], &distinct, false, &x);
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
		expect_report(&x, strategies[i]);
	release(&x);
}

/* ---- Orders given by the caller ---- */

/* Each value that `first` computes, in the order that it has there: a plan that is possible, whatever `min` would prefer. */
static size_t orders_of(const clast_plan *p, clast_value_order *orders, size_t most)
{
	size_t n = 0;
	for (size_t i = 0; i < clast_plan_step_count(p) && n < most; i++) {
		clast_step_info s = { .struct_size = sizeof s };
		cr_assert_eq(clast_plan_step(p, i, &s), CLAST_OK);
		if (!s.conversion && s.shape.rank >= 0)
			orders[n++] = (clast_value_order){ s.output, s.order };
	}
	return n;
}

static const char *order_in(const clast_plan *p, const char *value)
{
	for (size_t i = 0; i < clast_plan_step_count(p); i++) {
		clast_step_info s = { .struct_size = sizeof s };
		cr_assert_eq(clast_plan_step(p, i, &s), CLAST_OK);
		if (!s.conversion && !strcmp(s.output, value))
			return s.order;
	}
	return NULL;
}

ParameterizedTestParameters(patterns, values_lie_in_the_orders_that_the_caller_gives)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, values_lie_in_the_orders_that_the_caller_gives)
{
	built x;
	build(&patterns[*index], &distinct, false, &x);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .precision = CLAST_PRECISION_REFERENCE };
	answer want = run(&x, &o);
	static const char *const sources[] = { "first", "min" };
	for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
		clast_value_order orders[64];
		const clast_plan_options source = { .struct_size = sizeof source, .strategy = sources[k] };
		clast_plan *model = plan_of(&x, &source);
		const clast_plan_options manual = { .struct_size = sizeof manual,
			                            .strategy = "manual",
			                            .order_count = orders_of(model, orders, 64),
			                            .orders = orders };
		clast_plan *p = plan_of(&x, &manual);
		for (size_t i = 0; i < manual.order_count; i++) {
			const char *found = order_in(p, orders[i].value);
			cr_expect(!found || !strcmp(found, orders[i].order), "%s: %s lies in %s, not %s", x.p->name, orders[i].value, found,
			          orders[i].order);
		}
		clast_plan_free(&p);
		answer got = run(&x, &manual);
		expect_close(&x, "manual", &want, &got);
		forget(&got);
		clast_plan_free(&model);
	}
	forget(&want);
	release(&x);
}

/* ---- Objectives ---- */

ParameterizedTestParameters(patterns, orders_by_measured_times_are_proved_and_right)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, orders_by_measured_times_are_proved_and_right)
{
	built x;
	build(&patterns[*index], &distinct, false, &x);
	clast_plan_options o = { .struct_size = sizeof o, .strategy = "min", .precision = CLAST_PRECISION_REFERENCE };
	clast_plan_report r = { .struct_size = sizeof r };
	answer want = run(&x, &o);
	o.precision = CLAST_PRECISION_DEFAULT;
	o.objective = "measured";
	clast_plan *p = plan_of(&x, &o);
	cr_assert_eq(clast_plan_get_report(p, &r), CLAST_OK);
	cr_expect(r.optimal && r.layout_bound == r.layout_cost, "%s: not proved optimal", x.p->name);
	clast_plan_free(&p);
	answer got = run(&x, &o);
	expect_close(&x, "min by measured times", &want, &got);
	forget(&got);
	forget(&want);
	release(&x);
}

/* Conversions alone: what moves fewest bytes moves no more than what is fastest, within the kernels made for channels-last. */
ParameterizedTestParameters(patterns, each_objective_is_least_in_what_it_counts)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, each_objective_is_least_in_what_it_counts)
{
	built x;
	size_t moved[2], made[2];
	build(&patterns[*index], &distinct, false, &x);
	for (int i = 0; i < 2; i++) {
		const clast_plan_options o = { .struct_size = sizeof o, .objective = i ? "count" : "bytes" };
		clast_plan *p = plan_of(&x, &o);
		moved[i] = made[i] = 0;
		for (size_t k = 0; k < clast_plan_transpose_count(p); k++) {
			clast_transpose_info t = { .struct_size = sizeof t };
			cr_assert_eq(clast_plan_transpose(p, k, &t), CLAST_OK);
			moved[i] += t.bytes * t.times;
			made[i] += t.times;
		}
		clast_plan_free(&p);
	}
	cr_expect(made[1] <= made[0], "%s: by count %zu conversions, by bytes %zu", x.p->name, made[1], made[0]);
	cr_expect(moved[0] <= moved[1], "%s: by bytes %zu bytes, by count %zu", x.p->name, moved[0], moved[1]);
	release(&x);
}

/* ---- Extents that the model does not know ---- */

/* Values in the order in which they are computed, with their orders; but for shapes, which are computed only if they are not known. */
static void describe(const built *x, const char *objective, char *text, size_t size)
{
	const clast_plan_options o = { .struct_size = sizeof o, .objective = objective };
	clast_plan *p = plan_of(x, &o);
	size_t used = 0;
	text[0] = 0;
	for (size_t i = 0; i < clast_plan_step_count(p) && used < size; i++) {
		clast_step_info info = { .struct_size = sizeof info };
		cr_assert_eq(clast_plan_step(p, i, &info), CLAST_OK);
		if (info.shape.dtype != CLAST_INT64)
			used += (size_t)snprintf(text + used, size - used, "%s %s: %s\n", info.op, info.output, info.order);
	}
	cr_assert_lt(used, size);
	clast_plan_free(&p);
}

/* An order that splits an axis names extents: in numbers as in words. */
static void put_numbers(const extents *e, char *text)
{
	char number[32];
	const int n = snprintf(number, sizeof number, "%lld", (long long)(e->h * e->w));
	for (char *at; (at = strstr(text, "h*w"));) {
		memmove(at + n, at + 3, strlen(at + 3) + 1);
		memcpy(at, number, (size_t)n);
	}
}

static void expect_same_orders(const pattern *p, const extents *e, const char *objective)
{
	static char known[1 << 14], unknown[1 << 15];
	built x;
	build(p, e, false, &x);
	describe(&x, objective, known, sizeof known);
	release(&x);
	build(p, e, true, &x);
	describe(&x, objective, unknown, sizeof unknown);
	put_numbers(e, unknown);
	release(&x);
	cr_expect(!strcmp(known, unknown), "%s, by %s: with all extents known\n%swith unknown ones\n%s", p->name, objective, known,
	          unknown);
}

ParameterizedTestParameters(patterns, orders_do_not_depend_on_batch_height_and_width)
{
	return every_pattern();
}

ParameterizedTest(size_t *index, patterns, orders_do_not_depend_on_batch_height_and_width)
{
	const pattern *p = &patterns[*index];
	if (p->extents == OPEN) {
		expect_same_orders(p, &distinct, "count");
		expect_same_orders(p, &representative, "time");
		expect_same_orders(p, &representative, "bytes");
	}
	expect_same_results(p, &distinct, true);
}
