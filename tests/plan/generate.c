#include <criterion/criterion.h>

#include "generate.h"

#define MAX_PORTS 64
#define MAX_TEST_CONFIGS 2304

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(random_next(state) % n);
}

static uint32_t add_class(problem *p, uint32_t orders, const uint64_t *conversion, bool constant)
{
	uint32_t v;
	cr_assert_eq(problem_add_class(p, orders, conversion, constant, &v, NULL), CLAST_OK);
	cr_assert_eq(problem_set_tag(p, v, TAG_FIRST, 0, NULL), CLAST_OK);
	if (orders > 1)
		cr_assert_eq(problem_set_tag(p, v, TAG_LAST, 1, NULL), CLAST_OK);
	if (orders > 2)
		cr_assert_eq(problem_set_tag(p, v, TAG_BLOCKED, 2, NULL), CLAST_OK);
	return v;
}

/* A group under construction. */
typedef struct draft {
	problem_port port[MAX_PORTS];
	uint32_t ports, configs;
	uint64_t cost[MAX_TEST_CONFIGS];
	uint16_t order[MAX_TEST_CONFIGS * MAX_PORTS];
	uint32_t native;
} draft;

static void add_draft(problem *p, const draft *g)
{
	uint32_t id;
	cr_assert_eq(
		problem_add_group(p, g->ports, g->port, g->configs, g->cost, g->order, g->native, &id, NULL),
		CLAST_OK);
}

static void add_port(draft *g, uint32_t class, bool produced)
{
	g->port[g->ports++] = (problem_port){ .class = class, .produced = produced };
}

/* ---- Random graphs ---- */

static uint32_t random_class(problem *p, uint64_t *s, uint32_t orders, uint32_t spread, bool constant)
{
	uint64_t conversion[16];
	const uint32_t k = 2 + random_below(s, orders - 1);
	const bool uniform = random_below(s, 2);
	const uint64_t same = random_below(s, spread);
	for (uint32_t i = 0; i < k * k; i++)
		conversion[i] = uniform ? same : random_below(s, spread);
	return add_class(p, random_below(s, 12) ? k : 1, conversion, constant);
}

/* All ports in one order, as far as all classes have it. */
static void fill_tied(const problem *p, draft *g, uint64_t *s, uint32_t spread)
{
	g->configs = UINT32_MAX;
	for (uint32_t i = 0; i < g->ports; i++) {
		const uint32_t orders = p->class[g->port[i].class].orders;
		g->configs = orders < g->configs ? orders : g->configs;
	}
	for (uint32_t c = 0; c < g->configs; c++) {
		g->cost[c] = random_below(s, 2) ? random_below(s, spread) : 0;
		for (uint32_t i = 0; i < g->ports; i++)
			g->order[c * g->ports + i] = (uint16_t)c;
	}
}

static void fill_freely(const problem *p, draft *g, uint64_t *s, uint32_t spread)
{
	g->configs = 1 + random_below(s, 4);
	for (uint32_t c = 0; c < g->configs; c++) {
		g->cost[c] = random_below(s, spread);
		for (uint32_t i = 0; i < g->ports; i++) {
			const bool any = !g->port[i].produced && random_below(s, 8) == 0;
			g->order[c * g->ports + i] =
				any ? PROBLEM_ANY
				    : (uint16_t)random_below(s, p->class[g->port[i].class].orders);
		}
	}
}

static void random_group(problem *p, uint64_t *s, uint32_t readable, uint32_t writes, uint32_t orders,
			 uint32_t spread, bool *written)
{
	draft g = { .native = PROBLEM_NONE };
	const uint32_t reads = 1 + random_below(s, 3);
	for (uint32_t i = 0; i < reads; i++)
		add_port(&g, random_below(s, readable), false);
	for (uint32_t i = 0; i < writes; i++) {
		const uint32_t v = random_class(p, s, orders, spread, false);
		add_port(&g, v, true);
		written[v] = true;
	}
	if (random_below(s, 3))
		fill_tied(p, &g, s, spread);
	else
		fill_freely(p, &g, s, spread);
	if (random_below(s, 3) == 0)
		g.native = random_below(s, g.configs);
	add_draft(p, &g);
}

