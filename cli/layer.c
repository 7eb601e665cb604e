/* Sweeps over layers: for every combination of shape, orders and instruction set the strategies are timed against one another. */
#include "layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contest.h"
#include "emit.h"
#include "machine.h"

/* A result. Those of other instruction sets come through a pipe, hence no pointers. */
typedef struct row {
	char layer[160], kind[16], strategy[40], kernels[80], orders[16], isa[16];
	int64_t value[LAYER_KEYS];
	double median_ms, min_ms, mad_ms, p95_ms, ratio, ratio_low, ratio_high;
	double operations, executed, bytes, peak_gflops, bandwidth_gbs;
	size_t transposes, transpose_bytes;
} row;

typedef struct sink {
	emitter json;
	FILE *csv;
	bool text;
	size_t rows;
	char last[160]; /* the layer of the last line */
} sink;

typedef struct sweep {
	const options *o;
	layer_sweep layers[16];
	size_t count;
	machine can;
	const char *isa;
	int pipe; /* rows go there, or to the sink if it is -1 */
	sink *out;
} sweep;

/* ---- Results ---- */

static double percent(const row *r, double operations)
{
	return r->median_ms > 0 ? 100 * operations / (r->peak_gflops * 1e6) / r->median_ms : 0;
}

static void print_row(sink *out, const row *r)
{
	if (!out->rows)
		printf("%-10s %-12s %-9s %-24s %10s %10s %9s %9s %6s %6s %8s %10s  %s\n", "isa", "orders", "strategy", "kernels",
		       "median ms", "min ms", "MAD ms", "GFLOP/s", "eff.", "hw.", "GB/s", "transposes", "time relative to the first");
	if (strcmp(out->last, r->layer))
		printf("%s\n", r->layer);
	snprintf(out->last, sizeof(out->last), "%s", r->layer);
	printf("%-10s %-12s %-9s %-24s %10.4f %10.4f %9.4f %9.1f %5.0f%% %5.0f%% %8.1f %10zu  %.3f [%.3f, %.3f]\n", r->isa, r->orders,
	       r->strategy, r->kernels, r->median_ms, r->min_ms, r->mad_ms, r->operations * 1e-6 / r->median_ms,
	       percent(r, r->operations), percent(r, r->executed), r->bytes * 1e-6 / r->median_ms, r->transposes, r->ratio,
	       r->ratio_low, r->ratio_high);
	fflush(stdout);
}

static void write_csv(const sink *out, const row *r)
{
	static const char *const keys = "n,c,h,w,k,m,stride,dilation,group,pad,parts,scale,linear";
	if (!out->rows)
		fprintf(out->csv,
			"kind,%s,orders,isa,strategy,kernels,median_ms,min_ms,mad_ms,p95_ms,flops,executed_flops,bytes,transposes,"
			"transpose_bytes,ratio,ratio_low,ratio_high,peak_gflops,bandwidth_gbs\n",
			keys);
	fprintf(out->csv, "%s", r->kind);
	for (int key = 0; key < LAYER_KEYS; key++)
		fprintf(out->csv, ",%lld", (long long)r->value[key]);
	fprintf(out->csv, ",%s,%s,%s,%s,%.6f,%.6f,%.6f,%.6f,%.0f,%.0f,%.0f,%zu,%zu,%.4f,%.4f,%.4f,%.2f,%.2f\n", r->orders, r->isa,
		r->strategy, r->kernels, r->median_ms, r->min_ms, r->mad_ms, r->p95_ms, r->operations, r->executed, r->bytes,
		r->transposes, r->transpose_bytes, r->ratio, r->ratio_low, r->ratio_high, r->peak_gflops, r->bandwidth_gbs);
	fflush(out->csv);
}

