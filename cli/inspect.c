/* clast inspect: the plan of a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspection.h"

void bytes_text(size_t bytes, char text[24])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double x = (double)bytes;
	size_t u = 0;
	for (; x >= 1024 && u < 4; u++)
		x /= 1024;
	snprintf(text, 24, u ? "%.1f %s" : "%.0f %s", x, units[u]);
}

const char *engine_objective(const options *o)
{
	return o->objective.count ? o->objective.text : "time";
}

/* ---- Reading the plan ---- */

static clast_status read_steps(inspection *i, problem *p)
{
	i->step_count = clast_plan_step_count(i->e.plan);
	i->steps = calloc(i->step_count + 1, sizeof(*i->steps));
	if (!i->steps)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	clast_status s = CLAST_OK;
	for (size_t k = 0; !s && k < i->step_count; k++) {
		i->steps[k].struct_size = sizeof(*i->steps);
		s = clast_plan_step(i->e.plan, k, &i->steps[k]);
	}
	return s;
}

static clast_status read_transposes(inspection *i, problem *p)
{
	i->transpose_count = clast_plan_transpose_count(i->e.plan);
	i->transposes = calloc(i->transpose_count + 1, sizeof(*i->transposes));
	if (!i->transposes)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	clast_status s = CLAST_OK;
	for (size_t k = 0; !s && k < i->transpose_count; k++) {
		i->transposes[k].struct_size = sizeof(*i->transposes);
		s = clast_plan_transpose(i->e.plan, k, &i->transposes[k]);
	}
	return s;
}

static clast_status read_report(const clast_plan *plan, clast_plan_report *r)
{
	*r = (clast_plan_report){ .struct_size = sizeof(*r) };
	return clast_plan_get_report(plan, r);
}

static clast_status read_plan(inspection *i, const options *o, problem *p)
{
	clast_status s = engine_load(&i->e, o, o->arguments[0], p);
	if (!s)
		s = engine_plan(&i->e, o, NULL, &i->e.plan, p);
	if (!s)
		s = problem_in(p, i->e.path, read_report(i->e.plan, &i->report));
	if (!s)
		s = problem_in(p, i->e.path, read_steps(i, p));
	if (!s)
		s = problem_in(p, i->e.path, read_transposes(i, p));
	if (!s && (o->json.count || o->layout.count || o->html.count))
		s = strategies_plan(&i->e, o, "all", i->plans, &i->plan_count, p);
	for (size_t k = 0; !s && k < i->plan_count; k++)
		s = problem_in(p, i->e.path, read_report(i->plans[k].plan, &i->reports[k]));
	return s;
}

/* ---- Text ---- */

static void print_values(const char *title, const clast_value_info *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[300];
		value_text(&values[i], text, sizeof(text));
		printf("%-9s %-28s %s\n", title, values[i].name, text);
	}
}

static int by_reason(const void *a, const void *b)
{
	const clast_step_info *x = *(const clast_step_info *const *)a, *y = *(const clast_step_info *const *)b;
	const int reason = strcmp(x->place_reason, y->place_reason);
	return reason ? reason : strcmp(x->op, y->op);
}

/* Steps on either side, and why each of those on the CPU is there. */
static void print_places(const inspection *i)
{
	const clast_plan_report *r = &i->report;
	char moved[24];
	bytes_text(r->device_copy_bytes, moved);
	printf("device    %zu steps on the device, %zu on the CPU; %zu copies between them move %s a run (%s)\n", r->device_steps,
	       r->cpu_steps, r->device_copies, moved,
	       r->placement_cost == r->placement_bound ? "no other placement is better" : "not proved best");
	const clast_step_info **away = calloc(i->step_count + 1, sizeof(*away));
	size_t count = 0;
	for (size_t k = 0; away && k < i->step_count; k++)
		if (*i->steps[k].place && strcmp(i->steps[k].place, "device") != 0)
			away[count++] = &i->steps[k];
	if (away)
		qsort(away, count, sizeof(*away), by_reason);
	for (size_t k = 0, run; k < count; k += run) {
		for (run = 1; k + run < count && !by_reason(&away[k], &away[k + run]);)
			run++;
		printf("%-9s %zu x %s: %s%s%s\n", away[k]->place, run, away[k]->op, away[k]->place_reason, run > 1 ? "" : ": ",
		       run > 1 ? "" : away[k]->node);
	}
	free(away);
}