void generate_random(problem *p, uint64_t seed, uint32_t classes, uint32_t orders)
{
	uint64_t s = seed;
	bool *written = calloc(classes + 2, sizeof *written);
	const uint32_t spread = random_below(&s, 2) ? 8 : 1000;
	const uint32_t inputs = 1 + random_below(&s, 3), want = 2 + random_below(&s, classes - 1);
	for (uint32_t i = 0; i < inputs; i++) {
		const bool constant = i > 0 && random_below(&s, 3) == 0;
		draft g = { .native = PROBLEM_NONE };
		add_port(&g, random_class(p, &s, orders, spread, constant), true);
		fill_freely(p, &g, &s, random_below(&s, 2) ? spread : 1);
		if (!constant && random_below(&s, 4) > 0)
			add_draft(p, &g);
	}
	while (p->classes < want) {
		const uint32_t left = want - (uint32_t)p->classes;
		random_group(p, &s, (uint32_t)p->classes, left > 1 && random_below(&s, 5) == 0 ? 2 : 1,
			     orders, spread, written);
	}
	for (uint32_t i = random_below(&s, 3); i > 0; i--)
		random_group(p, &s, (uint32_t)p->classes, 0, orders, spread, written);
	free(written);
	cr_assert_eq(problem_finish(p, NULL), CLAST_OK);
}

/* ---- Networks ---- */

typedef struct maker {
	problem *p;
	uint32_t orders;
	uint64_t s;
	uint64_t bytes; /* of the values at this depth */
} maker;

static uint32_t make_class(maker *m)
{
	uint64_t conversion[48 * 48];
	for (uint32_t i = 0; i < m->orders * m->orders; i++)
		conversion[i] = m->bytes + random_below(&m->s, 50);
	return add_class(m->p, m->orders, conversion, false);
}

static void make_end(maker *m, uint32_t class, bool produced)
{
	draft g = { .native = PROBLEM_NONE, .configs = 1 };
	add_port(&g, class, produced);
	add_draft(m->p, &g);
}

/* One order for all ports; a little dearer in some orders. */
static uint32_t make_tied(maker *m, uint32_t inputs, const uint32_t *in)
{
	draft g = { .native = PROBLEM_NONE, .configs = m->orders };
	const uint32_t out = make_class(m);
	for (uint32_t i = 0; i < inputs; i++)
		add_port(&g, in[i], false);
	add_port(&g, out, true);
	for (uint32_t c = 0; c < m->orders; c++) {
		g.cost[c] = m->bytes / 4 + random_below(&m->s, 3) * m->bytes / 64;
		for (uint32_t i = 0; i < g.ports; i++)
			g.order[c * g.ports + i] = (uint16_t)c;
	}
	add_draft(m->p, &g);
	return out;
}

/* A product or convolution: reads and writes any orders at a cost for each pair, now and then dearest in
 * `last`. */
static uint32_t make_conv(maker *m, uint32_t in)
{
	draft g = { .configs = m->orders * m->orders };
	const uint32_t out = make_class(m),
		       best = random_below(&m->s, 4) ? 1 : random_below(&m->s, m->orders);
	const uint64_t work = m->bytes * (1 + random_below(&m->s, 3));
	add_port(&g, in, false);
	add_port(&g, out, true);
	for (uint32_t a = 0; a < m->orders; a++)
		for (uint32_t b = 0; b < m->orders; b++) {
			const uint32_t c = a * m->orders + b;
			g.cost[c] = work + (a != best) * (work / 3) + (b != best) * (work / 5) +
				    random_below(&m->s, 10);
			g.order[2 * c] = (uint16_t)a;
			g.order[2 * c + 1] = (uint16_t)b;
		}
	g.native = best * m->orders + best;
	add_draft(m->p, &g);
	return out;
}

