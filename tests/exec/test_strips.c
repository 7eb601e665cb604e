/* Strip groups: the same bits as step by step, on any number of threads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "session.h"
#include "strips.h"

#define MOST_THREADS 8

typedef struct chain {
	clast_builder *b;
	uint64_t state;
	int names;
	char value[16]; /* the last one */
	int64_t channels, height, width;
	char text[1024];
} chain;

static int64_t below(chain *c, int64_t n)
{
	c->state ^= c->state << 13;
	c->state ^= c->state >> 7;
	c->state ^= c->state << 17;
	return (int64_t)((c->state * 0x2545F4914F6CDD1Du >> 16) % (uint64_t)n);
}

static void fill(chain *c, clast_tensor *t)
{
	float *x = clast_tensor_data(t);
	for (size_t i = 0; i < clast_tensor_count(t); i++)
		x[i] = (float)(below(c, 2001) - 1000) / 4000.f;
}

static void add_constant(chain *c, const char *name, size_t rank, const int64_t *dims)
{
	clast_tensor *t;
	clast_diag d = { 0 };
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, rank, dims, NULL, &t, &d), CLAST_OK);
	fill(c, t);
	cr_assert_eq(clast_builder_constant(c->b, name, t, &d), CLAST_OK, "%s", d.message);
	clast_tensor_free(&t);
}

static void add_node(chain *c, const char *kind, size_t n_in, const char **in, size_t n_attrs, const clast_attribute *attrs)
{
	char name[16];
	const char *out = name;
	clast_diag d = { 0 };
	snprintf(name, sizeof name, "v%d", c->names++);
	cr_assert_eq(clast_builder_node(c->b, kind, "", NULL, n_in, in, 1, &out, n_attrs, attrs, &d), CLAST_OK, "%s: %s%s", kind, d.message,
	             c->text);
	memcpy(c->value, name, sizeof name);
}

/* Conv or a pool with a square window; group 0: one filter a channel. */
static void add_window(chain *c, const char *kind, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t group)
{
	char weights[16], bias[16];
	const int64_t pad = kernel / 2 * dilation - below(c, kernel > 1 ? 2 : 1), end = kernel / 2 * dilation;
	const int64_t window[] = { kernel, kernel }, strides[] = { stride, stride }, pads[] = { pad, pad, end, end };
	const int64_t dilations[] = { dilation, dilation };
	const bool conv = !strcmp(kind, "Conv");
	const clast_attribute attrs[] = {
		{ .name = "kernel_shape", .type = CLAST_ATTRIBUTE_INTS, .ints = window, .count = 2 },
		{ .name = "strides", .type = CLAST_ATTRIBUTE_INTS, .ints = strides, .count = 2 },
		{ .name = "pads", .type = CLAST_ATTRIBUTE_INTS, .ints = pads, .count = 4 },
		{ .name = "dilations", .type = CLAST_ATTRIBUTE_INTS, .ints = dilations, .count = 2 },
		{ .name = "group", .type = CLAST_ATTRIBUTE_INT, .i = group ? group : c->channels },
	};
	const char *in[] = { c->value, weights, bias };
	char before[16];
	memcpy(before, c->value, sizeof before);
	in[0] = before;
	snprintf(c->text + strlen(c->text), sizeof c->text - strlen(c->text), "\n  %s to %lldx%lldx%lld, window %lld/%lld dilation %lld",
	         kind, (long long)out, (long long)c->height, (long long)c->width, (long long)kernel, (long long)stride, (long long)dilation);
	if (conv) {
		snprintf(weights, sizeof weights, "w%d", c->names);
		snprintf(bias, sizeof bias, "b%d", c->names);
		add_constant(c, weights, 4, (int64_t[]){ out, group ? c->channels / group : 1, kernel, kernel });
		add_constant(c, bias, 1, (int64_t[]){ out });
	}
	add_node(c, kind, conv ? 3 : 1, in, conv ? 5 : 4, attrs);
	c->channels = out;
	c->height = (c->height + pad + end - dilation * (kernel - 1) - 1) / stride + 1;
	c->width = (c->width + pad + end - dilation * (kernel - 1) - 1) / stride + 1;
}

static void add_layer(chain *c)
{
	static const char *const activations[] = { "Relu", "HardSwish", "Sigmoid" };
	static const int64_t widths[] = { 8, 13, 24, 32, 40 };
	const int64_t kind = below(c, 6), stride = 1 + below(c, 3) / 2, out = widths[below(c, 5)];
	if (kind < 2)
		add_window(c, "Conv", out, 1, kind ? 1 : stride, 1, 1);
	else if (kind == 2)
		add_window(c, "Conv", out, 3, stride, 1 + below(c, 5) / 4, 1);
	else if (kind == 5)
		add_window(c, "MaxPool", c->channels, 2 + below(c, 2), stride, 1, 0);
	else
		add_window(c, "Conv", c->channels, kind == 3 ? 3 : 5, stride, 1, 0);
	if (below(c, 2)) {
		char before[16];
		const char *in[] = { before };
		memcpy(before, c->value, sizeof before);
		add_node(c, activations[below(c, 3)], 1, in, 0, NULL);
	}
}

