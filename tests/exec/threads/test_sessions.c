/* One plan, many sessions at once: same bits, no data races (under ThreadSanitizer). Half of the runs are cancelled, and each thread also
 * makes plans of its own and asks for what the model and the plan look like. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clast/clast.h"

enum { WORKERS = 4, RUNS = 12, CHANNELS = 8, SIZE = 12, ELEMENTS = CHANNELS * SIZE * SIZE };

typedef struct worker {
	clast_model *model;
	clast_plan *plan;
	size_t index;
	float *answer;  /* CHANNELS x SIZE x SIZE */
	const char *failed;
} worker;

#define NEED(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			exit(1); \
		} \
	} while (0)

static bool proceed(void *context, double fraction)
{
	(void)fraction;
	int *left = context;
	return *left < 0 || (*left)-- > 0;
}

/* x [N, C, H, W] -> Conv 3x3 -> Relu -> CumSum (a reference) -> y; the shape of x is split, half of it known. */
static clast_model *network(void)
{
	static const int64_t pads[] = { 1, 1, 1, 1 }, dims[] = { -1, CHANNELS, -1, -1 }, axis = 2;
	static const char *const names[] = { "n", NULL, "h", "w" };
	const clast_attribute same = { .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 };
	clast_builder *b;
	clast_model *m;
	clast_tensor *w, *a;
	NEED(!clast_builder_create(13, NULL, &b, NULL));
	NEED(!clast_builder_input(b, "x", CLAST_FLOAT32, 4, dims, names, NULL));
	NEED(!clast_tensor_create(CLAST_FLOAT32, 4, (int64_t[]){ CHANNELS, CHANNELS, 3, 3 }, NULL, &w, NULL));
	for (size_t i = 0; i < clast_tensor_count(w); i++)
		((float *)clast_tensor_data(w))[i] = (float)(i * 37 % 64) / 64 - 0.5f;
	NEED(!clast_tensor_wrap(CLAST_INT64, 0, NULL, NULL, (void *)&axis, &a, NULL));
	NEED(!clast_builder_constant(b, "w", w, NULL) && !clast_builder_constant(b, "axis", a, NULL));
	clast_tensor_free(&w);
	clast_tensor_free(&a);
	NEED(!clast_builder_node(b, "Conv", "", "conv", 2, (const char *[]){ "x", "w" }, 1, (const char *[]){ "c" }, 1, &same, NULL));
	NEED(!clast_builder_node(b, "Relu", "", "relu", 1, (const char *[]){ "c" }, 1, (const char *[]){ "r" }, 0, NULL, NULL));
	NEED(!clast_builder_node(b, "CumSum", "", "sum", 2, (const char *[]){ "r", "axis" }, 1, (const char *[]){ "y" }, 0, NULL, NULL));
	NEED(!clast_builder_node(b, "Shape", "", "shape", 1, (const char *[]){ "x" }, 1, (const char *[]){ "s" }, 0, NULL, NULL));
	NEED(!clast_builder_node(b, "Split", "", "split", 1, (const char *[]){ "s" }, 4, (const char *[]){ "n", "c3", "h", "w2" }, 0, NULL,
	                         NULL));
	const char *const outputs[] = { "y", "n", "c3" };
	for (int i = 0; i < 3; i++)
		NEED(!clast_builder_output(b, outputs[i], NULL));
	NEED(!clast_builder_finish(&b, &m, NULL));
	return m;
}

static void run(worker *w, clast_session *s, int *left, int i)
{
	/* Two shapes, so that specialisations are made while others run. */
	const int64_t dims[] = { 1, CHANNELS, SIZE, i % 3 ? SIZE : SIZE / 2 };
	clast_tensor *x, *out[3] = { NULL };
	NEED(!clast_tensor_create(CLAST_FLOAT32, 4, dims, NULL, &x, NULL));
	for (size_t k = 0; k < clast_tensor_count(x); k++)
		((float *)clast_tensor_data(x))[k] = (float)(k * 29 % 32) / 32 - 0.5f;
	*left = i % 2 ? -1 : (int)(w->index + (size_t)i) % 4;
	clast_status status;
	if (i % 4 < 2) {
		status = clast_session_run(s, 1, (const clast_tensor *const *)&x, 3, out, NULL);
	} else {
		NEED(!clast_session_run_async(s, 1, (const clast_tensor *const *)&x, 3, out, NULL));
		if (i % 4 == 2)
			clast_session_cancel(s);
		status = clast_session_wait(s, NULL);
	}
	if (i % 2 && status)
		w->failed = "a run that was not cancelled failed";
	if (!status && *(int64_t *)clast_tensor_data(out[2]) != CHANNELS)
		w->failed = "a constant has another value";
	if (!status && i % 3)
		NEED(!clast_tensor_read(out[0], w->answer, ELEMENTS * sizeof(float)));
	clast_tensor_free(&x);
}

static void *work(void *context)
{
	worker *w = context;
	int left = -1;
	const clast_session_options o = { .struct_size = sizeof o, .threads = 1 + w->index % 3, .progress = proceed, .progress_context = &left };
	clast_session *s;
	const clast_plan_options last = { .struct_size = sizeof last, .strategy = w->index % 2 ? "last" : "wrap" };
	clast_plan *other;
	NEED(!clast_session_create(w->plan, &o, &s, NULL));
	for (int i = 0; i < RUNS; i++) {
		clast_value_info info;
		clast_step_info step = { .struct_size = sizeof step };
		run(w, s, &left, i);
		NEED(!clast_model_input(w->model, 0, &info) && !strcmp(info.dim_names[2], "h"));
		NEED(!clast_plan_step(w->plan, 0, &step));
		if (i % 4 == 0) {
			NEED(!clast_plan_create(w->model, &last, &other, NULL));
			NEED(!clast_plan_step(other, 0, &step));
			clast_plan_free(&other);
		}
	}
	clast_session_free(&s);
	return NULL;
}

int main(void)
{
	clast_model *m = network();
	clast_plan *p;
	worker workers[WORKERS];
	pthread_t threads[WORKERS];
	NEED(!clast_plan_create(m, NULL, &p, NULL));
	for (size_t i = 0; i < WORKERS; i++) {
		workers[i] = (worker){ m, p, i, calloc(ELEMENTS, sizeof(float)), NULL };
		NEED(!pthread_create(&threads[i], NULL, work, &workers[i]));
	}
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < WORKERS; i++) {
		if (workers[i].failed)
			fprintf(stderr, "session %zu: %s\n", i, workers[i].failed);
		NEED(!workers[i].failed);
		NEED(!memcmp(workers[i].answer, workers[0].answer, ELEMENTS * sizeof(float)));
	}
	for (size_t i = 0; i < WORKERS; i++)
		free(workers[i].answer);
	clast_plan_free(&p);
	clast_model_free(&m);
	return 0;
}