static void print_summary(const inspection *i)
{
	const clast_plan_report *r = &i->report;
	char transposed[24], copied[24], bound[24], arena[24], live[24], weights[24];
	bytes_text(r->transpose_bytes, transposed);
	bytes_text(r->copy_bytes, copied);
	bytes_text(r->lower_bound_bytes, bound);
	bytes_text(r->arena_bytes, arena);
	bytes_text(r->arena_bound_bytes, live);
	bytes_text(r->weights_bytes, weights);
	printf("plan      %zu nodes in %zu steps, %zu by reference\n", r->nodes, r->steps,
	       r->reference_steps);
	printf("layout    %zu transposes inside and %zu for inputs and outputs move %s (%s); copies %s\n",
	       r->transposes, r->io_transposes, transposed, r->optimal ? "optimal" : "not proved optimal",
	       copied);
	if (r->optimal)
		printf("bound     no plan of this graph and these kernels moves less than %s\n", bound);
	else
		printf("bound     none is proved\n");
	printf("memory    arena %s (at least %s live at one time), packed weights %s\n", arena, live, weights);
	if (r->tuned_layers)
		printf("tuning    %zu layers have a choice, %zu timed now; %zu run in another way than without\n", r->tuned_layers,
		       r->timed_layers, r->changed_layers);
	if (r->device_steps || r->cpu_steps)
		print_places(i);
}

static void print_steps(const inspection *i)
{
	printf("\n%5s  %-28s %-14s %-24s %-12s %s\n", "step", "operator", "kernel", "output", "order",
	       "node");
	for (size_t k = 0; k < i->step_count; k++) {
		const clast_step_info *s = &i->steps[k];
		char text[300], op[200];
		value_text(&s->shape, text, sizeof(text));
		snprintf(op, sizeof(op), "%s%s%s", s->op, *s->fused ? " +" : "", s->fused);
		const char *shade = "";
		if (s->conversion)
			shade = colour_out(COLOUR_YELLOW);
		else if (!strcmp(s->kernel, "reference"))
			shade = colour_out(COLOUR_DIM);
		printf("%s%5zu  %-28s %-14s %-24s %-12s %s%s\n", shade, k, op, s->kernel, text, s->order,
		       s->node, *shade ? colour_out(COLOUR_NONE) : "");
	}
}

static void print_transposes(const inspection *i)
{
	printf("\n%s\n", i->transpose_count ? "conversions of order" : "no conversions of order");
	for (size_t k = 0; k < i->transpose_count; k++) {
		const clast_transpose_info *t = &i->transposes[k];
		char size[24], times[40] = "";
		bytes_text(t->bytes, size);
		if (t->times != 1)
			snprintf(times, sizeof(times), ", %zu times", t->times);
		printf("%12s  %s%s%s from %s to %s%s%s\n", size, colour_out(COLOUR_YELLOW), t->value, colour_out(COLOUR_NONE), t->from, t->to,
		       times, t->io ? ", for inputs and outputs" : "");
		printf("%12s  forced: %s%s%s%s\n", "", t->reason, *t->node ? " (" : "", t->node, *t->node ? ")" : "");
		printf("%12s  needless with %s\n", "", t->remedy);
	}
}

static void print_certificate(const options *o, const clast_plan_report *r)
{
	static const char *const units[][2] = { { "time", "times a byte's conversion" }, { "measured", "ns" }, { "bytes", "bytes" },
						{ "count", "conversions" } };
	const char *objective = engine_objective(o), *unit = "";
	for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++)
		unit = strcmp(objective, units[k][0]) ? unit : units[k][1];
	printf("\nby %s these orders cost %llu %s; ", objective, (unsigned long long)r->layout_cost, unit);
	if (r->optimal)
		printf("that no others cost less is proved\n");
	else if (r->left_out && r->layout_bound == r->layout_cost)
		printf("that none cost less is proved of those weighed: %zu orders and ways were too many, the first at %s\n", r->left_out,
		       r->left_out_at);
	else if (r->layout_bound)
		printf("that none cost less than %llu is proved: a gap of %llu\n", (unsigned long long)r->layout_bound,
		       (unsigned long long)(r->layout_cost - r->layout_bound));
	else
		printf("this strategy proves nothing about others\n");
}

