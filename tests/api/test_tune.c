/* Plans whose layers were timed: their answers, and what is kept of the timings. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"

static char cache[40];

static void new_cache(void)
{
	strcpy(cache, "/tmp/clast-tune-XXXXXX");
	cr_assert_not_null(mkdtemp(cache));
	setenv("XDG_CACHE_HOME", cache, 1);
	unsetenv("CLAST_TUNE_CACHE");
}

TestSuite(tune, .init = new_cache, .timeout = 300);

/* The one file of the cache; false if there is none. */
static bool cached_file(char path[400])
{
	char folder[100];
	int files = 0;
	snprintf(folder, sizeof folder, "%s/clast/tune", cache);
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.') {
			snprintf(path, 400, "%s/%s", folder, e->d_name);
			files++;
		}
	if (d)
		closedir(d);
	cr_assert_leq(files, 1, "files are left over");
	return files;
}

static uint32_t pick(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

/* Convolutions of all kinds that have a choice, and a product. */
static clast_model *random_model(net *g, uint32_t seed, bool open)
{
	const extents e = { .n = 1, .c = 32 + pick(&seed, 3) * 8, .h = 4 + pick(&seed, 14), .w = 4 + pick(&seed, 14), .d = 40 };
	net_begin(g, &e, 17);
	g->open = open;
	val x = net_input(g, DIMS(e.n, e.c, e.h, e.w));
	int64_t c = e.c;
	for (int i = 0; i < 5; i++) {
		const int64_t to = pick(&seed, 2) ? e.c : e.d, s = 1 + pick(&seed, 2);
		switch (pick(&seed, 4)) {
		case 0:
			x = net_node(g, "Conv", IN(x, weight(g, c, 1, 3, 3)), WITH(INTS("pads", 1, 1, 1, 1), INT("group", c), INTS("strides", s, s)));
			break;
		case 1:
			x = conv(g, x, c, to, 1);
			c = to;
			break;
		default:
			x = unary(g, "Relu", conv(g, x, c, to, 3));
			c = to;
		}
		x = binary(g, "Mul", x, net_scalar(g, CLAST_FLOAT32, 0.1));
	}
	x = unary(g, "Flatten", unary(g, "GlobalAveragePool", x));
	net_output(g, net_node(g, "Gemm", IN(x, weight(g, c, 33)), NULL));
	net_output(g, x);
	return net_end(g);
}

typedef struct answer {
	float y[64];
	size_t count;
	clast_plan_report report;
} answer;

static clast_plan *plan_of(clast_model *m, bool tune, clast_plan_report *report)
{
	const clast_plan_options o = { .struct_size = sizeof o, .tune = tune };
	clast_diag d = { 0 };
	clast_plan *p;
	cr_assert_eq(clast_plan_create(m, &o, &p, &d), CLAST_OK, "%s", d.message);
	*report = (clast_plan_report){ .struct_size = sizeof *report };
	cr_assert_eq(clast_plan_get_report(p, report), CLAST_OK);
	return p;
}

static answer run(const net *g, clast_model *m, bool tune, size_t threads)
{
	const clast_session_options so = { .struct_size = sizeof so, .threads = threads };
	const clast_tensor *in[] = { g->inputs[0] };
	clast_tensor *out[1] = { NULL };
	clast_diag d = { 0 };
	clast_session *s;
	answer a;
	clast_plan *p = plan_of(m, tune, &a.report);
	cr_assert_eq(clast_session_create(p, &so, &s, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_session_run(s, 1, in, 1, out, &d), CLAST_OK, "%s", d.message);
	a.count = clast_tensor_count(out[0]);
	cr_assert_leq(a.count, 64);
	cr_assert_eq(clast_tensor_read(out[0], a.y, a.count * sizeof(float)), CLAST_OK);
	clast_session_free(&s);
	clast_plan_free(&p);
	return a;
}

static void expect_close(const answer *a, const answer *b)
{
	double largest = 0;
	for (size_t i = 0; i < b->count; i++)
		largest = fmax(largest, fabs((double)b->y[i]));
	cr_assert(largest > 0 && isfinite(largest));
	for (size_t i = 0; i < a->count; i++)
		cr_assert(fabs((double)a->y[i] - (double)b->y[i]) <= 1e-5 * largest, "element %zu: %g, without tuning %g", i, (double)a->y[i],
			  (double)b->y[i]);
}

Test(tune, changes_answers_by_rounding_alone_and_the_same_way_each_time)
{
	for (uint32_t i = 0; i < 12; i++) {
		net g;
		clast_model *m = random_model(&g, i, i % 3 == 0);
		const answer plain = run(&g, m, false, 1), first = run(&g, m, true, 1);
		expect_close(&first, &plain);
		cr_assert_eq(plain.report.tuned_layers, 0);
		cr_assert(first.report.tuned_layers >= 2 && first.report.changed_layers <= first.report.tuned_layers);
		for (size_t threads = 1; threads <= 3; threads++) {
			const answer again = run(&g, m, true, threads);
			cr_assert_eq(again.report.timed_layers, 0, "%zu layers were timed again", again.report.timed_layers);
			cr_assert_eq(again.report.changed_layers, first.report.changed_layers);
			cr_assert_eq(memcmp(again.y, first.y, first.count * sizeof(float)), 0, "a plan from the cache has other bits");
		}
		clast_model_free(&m);
		net_free_inputs(&g);
	}
}

/* Tunes the model and says how many layers had to be timed. */
static size_t timed(clast_model *m)
{
	clast_plan_report r;
	clast_plan *p = plan_of(m, true, &r);
	clast_plan_free(&p);
	cr_assert(r.tuned_layers > 0);
	return r.timed_layers;
}

static size_t load(const char *path, char *to, size_t room)
{
	FILE *f = fopen(path, "rb");
	cr_assert_not_null(f);
	const size_t n = fread(to, 1, room, f);
	fclose(f);
	return n;
}

static void store(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

Test(tune, replaces_a_cache_that_is_damaged)
{
	net g;
	clast_model *m = random_model(&g, 5, false);
	char path[400], whole[4000], other[4000];
	const size_t layers = timed(m);
	cr_assert(layers > 0 && timed(m) == 0 && cached_file(path));
	const size_t n = load(path, whole, sizeof whole);
	uint32_t seed = 1;
	for (int i = 0; i < 8; i++) {
		size_t size = n;
		memcpy(other, whole, n);
		switch (i) {
		case 0: /* another version */
			other[7]++;
			break;
		case 1:
			size = 0;
			break;
		case 2: /* of noise */
			for (size_t k = 0; k < n; k++)
				other[k] = (char)pick(&seed, 256);
			break;
		case 3:
			store(path, whole, n);
			cr_assert_eq(truncate(path, (off_t)1 << 36), 0);
			break;
		case 4:
			size = n / 2;
			break;
		default:
			other[pick(&seed, (uint32_t)n)] ^= (char)(1 << pick(&seed, 8));
		}
		if (i != 3)
			store(path, other, size);
		cr_assert_eq(timed(m), layers, "damage %d was not noticed", i);
		cr_assert_eq(timed(m), 0, "the damaged file was not replaced");
		cr_assert(cached_file(path));
	}
	clast_model_free(&m);
	net_free_inputs(&g);
}

Test(tune, works_without_a_cache)
{
	net g;
	clast_model *m = random_model(&g, 6, false);
	char path[400];
	setenv("CLAST_TUNE_CACHE", "0", 1);
	cr_assert(timed(m) > 0 && timed(m) > 0);
	cr_assert_not(cached_file(path), "a cache was written though it was switched off");
	clast_model_free(&m);
	net_free_inputs(&g);
}

static void count_lines(void *context, clast_log_level level, const char *message)
{
	cr_assert(level >= CLAST_LOG_INFO && message[0]);
	++*(int *)context;
}

Test(tune, says_in_the_log_that_nothing_can_be_kept)
{
	int lines = 0;
	const clast_log log = { count_lines, &lines };
	const clast_model_options mo = { .struct_size = sizeof mo, .log = &log };
	clast_model *m;
	clast_diag d = { 0 };
	char path[100];
	cr_assert_eq(clast_model_load(CLAST_MODELS "/digits/model.onnx", &mo, &m, &d), CLAST_OK, "%s", d.message);
	snprintf(path, sizeof path, "%s/clast", cache);
	store(path, "a file where the folder should be", 33);
	cr_assert(timed(m) > 0);
	cr_assert_eq(lines, 1);
	clast_model_free(&m);
}

/* Each process tunes models of its own and finds what it has kept, whatever the others do meanwhile. */
Test(tune, many_processes_may_share_a_cache)
{
	enum { PROCESSES = 4, ROUNDS = 4 };
	pid_t child[PROCESSES];
	for (uint32_t c = 0; c < PROCESSES; c++) {
		child[c] = fork();
		if (child[c])
			continue;
		bool good = true;
		for (uint32_t i = 0; i < ROUNDS; i++) {
			net g;
			clast_model *m = random_model(&g, c * 100 + i % 2, false);
			clast_plan_report r = { .struct_size = sizeof r };
			const clast_plan_options o = { .struct_size = sizeof o, .tune = true };
			clast_plan *p = NULL;
			good &= !clast_plan_create(m, &o, &p, NULL) && !clast_plan_get_report(p, &r) && r.tuned_layers > 0;
			clast_plan_free(&p);
			clast_model_free(&m);
			net_free_inputs(&g);
		}
		_exit(!good);
	}
	for (int c = 0; c < PROCESSES; c++) {
		int status;
		cr_assert_eq(waitpid(child[c], &status, 0), child[c]);
		cr_assert_eq(status, 0);
	}
	char path[400];
	cr_assert(cached_file(path), "temporary files are left over, or nothing");
	size_t known = 0;
	for (uint32_t c = 0; c < PROCESSES; c++)
		for (uint32_t i = 0; i < 2; i++) {
			net g;
			clast_model *m = random_model(&g, c * 100 + i, false);
			known += timed(m) == 0;
			clast_model_free(&m);
			net_free_inputs(&g);
		}
	cr_assert(known > PROCESSES, "of %d models %zu were known", 2 * PROCESSES, known);
}