static clast_model *build(uint64_t seed, clast_tensor **input, char *text, size_t size)
{
	chain c = { .state = seed * 77 + 1, .value = "x", .channels = 16, .height = 24 + (int64_t)seed % 30, .width = 24 + (int64_t)seed % 17 };
	const int64_t dims[] = { 1, c.channels, c.height, c.width };
	const int layers = 2 + (int)(seed % 6);
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(clast_builder_create(18, NULL, &c.b, &d), CLAST_OK);
	cr_assert_eq(clast_builder_input(c.b, "x", CLAST_FLOAT32, 4, dims, NULL, &d), CLAST_OK);
	for (int i = 0; i < layers; i++)
		add_layer(&c);
	/* A residual: the last step may write where the sum's other side lies, unless its group reads that. */
	char first[16];
	memcpy(first, c.value, sizeof first);
	const int64_t channels = c.channels, height = c.height, width = c.width;
	add_window(&c, "Conv", 3 * channels, 1, 1, 1, 1);
	add_window(&c, "Conv", channels, 1, 1, 1, 1);
	if (c.height == height && c.width == width) {
		char last[16];
		const char *in[] = { last, first };
		memcpy(last, c.value, sizeof last);
		add_node(&c, "Add", 2, in, 0, NULL);
	}
	cr_assert_eq(clast_builder_output(c.b, c.value, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(clast_builder_finish(&c.b, &m, &d), CLAST_OK, "%s%s", d.message, c.text);
	cr_assert_eq(clast_tensor_create(CLAST_FLOAT32, 4, dims, NULL, input, &d), CLAST_OK);
	fill(&c, *input);
	snprintf(text, size, "%s", c.text);
	return m;
}

/* The answer, with strips as a cache of so many bytes wants them. groups: how many there were. */
static float *answer_of(clast_model *m, clast_tensor *input, size_t cache, size_t threads, size_t *count, size_t *groups, const char *text)
{
	const clast_session_options so = { .struct_size = sizeof so, .threads = threads };
	clast_plan *p;
	clast_session *s;
	clast_diag d = { 0 };
	float *x = NULL;
	cr_assert_eq(clast_plan_create(m, NULL, &p, &d), CLAST_OK, "%s%s", d.message, text);
	p->strip_cache = cache;
	cr_assert_eq(clast_session_create(p, &so, &s, &d), CLAST_OK, "%s", d.message);
	for (int i = 0; i < 2; i++) { /* the second on what the first left */
		clast_tensor *output = NULL;
		cr_assert_eq(clast_session_run(s, 1, (const clast_tensor *const[]){ input }, 1, &output, &d), CLAST_OK, "%s%s", d.message, text);
		float *y = calloc(clast_tensor_count(output) + 1, sizeof *y);
		*count = clast_tensor_count(output);
		cr_assert_eq(clast_tensor_read(output, y, *count * sizeof *y), CLAST_OK);
		cr_assert(!x || !memcmp(x, y, *count * sizeof *y), "a second run differs%s", text);
		free(x);
		x = y;
	}
	const specialisation *spec = s->cache[0].spec;
	*groups = 0;
	for (uint32_t i = 0; i < spec->block->step_count; i++)
		*groups += spec->steps[i].mode == MODE_STRIPS;
	cr_assert_leq(spec->live_bytes, spec->arena_bytes);
	clast_session_free(&s);
	clast_plan_free(&p);
	return x;
}

Test(strips, change_no_bit)
{
	size_t formed = 0;
	for (uint64_t seed = 1; seed <= 120; seed++) {
		clast_tensor *input;
		char text[1024];
		size_t count, groups;
		clast_model *m = build(seed, &input, text, sizeof text);
		float *expected = answer_of(m, input, SIZE_MAX, 1, &count, &groups, text);
		cr_assert_eq(groups, 0);
		static const size_t caches[] = { 9000, 30000, 60000 };
		for (size_t i = 0; i < 3; i++)
			for (size_t threads = 1; threads <= MOST_THREADS; threads += threads < 4 ? 1 : 4) {
				float *got = answer_of(m, input, caches[i], threads, &count, &groups, text);
				cr_assert(!memcmp(expected, got, count * sizeof *got), "seed %llu, %zu bytes of cache, %zu threads%s",
				          (unsigned long long)seed, caches[i], threads, text);
				formed += groups;
				free(got);
			}
		free(expected);
		clast_tensor_free(&input);
		clast_model_free(&m);
	}
	cr_assert_gt(formed, 500, "%zu groups", formed);
}
