/* From a layout problem to networks of cost functions, one for each connected part. */
#ifndef CLAST_PLAN_SOLVE_BUILD_H
#define CLAST_PLAN_SOLVE_BUILD_H

#include "solve_network.h"

/* The parts of a problem that share no variable: convolutions that decouple input and output cut a network
 * into many. */
typedef struct parts {
	const problem *p;
	mem *m;
	size_t ids, order_entries;
	size_t *first_order; /* of each class: its offset in `asked`, and of its bits in the ids */
	bool *asked;         /* [first_order[class] + order]: some port may read the class in that order */
	uint32_t *local;     /* number of each id in the network of its part, while that is being built */
	uint32_t *readers;   /* of each class: ports that may ask for an order of it */
	uint32_t *unread;    /* of each class: those still to come while its network is built */
	bool *unwritten;     /* of each class: its producer is still to come */
	uint32_t count;
	uint32_t *member; /* groups as g, classes as groups + v; those of a part ascending */
	size_t *first;    /* [part], [count] is the end; only parts with a group are listed */
} parts;

bool parts_find(parts *s, const problem *p, mem *m);
void parts_release(parts *s);
/* The network of a part, its costs multiplied by scale, after network_share, network_project and
 * network_reduce_pairs, all done while it is built, so that the memory in use stays small and in the
 * cache. narrow: the largest table for more than two variables that elimination may make already, or 0. */
bool parts_network(parts *s, uint32_t part, int64_t scale, size_t narrow, network *n, trail *t,
		   certificate *proof, uint32_t *next_id);

#endif
