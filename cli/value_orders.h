/* --order and --orders: orders of values for strategy manual. */
#ifndef CLAST_CLI_VALUE_ORDERS_H
#define CLAST_CLI_VALUE_ORDERS_H

#include "clast/clast.h"
#include "options.h"
#include "report.h"

typedef struct value_orders {
	clast_value_order *list; /* the strings are this struct's */
	size_t count;
} value_orders;

static inline bool value_orders_given(const options *o)
{
	return o->order.count || o->orders.count;
}

/* Both options together; --order wins where both name a value. Released by value_orders_free, also after a failure. */
CLAST_MUST_CHECK clast_status value_orders_read(const options *o, value_orders *v, problem *p);
void value_orders_free(value_orders *v);

#endif