static void print_strategies(const inspection *i)
{
	printf("\n%-10s %10s %14s %14s %14s\n", "strategy", "transposes", "bytes moved", "in and out", "bytes copied");
	for (size_t k = 0; k < i->plan_count; k++)
		printf("%-10s %10zu %14zu %14zu %14zu\n", i->plans[k].name, i->reports[k].transposes, i->reports[k].transpose_bytes,
		       i->reports[k].io_transposes, i->reports[k].copy_bytes);
}

static double elements_of_step(const clast_step_info *s)
{
	double n = s->shape.rank < 0 ? 0 : (double)clast_dtype_bytes(s->shape.dtype);
	for (int a = 0; a < s->shape.rank; a++)
		n *= s->shape.dims[a] < 0 ? 1 : (double)s->shape.dims[a];
	return n;
}

static int by_size(const void *a, const void *b)
{
	const double x = elements_of_step(*(const clast_step_info *const *)a),
		     y = elements_of_step(*(const clast_step_info *const *)b);
	return (x < y) - (x > y);
}

static void print_largest(const inspection *i)
{
	const clast_step_info **sorted = calloc(i->step_count + 1, sizeof(*sorted));
	if (!sorted)
		return;
	for (size_t k = 0; k < i->step_count; k++)
		sorted[k] = &i->steps[k];
	qsort(sorted, i->step_count, sizeof(*sorted), by_size);
	printf("\nlargest values\n");
	for (size_t k = 0; k < i->step_count && k < 10; k++) {
		char text[300], size[24];
		value_text(&sorted[k]->shape, text, sizeof(text));
		bytes_text((size_t)elements_of_step(sorted[k]), size);
		printf("%12s  %-30s %-28s by %s\n", size, sorted[k]->output, text, sorted[k]->op);
	}
	free(sorted);
}

static int by_kernel(const void *a, const void *b)
{
	const clast_step_info *x = *(const clast_step_info *const *)a,
			      *y = *(const clast_step_info *const *)b;
	const int op = strcmp(x->op, y->op);
	return op ? op : strcmp(x->kernel, y->kernel);
}

static void print_ops(const inspection *i)
{
	const clast_step_info **sorted = calloc(i->step_count + 1, sizeof(*sorted));
	if (!sorted)
		return;
	for (size_t k = 0; k < i->step_count; k++)
		sorted[k] = &i->steps[k];
	qsort(sorted, i->step_count, sizeof(*sorted), by_kernel);
	printf("\n%6s  %-24s %s\n", "steps", "operator", "kernel");
	for (size_t k = 0, run; k < i->step_count; k += run) {
		for (run = 1; k + run < i->step_count && !by_kernel(&sorted[k], &sorted[k + run]);)
			run++;
		printf("%6zu  %-24s %s\n", run, sorted[k]->op, sorted[k]->kernel);
	}
	free(sorted);
}

int command_inspect(const options *o)
{
	if (!arguments_expected(o, 1))
		return EXIT_USAGE;
	inspection *i = calloc(1, sizeof(*i));
	problem p = { 0 };
	clast_status s = i ? read_plan(i, o, &p) : problem_set(&p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	int code = s ? problem_report(&p) : EXIT_FINE;
	if (!s && o->json.count) {
		code = inspection_json(o, i);
	} else if (!s) {
		print_values("input", i->e.inputs, i->e.input_count);
		print_values("output", i->e.outputs, i->e.output_count);
		print_summary(i);
		if (o->layout.count) {
			print_steps(i);
			print_transposes(i);
			print_certificate(o, &i->report);
			print_strategies(i);
		}
		if (o->memory.count)
			print_largest(i);
		if (o->ops_used.count)
			print_ops(i);
	}
	if (!s && !code)
		code = inspection_pictures(o, i);
	if (i) {
		free(i->transposes);
		strategies_free(i->plans, i->plan_count);
		free(i->steps);
		engine_close(&i->e);
	}
	free(i);
	return code;
}