static void write_json(emitter *j, const row *r)
{
	emit_object(j, NULL);
	emit_string(j, "layer", r->layer);
	emit_string(j, "orders", r->orders);
	emit_string(j, "isa", r->isa);
	emit_string(j, "strategy", r->strategy);
	emit_string(j, "kernels", r->kernels);
	emit_real(j, "median_ms", r->median_ms);
	emit_real(j, "min_ms", r->min_ms);
	emit_real(j, "mad_ms", r->mad_ms);
	emit_real(j, "p95_ms", r->p95_ms);
	emit_real(j, "flops", r->operations);
	emit_real(j, "executed_flops", r->executed);
	emit_real(j, "bytes_moved", r->bytes);
	emit_count(j, "transposes", r->transposes);
	emit_count(j, "bytes", r->transpose_bytes);
	emit_real(j, "ratio", r->ratio);
	emit_real(j, "ratio_low", r->ratio_low);
	emit_real(j, "ratio_high", r->ratio_high);
	emit_real(j, "peak_gflops", r->peak_gflops);
	emit_real(j, "bandwidth_gbs", r->bandwidth_gbs);
	emit_end_object(j);
}

static void take_row(sink *out, const row *r)
{
	progress_clear();
	if (out->text)
		print_row(out, r);
	else if (out->json.file)
		write_json(&out->json, r);
	if (out->csv)
		write_csv(out, r);
	out->rows++;
}

static clast_status give_row(const sweep *w, const row *r, problem *p)
{
	if (w->pipe < 0) {
		take_row(w->out, r);
		return CLAST_OK;
	}
	/* A row is larger than what a pipe takes at once; the parent reads all the time. */
	for (size_t at = 0; at < sizeof(*r);) {
		const ssize_t n = write(w->pipe, (const char *)r + at, sizeof(*r) - at);
		if (n < 0 && errno != EINTR)
			return problem_set(p, CLAST_ERROR_IO, NULL, "a result could not be handed over: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
	return CLAST_OK;
}

/* ---- One layer ---- */

/* "copy+conv+copy", and what the steps have to do. */
static clast_status add_up(const contender *c, row *r)
{
	size_t used = 0;
	for (size_t i = 0; i < clast_plan_step_count(c->plan); i++) {
		clast_step_info step = { .struct_size = sizeof(step) };
		clast_step_work work = { .struct_size = sizeof(work) };
		clast_status s = clast_plan_step(c->plan, i, &step);
		if (!s)
			s = clast_session_get_work(c->session, i, &work);
		if (s)
			return s;
		if (strcmp(step.kernel, "view") && used < sizeof(r->kernels))
			used += (size_t)snprintf(r->kernels + used, sizeof(r->kernels) - used, "%s%s", used ? "+" : "", step.kernel);
		if (step.conversion)
			continue;
		r->operations += work.operations;
		r->executed += work.executed;
		r->bytes += work.bytes;
	}
	return CLAST_OK;
}

static clast_status report(const sweep *w, const layer *l, const char *orders, const contest *c, problem *p)
{
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < c->count; i++) {
		const contender *x = &c->contenders[i];
		row r = { .median_ms = x->time.median, .min_ms = x->time.least, .mad_ms = x->time.mad, .p95_ms = x->time.p95,
			  .ratio = x->ratio.median, .ratio_low = x->ratio.low, .ratio_high = x->ratio.high,
			  .peak_gflops = w->can.gflops, .bandwidth_gbs = w->can.gbytes,
			  .transposes = x->report.transposes + x->report.io_transposes, .transpose_bytes = x->report.transpose_bytes };
		memcpy(r.value, l->value, sizeof(r.value));
		layer_text(l, r.layer, sizeof(r.layer));
		snprintf(r.kind, sizeof(r.kind), "%.*s", (int)strcspn(r.layer, ","), r.layer);
		snprintf(r.strategy, sizeof(r.strategy), "%s", x->name);
		snprintf(r.orders, sizeof(r.orders), "%s", orders);
		snprintf(r.isa, sizeof(r.isa), "%s", w->isa);
		s = problem_in(p, r.layer, add_up(x, &r));
		if (!s)
			s = give_row(w, &r, p);
	}
	return s;
}

/* orders: "first", "last" or "first>last". */
static clast_status time_layer(const sweep *w, const layer *l, const char *orders, problem *p)
{
	options mine = *w->o;
	const char *arrow = strchr(orders, '>');
	char input[8], text[160];
	engine e;
	contest c = { 0 };
	clast_model *m;
	snprintf(input, sizeof(input), "%.*s", (int)strcspn(orders, ">"), orders);
	mine.input_layout = (option_value){ .count = 1, .text = input };
	mine.output_layout = (option_value){ .count = 1, .text = arrow ? arrow + 1 : input };
	layer_text(l, text, sizeof(text));
	clast_status s = problem_in(p, text, layer_build(l, &m, p));
	if (s)
		return s;
	s = engine_adopt(&e, &mine, m, text, p);
	const char *list = mine.strategies.count ? mine.strategies.text : engine_strategy(&mine);
	if (!s)
		s = contest_inputs(&c, &e, &mine, p);
	if (!s)
		s = contest_start(&c, &mine, list, p);
	if (!s)
		s = contest_run(&c, &mine, 0.2, p);
	if (!s)
		s = report(w, l, orders, &c, p);
	contest_free(&c);
	engine_close(&e);
	return s;
}

/* ---- The sweep ---- */

static bool known_orders(const char *text)
{
	static const char *const known[] = { "first", "last", "first>last", "last>first" };
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(text, known[i]))
			return true;
	return false;
}

