/* What is left when cheap elimination stops: a minimum cut, dual bounds, branch and bound. */
#ifndef CLAST_PLAN_SOLVE_SEARCH_H
#define CLAST_PLAN_SOLVE_SEARCH_H

#include "solve_network.h"

/* Solves a network of two labels a variable and submodular functions of pairs, of which no label is
 * impossible, and notes the moves that prove the value. label: by id. *applies: it is one; if not, nothing
 * has happened. false: out of memory. */
bool network_cut(network *n, uint16_t *label, int64_t *value, bool *applies);

/* Time that this thread has computed, which does not hang on how busy the machine is. */
double seconds_now(void);

/* The dual of the linear relaxation: costs moved between functions and variables, without a change of any
 * sum, so that the minima add up to more. */
typedef struct dual dual;

/* A dual without moves; the network must not change while it exists. NULL: out of memory. */
dual *dual_create(network *n);
/* Raises the bound by rounds of moves until `rounds` are done, it reaches the target, hardly moves, or
 * time is over. */
void dual_ascend(dual *d, uint32_t rounds, int64_t target, double deadline);
int64_t dual_bound(const dual *d);
/* Positions for all variables that are good by the current moves: their cost, infinite where that failed. */
int64_t dual_decode(dual *d, uint16_t *position);
/* Carries the moves out and notes them. The dual is of no use after that, but to be freed. */
bool dual_commit(dual *d);
void dual_free(dual *d); /* d may be NULL */

typedef struct search_options {
	double deadline;   /* on the clock of seconds_now */
	size_t entries;    /* of the largest table that elimination may try */
	int64_t scale;     /* that all numbers of the network are multiples of */
	uint16_t *label;   /* by id: receives the best labels of the network's variables */
	uint16_t *scratch; /* by id */
} search_options;

typedef struct search_result {
	int64_t value; /* of the best labels found; infinite: none */
	int64_t bound; /* proved; above value - scale where the search was finished */
	uint64_t nodes;
} search_result;

/* Solves a network, which it uses up, by dual bounds, pruning, elimination and branching, and notes the
 * proof of `bound`. The trail is as before. false: out of memory. */
bool network_search(network *n, const search_options *options, search_result *r);

#endif
