/* clast bench: interleaved timings of strategies; times of steps; single layers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contest.h"
#include "emit.h"
#include "layer.h"
#include "resident.h"
#include "step_times.h"

typedef struct bench {
	engine e;
	contest c;
	step_times steps;
	double load_ms, first_ms;
	size_t peak_bytes;
} bench;

/* ---- Running ---- */

/* From the file to the first answer, with the memory that it takes, before anything else is made. */
static clast_status start_first(bench *b, const options *o, problem *p)
{
	const size_t before = resident_start();
	double start = now_ms();
	clast_status s = engine_load(&b->e, o, o->arguments[0], p);
	const char *list = o->strategies.count ? o->strategies.text : engine_strategy(o);
	char first[40];
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(list, ","), strcmp(list, "all") ? list : "min");
	if (!s)
		s = engine_plan(&b->e, o, first, &b->e.plan, p);
	if (!s)
		s = engine_start(&b->e, o, b->e.plan, 0, NULL, NULL, &b->e.session, p);
	b->load_ms = now_ms() - start;
	if (!s)
		s = contest_inputs(&b->c, &b->e, o, p);
	start = now_ms();
	if (!s)
		s = engine_run(&b->e, b->c.inputs, b->c.outputs, p);
	b->first_ms = now_ms() - start;
	const size_t peak = resident_peak();
	b->peak_bytes = peak > before ? peak - before : 0;
	clast_session_free(&b->e.session);
	clast_plan_free(&b->e.plan);
	return s;
}

/* ---- Results ---- */

static void print_text(const bench *b, const options *o)
{
	printf("%-12s %10s %10s %10s %10s %10s %14s", "strategy", "median ms", "min ms", "MAD ms", "p95 ms",
	       "transposes", "bytes moved");
	puts(b->c.count > 1 ? "  time relative to the first" : "");
	for (size_t i = 0; i < b->c.count; i++) {
		const contender *c = &b->c.contenders[i];
		printf("%-12s %10.3f %10.3f %10.3f %10.3f %10zu %14zu", c->name, c->time.median,
		       c->time.least, c->time.mad, c->time.p95, c->report.transposes,
		       c->report.transpose_bytes);
		if (b->c.count > 1)
			printf("  %.3f [%.3f, %.3f]", c->ratio.median, c->ratio.low, c->ratio.high);
		putchar('\n');
	}
	printf("%zu rounds on %zu threads; load %.1f ms, first run %.1f ms, peak memory %.1f MiB\n",
	       b->c.rounds, threads_used(o), b->load_ms, b->first_ms, (double)b->peak_bytes / (1 << 20));
}

static bool print_json(const bench *b, const options *o)
{
	emitter j;
	if (!emit_open(&j, o))
		return false;
	emit_object(&j, NULL);
	emit_count(&j, "threads", threads_used(o));
	emit_count(&j, "rounds", b->c.rounds);
	emit_array(&j, "results");
	for (size_t i = 0; i < b->c.count; i++) {
		const contender *c = &b->c.contenders[i];
		emit_object(&j, NULL);
		emit_string(&j, "strategy", c->name);
		emit_real(&j, "median_ms", c->time.median);
		emit_real(&j, "min_ms", c->time.least);
		emit_real(&j, "mad_ms", c->time.mad);
		emit_real(&j, "p95_ms", c->time.p95);
		emit_count(&j, "transposes", c->report.transposes);
		emit_count(&j, "io_transposes", c->report.io_transposes);
		emit_count(&j, "bytes", c->report.transpose_bytes);
		emit_real(&j, "ratio", c->ratio.median);
		emit_real(&j, "ratio_low", c->ratio.low);
		emit_real(&j, "ratio_high", c->ratio.high);
		emit_end_object(&j);
	}
	emit_end_array(&j);
	emit_real(&j, "load_ms", b->load_ms);
	emit_real(&j, "first_ms", b->first_ms);
	emit_count(&j, "peak_bytes", b->peak_bytes);
	step_times_write(&b->steps, o, &j);
	emit_end_object(&j);
	return emit_close(&j);
}

/* One line a strategy, to a file or, as "-", to standard output. */
static bool write_csv(const bench *b, const options *o)
{
	const bool own = strcmp(o->csv.text, "-") != 0;
	FILE *f = own ? fopen(o->csv.text, "w") : stdout;
	if (!f) {
		report_error(o->csv.text, "%s", strerror(errno));
		return false;
	}
	fputs("strategy,median_ms,min_ms,mad_ms,p95_ms,transposes,io_transposes,bytes,copy_bytes,ratio,ratio_low,ratio_high\n", f);
	for (size_t i = 0; i < b->c.count; i++) {
		const contender *c = &b->c.contenders[i];
		fprintf(f, "%s,%.6f,%.6f,%.6f,%.6f,%zu,%zu,%zu,%zu,%.4f,%.4f,%.4f\n", c->name, c->time.median, c->time.least, c->time.mad,
			c->time.p95, c->report.transposes, c->report.io_transposes, c->report.transpose_bytes, c->report.copy_bytes,
			c->ratio.median, c->ratio.low, c->ratio.high);
	}
	bool fine = !fflush(f) && !ferror(f);
	if (own)
		fine &= !fclose(f);
	if (!fine && own)
		report_error(o->csv.text, "%s", strerror(errno));
	return fine;
}

static void bench_free(bench *b)
{
	step_times_free(&b->steps);
	contest_free(&b->c);
	engine_close(&b->e);
	free(b);
}

static clast_status bench_model(bench *b, const options *o, problem *p)
{
	const char *list = o->strategies.count ? o->strategies.text : engine_strategy(o);
	clast_status s = start_first(b, o, p);
	if (!s)
		s = contest_start(&b->c, o, list, p);
	if (!s)
		s = contest_run(&b->c, o, 2, p);
	if (!s && (o->per_node.count || o->roofline.count || o->balance.count || o->profile.count))
		s = step_times_measure(&b->steps, &b->c, o, p);
	return s;
}

int command_bench(const options *o)
{
	if (o->layer.count)
		return bench_layers(o);
	if (!arguments_expected(o, 1))
		return EXIT_USAGE;
	problem p = { 0 };
	bench *b = calloc(1, sizeof(*b));
	if (!b) {
		report_error(NULL, "out of memory");
		return EXIT_IO;
	}
	int code = bench_model(b, o, &p) ? problem_report(&p) : EXIT_FINE;
	if (!code && o->csv.count && !write_csv(b, o))
		code = EXIT_IO;
	if (!code && o->json.count) {
		code = print_json(b, o) ? EXIT_FINE : EXIT_IO;
	} else if (!code && !(o->csv.count && !strcmp(o->csv.text, "-"))) {
		print_text(b, o);
		step_times_print(&b->steps, o);
	}
	bench_free(b);
	return code;
}
