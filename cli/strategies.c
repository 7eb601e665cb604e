#include "strategies.h"

#include <stdio.h>
#include <string.h>

static const char *known_strategies(void)
{
	for (size_t i = 0; i < option_spec_count; i++)
		if (!strcmp(option_specs[i].name, "strategy"))
			return option_specs[i].words;
	return "";
}

void strategies_free(strategy_plan *plans, size_t count)
{
	for (size_t i = 0; i < count; i++)
		clast_plan_free(&plans[i].plan);
}

clast_status strategies_plan(engine *e, const options *o, const char *list,
			     strategy_plan plans[STRATEGIES_MOST], size_t *count, problem *p)
{
	const bool all = !strcmp(list, "all");
	clast_status s = CLAST_OK;
	*count = 0;
	for (const char *at = all ? known_strategies() : list; !s && *at;) {
		const size_t length = strcspn(at, all ? "|" : ",");
		strategy_plan *one = &plans[*count];
		if (*count == STRATEGIES_MOST || !length || length >= sizeof(one->name))
			s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL,
					"--strategies %s: expected all, or names with commas", list);
		if (s)
			break;
		snprintf(one->name, sizeof(one->name), "%.*s", (int)length, at);
		s = engine_plan(e, o, one->name, &one->plan, p);
		if (!s)
			++*count;
		else if (all && (s == CLAST_ERROR_ARGUMENT || s == CLAST_ERROR_UNSUPPORTED)) {
			*p = (problem){ 0 };
			s = CLAST_OK;
		}
		at += length + (at[length] != 0);
	}
	if (!s && !*count)
		s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--strategies %s: no such strategy", list);
	if (s)
		strategies_free(plans, *count);
	return s;
}
