/* From a layout problem to networks of cost functions, one for each connected part. */
#ifndef CLAST_PLAN_SOLVE_BUILD_H
#define CLAST_PLAN_SOLVE_BUILD_H

#include "solve_network.h"

/* The parts of a problem that share no variable: convolutions that decouple input and output cut a network into many. */
typedef struct parts {
	const problem *p;
	mem *m;
	size_t ids, order_entries;
	size_t *first_order; /* of each class: its offset in `asked`, and of its bits in the ids */
	bool *asked;         /* [first_order[class] + order]: some port may read the class in that order */
	uint32_t *local;     /* number of each id in the network of its part, while that is being built */
	uint32_t count;
	uint32_t *member;    /* groups as g, classes as groups + v; those of a part ascending */
	size_t *first;       /* [part], [count] is the end; only parts with a group are listed */
} parts;

bool parts_find(parts *s, const problem *p, mem *m);
void parts_release(parts *s);
/* The network of a part, with room for as many variables again and its costs times scale. */
bool parts_network(parts *s, uint32_t part, int64_t scale, network *n, trail *t, certificate *proof);

#endif
