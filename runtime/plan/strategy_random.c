/* Any legal orders, evenly distributed over the configurations of each group. */
#include "strategy.h"

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). */
static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

clast_status strategy_random(const problem *p, const strategy_options *options, assignment *a, clast_diag *d)
{
	uint64_t state = options ? options->seed : 0;
	for (uint32_t g = 0; g < p->groups; g++)
		a->config[g] = (uint32_t)(splitmix(&state) % p->group[g].configs);
	for (uint32_t v = 0; v < p->classes; v++)
		a->produced[v] = (uint16_t)(splitmix(&state) % p->class[v].orders);
	return assignment_complete(a, p, d);
}
