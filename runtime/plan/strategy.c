/* The list of strategies and what several of them share. */
#include <stdlib.h>
#include <string.h>

#include "strategy.h"

const strategy strategies[] = {
#define STRATEGY(NAME, SUMMARY) { #NAME, SUMMARY, strategy_##NAME },
#include "strategy.def"
#undef STRATEGY
};
const size_t strategy_count = sizeof strategies / sizeof *strategies;

const strategy *strategy_find(const char *name, strategy_options *options)
{
	const size_t length = strcspn(name, ":");
	for (size_t i = 0; i < strategy_count; i++) {
		const strategy *s = &strategies[i];
		if (strlen(s->name) != length || strncmp(s->name, name, length) != 0)
			continue;
		if (name[length] == '\0')
			return s;
		char *end;
		const uint64_t seed = strtoull(name + length + 1, &end, 10);
		if (s->choose != strategy_random || name[length + 1] < '0' || name[length + 1] > '9' ||
		    *end != '\0')
			return NULL;
		if (options)
			options->seed = seed;
		return s;
	}
	return NULL;
}

uint32_t best_config(const problem *p, const assignment *a, uint32_t group, config_score *score,
		     void *context)
{
	const problem_group *g = &p->group[group];
	uint32_t best = 0;
	int64_t best_score = INT64_MIN;
	for (uint32_t c = 0; c < g->configs; c++) {
		const int64_t s = score ? score(p, a, group, c, context) : 0;
		if (s > best_score ||
		    (s == best_score && p->cost[g->first_config + c] < p->cost[g->first_config + best])) {
			best = c;
			best_score = s;
		}
	}
	return best;
}

int64_t score_tag(const problem *p, const assignment *a, uint32_t group, uint32_t config, void *tag)
{
	(void)a;
	const problem_group *g = &p->group[group];
	int64_t score = 0;
	for (uint32_t i = 0; i < g->ports; i++) {
		const problem_class *c = &p->class[p->port[g->first_port + i].class];
		score += c->tag[*(const order_tag *)tag] == problem_order(p, g->first_port + i, config);
	}
	return score;
}