/* The same with input and output decoupled. */
static uint32_t make_decoupled(maker *m, uint32_t in)
{
	const uint32_t out = make_class(m);
	for (int side = 0; side < 2; side++) {
		draft g = { .native = 1, .configs = m->orders };
		add_port(&g, side ? out : in, side);
		for (uint32_t c = 0; c < m->orders; c++) {
			g.cost[c] = m->bytes / 2 + (c != 1) * (m->bytes / 3) + random_below(&m->s, 10);
			g.order[c] = (uint16_t)c;
		}
		add_draft(m->p, &g);
	}
	return out;
}

static uint32_t make_first_only(maker *m, uint32_t in)
{
	draft g = { .native = 0, .configs = 1 };
	const uint32_t out = make_class(m);
	add_port(&g, in, false);
	add_port(&g, out, true);
	g.cost[0] = m->bytes;
	add_draft(m->p, &g);
	return out;
}

static uint32_t start(maker *m)
{
	m->bytes = 1000;
	const uint32_t v = make_class(m);
	make_end(m, v, true);
	return v;
}

static void finish(maker *m, uint32_t v)
{
	make_end(m, v, false);
	cr_assert_eq(problem_finish(m->p, NULL), CLAST_OK);
}

void generate_chain(problem *p, uint32_t operators, uint32_t orders, uint64_t seed)
{
	maker m = { p, orders, seed, 0 };
	uint32_t v = start(&m);
	while (p->groups < operators) {
		m.bytes = 200 + random_below(&m.s, 2000);
		const uint32_t kind = random_below(&m.s, 40);
		v = kind == 0 ? make_first_only(&m, v) : kind < 20 ? make_conv(&m, v) : make_tied(&m, 1, &v);
	}
	finish(&m, v);
}

void generate_resnet(problem *p, uint32_t operators, uint32_t orders, uint64_t seed)
{
	maker m = { p, orders, seed, 0 };
	uint32_t v = start(&m);
	while (p->groups < operators) {
		m.bytes = 200 + random_below(&m.s, 2000);
		uint32_t sum[2] = { v, v };
		for (int i = 0; i < 3; i++) {
			sum[0] = make_conv(&m, sum[0]);
			if (i < 2)
				sum[0] = make_tied(&m, 1, sum);
		}
		if (random_below(&m.s, 4) == 0)
			sum[1] = make_conv(&m, sum[1]);
		v = make_tied(&m, 2, sum);
		v = make_tied(&m, 1, &v);
		if (random_below(&m.s, 50) == 0)
			v = make_first_only(&m, v);
	}
	finish(&m, v);
}

void generate_densenet(problem *p, uint32_t operators, uint32_t orders, uint64_t seed)
{
	static const uint32_t depth[] = { 6, 12, 24, 16 };
	maker m = { p, orders, seed, 0 };
	uint32_t v = start(&m);
	for (int block = 0; p->groups < operators; block++) {
		uint32_t feature[MAX_PORTS - 1] = { v }, features = 1;
		m.bytes = 200 + random_below(&m.s, 2000);
		for (uint32_t layer = 0; layer < depth[block % 4]; layer++) {
			uint32_t x = make_tied(&m, features, feature);
			x = make_tied(&m, 1, &x);
			x = seed % 2 ? make_conv(&m, x) : make_decoupled(&m, x);
			x = make_tied(&m, 1, &x);
			if (random_below(&m.s, 30) == 0)
				x = make_first_only(&m, x);
			feature[features++] = seed % 2 ? make_conv(&m, x) : make_decoupled(&m, x);
		}
		v = make_tied(&m, features, feature);
		v = make_conv(&m, v);
		v = make_tied(&m, 1, &v);
	}
	finish(&m, v);
}