/* Calls for every part of "a,b"; stops at the first that fails. */
static clast_status for_each(const char *list, clast_status (*call)(void *context, const char *part, problem *p), void *context,
			     problem *p)
{
	char *copy = strdup(list);
	clast_status s = copy ? CLAST_OK : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	for (char *rest = copy; !s && rest;)
		s = call(context, strsep(&rest, ","), p);
	free(copy);
	return s;
}

static clast_status check_orders(void *context, const char *orders, problem *p)
{
	(void)context;
	return known_orders(orders) ? CLAST_OK
				    : problem_set(p, CLAST_ERROR_ARGUMENT, NULL,
						  "--layer-orders %s: expected first, last, first>last or last>first", orders);
}

static clast_status run_orders(void *context, const char *orders, problem *p)
{
	const sweep *w = context;
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < w->count; i++)
		for (size_t k = 0; !s && k < w->layers[i].total; k++) {
			layer l;
			s = interrupted() ? problem_set(p, CLAST_ERROR_CANCELLED, NULL, "interrupted") : layer_at(&w->layers[i], k, &l, p);
			if (!s)
				s = time_layer(w, &l, orders, p);
		}
	return s;
}

static const char *orders_of(const options *o)
{
	return o->layer_orders.count ? o->layer_orders.text : o->input_layout.count ? o->input_layout.text : "first";
}

static clast_status run_sweep(sweep *w, problem *p)
{
	w->isa = clast_cpu_isa();
	if (!machine_measure(threads_used(w->o), &w->can))
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "the machine cannot be measured: not enough memory or threads");
	return for_each(orders_of(w->o), run_orders, w, p);
}

/* In a process of its own: which kernels there are is decided once. */
static int run_child(sweep *w, const char *isa, bool required)
{
	problem p = { 0 };
	setenv("CLAST_ISA", isa, 1);
	if (strcmp(clast_cpu_isa(), isa)) {
		if (!required)
			return EXIT_FINE;
		problem_set(&p, CLAST_ERROR_ARGUMENT, NULL, "--isas %s: this machine has no such instruction set; its best is %s", isa,
			    clast_cpu_isa());
		return problem_report(&p);
	}
	return run_sweep(w, &p) ? problem_report(&p) : EXIT_FINE;
}

