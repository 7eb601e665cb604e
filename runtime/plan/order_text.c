/* Orders as people read them. */
#include <stdio.h>

#include "plan.h"

/* With an extent of 1 several orders are the same; the usual name is preferred. */
void plan_order_text(const clast_plan *p, const order *o, const shape *s, char *text, size_t size)
{
	static const char *const last[] = { "N W C", "N H W C", "N D H W C" };
	order l;
	if (o->n && s->rank >= 3 && s->rank <= 5 && order_last(p->model->dims, s, &l) && order_equal(o, &l))
		snprintf(text, size, "%s", last[s->rank - 3]);
	else
		order_format(p->model->dims, o, s, text, size);
}