void generate_swin(problem *p, uint32_t operators, uint32_t orders, uint64_t seed)
{
	maker m = { p, orders, seed, 0 };
	uint32_t v = start(&m);
	while (p->groups < operators) {
		m.bytes = 200 + random_below(&m.s, 2000);
		uint32_t attention[3], sum[2] = { v };
		const uint32_t normal = make_tied(&m, 1, &v);
		for (int i = 0; i < 3; i++)
			attention[i] = make_conv(&m, normal);
		attention[0] = make_tied(&m, 2, attention);
		attention[0] = make_tied(&m, 1, attention);
		attention[1] = attention[2];
		sum[1] = make_conv(&m, make_tied(&m, 2, attention));
		v = sum[0] = make_tied(&m, 2, sum);
		sum[1] = make_conv(&m, make_tied(&m, 1, &v));
		sum[1] = make_conv(&m, make_tied(&m, 1, &sum[1]));
		v = make_tied(&m, 2, sum);
	}
	finish(&m, v);
}

void generate_wide(problem *p, uint32_t operators, uint32_t orders, uint32_t window, uint64_t seed)
{
	maker m = { p, orders, seed, 0 };
	uint32_t *value = calloc(operators + 1, sizeof *value), values = 0;
	value[values++] = start(&m);
	while (values < operators) {
		uint32_t in[3];
		const uint32_t inputs = 1 + random_below(&m.s, 3), back = values < window ? values : window;
		for (uint32_t i = 0; i < inputs; i++)
			in[i] = value[values - 1 - random_below(&m.s, back)];
		m.bytes = 500 + random_below(&m.s, 1000);
		const uint32_t kind = random_below(&m.s, 12);
		value[values++] = kind == 0   ? make_first_only(&m, in[0])
				  : kind <= 4 ? make_decoupled(&m, in[0])
					      : make_tied(&m, inputs, in);
	}
	finish(&m, value[values - 1]);
	free(value);
}

/* ---- Brute force ---- */

/* Conversions of one class from the order x, given who reads what. */
static uint64_t class_cost(const problem *p, const uint32_t *config, uint32_t v, uint32_t x)
{
	uint64_t sum = 0;
	for (uint32_t q = 0; q < p->class[v].orders; q++) {
		bool wanted = false;
		for (uint32_t i = 0; i < p->ports; i++)
			wanted = wanted || (p->port[i].class == v && !p->port[i].produced &&
					    problem_order(p, i, config[p->port[i].group]) == q);
		sum += wanted && q != x ? problem_conversion(p, v, x, q) : 0;
	}
	return sum;
}

static uint64_t full_cost(const problem *p, const uint32_t *config)
{
	uint64_t sum = 0;
	for (uint32_t g = 0; g < p->groups; g++)
		sum += p->cost[p->group[g].first_config + config[g]];
	for (uint32_t v = 0; v < p->classes; v++) {
		if (p->class[v].constant)
			continue;
		const uint32_t writer = p->class[v].producer;
		uint64_t least = UINT64_MAX;
		for (uint32_t x = 0; x < p->class[v].orders; x++) {
			if (writer != PROBLEM_NONE &&
			    problem_order(p, writer, config[p->port[writer].group]) != x)
				continue;
			const uint64_t cost = class_cost(p, config, v, x);
			least = cost < least ? cost : least;
		}
		sum += least;
	}
	return sum;
}

uint64_t brute_force(const problem *p)
{
	uint32_t *config = calloc(p->groups + 1, sizeof *config);
	uint64_t least = UINT64_MAX;
	size_t g;
	do {
		const uint64_t cost = full_cost(p, config);
		least = cost < least ? cost : least;
		for (g = 0; g < p->groups && ++config[g] == p->group[g].configs; g++)
			config[g] = 0;
	} while (g < p->groups);
	free(config);
	return least;
}

double brute_force_size(const problem *p)
{
	double size = 1;
	for (size_t g = 0; g < p->groups; g++)
		size *= p->group[g].configs;
	return size;
}