static bool read_row(int from, row *r)
{
	for (size_t at = 0; at < sizeof(*r);) {
		const ssize_t n = read(from, (char *)r + at, sizeof(*r) - at);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static int run_isa(sweep *w, const char *isa, bool required)
{
	int ends[2], status;
	row r;
	if (pipe(ends)) {
		report_error(NULL, "%s", strerror(errno));
		return EXIT_IO;
	}
	fflush(NULL);
	const pid_t child = fork();
	if (!child) {
		close(ends[0]);
		w->pipe = ends[1];
		_exit(run_child(w, isa, required));
	}
	close(ends[1]);
	while (child > 0 && read_row(ends[0], &r))
		take_row(w->out, &r);
	close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		report_error(NULL, "no process for the instruction set %s: %s", isa, strerror(errno));
		return EXIT_IO;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_IO;
}

static int run_isas(sweep *w)
{
	static const char *const all[] = { "portable", "avx2", "avx512", "neon" };
	const char *list = w->o->isas.text;
	int code = EXIT_FINE;
	if (!strcmp(list, "all")) {
		for (size_t i = 0; !code && i < sizeof(all) / sizeof(*all); i++)
			code = run_isa(w, all[i], false);
		return code;
	}
	char *copy = strdup(list);
	for (char *rest = copy; !code && rest;)
		code = run_isa(w, strsep(&rest, ","), true);
	free(copy);
	return code;
}

/* Everything that can be said to be wrong before the first measurement. */
static clast_status prepare(sweep *w, problem *p)
{
	clast_status s = for_each(orders_of(w->o), check_orders, NULL, p);
	if (!s && w->o->layer.count > sizeof(w->layers) / sizeof(*w->layers))
		s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "more than %zu layers", sizeof(w->layers) / sizeof(*w->layers));
	if (!s && w->o->argument_count)
		s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer takes the place of a model: %s is one too many",
				w->o->arguments[0]);
	if (!s && w->o->csv.count && !strcmp(w->o->csv.text, "-") && w->o->json.count && !w->o->json.text)
		s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--csv -: --json writes to standard output already");
	for (size_t i = 0; !s && i < w->o->layer.count; i++) {
		w->count++;
		s = layer_sweep_parse(&w->layers[i], w->o->layer.texts[i], p);
		for (size_t k = 0; !s && k < w->layers[i].total; k++) {
			layer l;
			s = layer_at(&w->layers[i], k, &l, p);
		}
	}
	return s;
}

static bool open_sink(sink *out, const options *o)
{
	*out = (sink){ .text = !o->json.count };
	if (o->csv.count) {
		out->csv = strcmp(o->csv.text, "-") ? fopen(o->csv.text, "w") : stdout;
		out->text &= out->csv != stdout;
		if (!out->csv) {
			report_error(o->csv.text, "%s", strerror(errno));
			return false;
		}
	}
	if (!o->json.count)
		return true;
	if (!emit_open(&out->json, o))
		return false;
	emit_object(&out->json, NULL);
	emit_count(&out->json, "threads", threads_used(o));
	emit_array(&out->json, "results");
	return true;
}

static bool close_sink(sink *out)
{
	bool fine = true;
	if (out->csv) {
		fine = !ferror(out->csv) && !fflush(out->csv);
		if (out->csv != stdout)
			fine &= !fclose(out->csv);
		if (!fine)
			report_error("CSV", "cannot be written");
	}
	if (!out->json.file)
		return fine;
	emit_end_array(&out->json);
	emit_end_object(&out->json);
	return emit_close(&out->json) && fine;
}

int bench_layers(const options *o)
{
	sink out;
	sweep w = { .o = o, .pipe = -1, .out = &out };
	problem p = { 0 };
	int code;
	if (!strcmp(o->layer.text, "help")) {
		layer_help();
		return EXIT_FINE;
	}
	if (prepare(&w, &p)) {
		code = problem_report(&p);
	} else if (!open_sink(&out, o)) {
		code = EXIT_IO;
	} else {
		code = o->isas.count ? run_isas(&w) : run_sweep(&w, &p) ? problem_report(&p) : EXIT_FINE;
		if (!close_sink(&out) && !code)
			code = EXIT_IO;
	}
	for (size_t i = 0; i < w.count; i++)
		layer_sweep_free(&w.layers[i]);
	return code;
}
