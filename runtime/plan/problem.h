/* The choice of orders as pure data: an optimisation problem that knows neither operators nor what an order
 * is.
 *
 * Classes. All values that Transpose and Reshape relate to one another lie in one order, so they share one
 * view class v with candidate orders 0 .. k(v)-1. Its producer writes it in one order x(v). Every other
 * order in which some consumer wants it is one conversion from what the producer wrote, made once however
 * many consumers share the copy. (Converting from another copy is never offered: a copy costs a pass over
 * the memory whichever order it starts from, and the choice of sources would be a Steiner problem for each
 * class. Where a way round is cheaper than the straight way, the caller puts the cheaper figure into the
 * table.)
 *
 * Groups. An operator falls into independent groups of ports: those whose orders weights can decouple (input
 * and output of a dense convolution) are groups of their own, those that must agree (elementwise) are one. A
 * group g picks one configuration y(g): it has a cost and says for each of its ports in which order it reads
 * or writes the class.
 *
 * Objective, to be minimised over y, x and the sets M(v) of converted orders:
 *
 *   sum over g of cost(g, y(g))  +  sum over v, q in M(v) of conversion(v, x(v), q)
 *
 *   where x(v) is what the configuration of v's producer writes (free where v has no producer), and each
 *   port that reads v in order q finds q = x(v) or q in M(v).
 *
 * Costs are integers in a unit of the caller's choice (bytes, nanoseconds, conversions), already multiplied
 * by trip counts. Every conversion is possible, so that any choice of configurations is a legal plan. What a
 * graph input or output must look like is a group of its own with one port and the orders allowed as its
 * configurations. */
#ifndef CLAST_PLAN_PROBLEM_H
#define CLAST_PLAN_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "mem.h"

#define PROBLEM_NONE UINT32_MAX
/* As the order of a port: it reads whatever the producer wrote. */
#define PROBLEM_ANY UINT16_MAX
/* All costs of a problem together stay below this, so that sums and scaled sums fit in 64 bits. */
#define PROBLEM_COST_LIMIT ((uint64_t)1 << 56)
#define PROBLEM_MAX_ORDERS 4096
#define PROBLEM_MAX_CONFIGS 65535
/* Configurations of a group times orders of a class that it uses: a table of the planner. */
#define PROBLEM_MAX_PAIRS ((size_t)1 << 22)

/* What a strategy may know about an order. */
typedef enum order_tag { TAG_FIRST, TAG_LAST, TAG_BLOCKED, TAG_COUNT } order_tag;

typedef struct problem_class {
	uint32_t orders;         /* number of candidates, at least 1 */
	bool constant;           /* known when planning: has every order for nothing, and no producer */
	uint32_t producer;       /* the port that writes it, or PROBLEM_NONE */
	uint32_t tag[TAG_COUNT]; /* the candidate that is `first`, `last`, `blocked`, or PROBLEM_NONE */
	size_t conversion;       /* offset of its table in problem.conversion: entry [from * orders + to] */
	size_t first_reader;     /* reading ports: problem.reader[first_reader .. + readers) */
	uint32_t readers;
} problem_class;

typedef struct problem_port {
	uint32_t class, group;
	bool produced;
} problem_port;

typedef struct problem_group {
	uint32_t first_port, ports;
	uint32_t first_config, configs;
	size_t order; /* offset of its table in problem.order: entry [config * ports + port] */
	/* The configuration that its fastest kernel is made for, PROBLEM_NONE: it has no wish of its own. */
	uint32_t native;
} problem_group;

typedef struct problem {
	mem *m;
	problem_class *class;
	problem_group *group; /* in topological order as far as there is one */
	problem_port *port;
	uint32_t *reader; /* ports */
	uint64_t *cost;   /* of configurations */
	uint16_t *order;
	uint64_t *conversion;
	size_t classes, groups, ports, readers, configs, order_entries, conversion_entries;
	size_t class_capacity, group_capacity, port_capacity, reader_capacity, cost_capacity, order_capacity,
		conversion_capacity;
	uint64_t cost_total; /* of all costs, saturating below PROBLEM_COST_LIMIT */
} problem;

/* Building: classes before the groups that use them, producers' groups before their readers' where the
 * graph allows, then problem_finish. Failures leave the problem as it was: CLAST_ERROR_LIMIT (costs,
 * counts), CLAST_ERROR_ARGUMENT (an index out of range, a second producer, a constant written),
 * CLAST_ERROR_MEMORY. */
void problem_init(problem *p, mem *m);
void problem_release(problem *p);
/* conversion: orders x orders costs, [from * orders + to], its diagonal ignored; NULL: all zero. */
clast_status problem_add_class(problem *p, uint32_t orders, const uint64_t *conversion, bool constant,
			       uint32_t *class, clast_diag *d);
clast_status problem_set_tag(problem *p, uint32_t class, order_tag tag, uint32_t order, clast_diag *d);
/* ports: only class and produced are read. order: configs x ports, [config * ports + port], PROBLEM_ANY
 * allowed for a port that reads. */
clast_status problem_add_group(problem *p, uint32_t ports, const problem_port *port, uint32_t configs,
			       const uint64_t *cost, const uint16_t *order, uint32_t native, uint32_t *group,
			       clast_diag *d);
/* Lists the readers of each class. Has to be called again after anything was added. */
clast_status problem_finish(problem *p, clast_diag *d);

static inline uint64_t problem_conversion(const problem *p, uint32_t class, uint32_t from, uint32_t to)
{
	const problem_class *c = &p->class[class];
	return p->conversion[c->conversion + (size_t)from * c->orders + to];
}

/* The order in which port `at` of the problem works when its group has configuration `config`. */
static inline uint16_t problem_order(const problem *p, uint32_t at, uint32_t config)
{
	const problem_group *g = &p->group[p->port[at].group];
	return p->order[g->order + (size_t)config * g->ports + (at - g->first_port)];
}

/* One conversion that is carried out. */
typedef struct conversion_step {
	uint32_t class;
	uint16_t order; /* made */
	uint32_t from; /* an earlier conversion of the same class, or PROBLEM_NONE: what the producer wrote */
} conversion_step;

/* A plan of a problem. Only strategies that show how not to do it leave conversions whose `from` is
 * another one, or two that make the same order of one class. */
typedef struct assignment {
	mem *m;
	size_t classes, groups, ports;
	uint32_t *config;   /* of each group */
	uint16_t *produced; /* order of each class; PROBLEM_ANY for constants */
	uint32_t *reads;    /* of each port that reads: a conversion, or PROBLEM_NONE: what the producer wrote */
	conversion_step *conversion; /* by class, sources before what is made from them */
	size_t conversions, conversion_capacity;
	uint64_t config_cost, conversion_cost;
} assignment;

/* All configurations 0 and all produced orders PROBLEM_ANY, nothing converted, costs 0. */
clast_status assignment_init(assignment *a, const problem *p, mem *m, clast_diag *d);
void assignment_release(assignment *a);
static inline uint64_t assignment_cost(const assignment *a)
{
	return a->config_cost + a->conversion_cost;
}

/* From the configurations: produced orders, conversions (each once, from what the producer wrote), what
 * each port reads, and the costs. A class without producer keeps its produced order if that is set, else
 * takes the cheapest. */
clast_status assignment_complete(assignment *a, const problem *p, clast_diag *d);
/* The costs of an assignment whose conversions were listed by hand; CLAST_ERROR_INTERNAL where it breaks a
 * rule. */
clast_status assignment_evaluate(assignment *a, const problem *p, clast_diag *d);

#endif
