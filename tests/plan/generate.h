/* Layout problems made for tests: random ones, and ones that look like networks. */
#ifndef CLAST_TESTS_PLAN_GENERATE_H
#define CLAST_TESTS_PLAN_GENERATE_H

#include "problem.h"

uint64_t random_next(uint64_t *state);
uint32_t random_below(uint64_t *state, uint32_t n);

/* Random graph of at most `classes` classes of at most `orders` orders: fan-out, ties of several ports,
 * constants, inputs with a contract, operators that read anything, costs that often coincide. */
void generate_random(problem *p, uint64_t seed, uint32_t classes, uint32_t orders);

/* Networks of about `operators` operators: orders are first, last, and further ones up to `orders`. */
void generate_chain(problem *p, uint32_t operators, uint32_t orders, uint64_t seed);
void generate_resnet(problem *p, uint32_t operators, uint32_t orders, uint64_t seed);
void generate_densenet(problem *p, uint32_t operators, uint32_t orders, uint64_t seed);
void generate_swin(problem *p, uint32_t operators, uint32_t orders, uint64_t seed);

/* No real network: operators that read two or three of the last `window` values, so that nothing is
 * narrow. */
void generate_wide(problem *p, uint32_t operators, uint32_t orders, uint32_t window, uint64_t seed);

/* The least cost, by trying all configurations and produced orders. */
uint64_t brute_force(const problem *p);
/* How many assignments brute_force has to try. */
double brute_force_size(const problem *p);

#endif
