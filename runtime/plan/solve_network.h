/* A network of cost functions over discrete variables, with the exact reductions the solver makes on it.
 * See certificate.h for the network of a layout problem and for the steps of a proof, which these
 * functions note.
 *
 * A network holds a connected part of a problem, or what is left of one. Variables have dense numbers here
 * and carry the id they have in the certificate. Functions that return bool return false when memory is
 * out, and then the network is of no use but to be released. */
#ifndef CLAST_PLAN_SOLVE_NETWORK_H
#define CLAST_PLAN_SOLVE_NETWORK_H

#include "certificate.h"
#include "solve_pool.h"
#include "solve_trail.h"

/* Sums of costs at or above half of this count as infinite. Finite ones stay below 2^58 by
 * PROOF_COST_LIMIT. */
#define COST_INFINITE ((int64_t)1 << 60)

static inline int64_t cost_add(int64_t a, int64_t b)
{
	const int64_t sum = a + b;
	return sum >= COST_INFINITE / 2 ? COST_INFINITE : sum;
}

static inline bool cost_is_infinite(int64_t cost)
{
	return cost >= COST_INFINITE / 2;
}

/* A cost function of at least two variables, ascending. The last variable runs fastest in the table. */
typedef struct factor {
	bool gone;
	uint32_t lists; /* of variables that hold it still */
	uint32_t arity;
	uint32_t entries;
	uint32_t slot; /* for the use of algorithms on the network */
	int64_t *table;
	uint32_t var[];
} factor;

typedef struct variable {
	uint32_t id;
	uint32_t labels; /* left */
	uint32_t names;  /* which original labels these are: entry of trail.name */
	bool gone, waiting;
	bool held;       /* not to be eliminated yet: functions of it are still to come */
	uint32_t bucket; /* entries of the table that its elimination would make; 0: not known */
	uint32_t stamp;  /* equal to network.stamp: met in the enumeration going on */
	uint32_t live;   /* functions that contain it; factor[] may hold others that are gone */
	uint32_t factors, capacity;
	factor **factor;
	int64_t *unary;
} variable;

typedef struct network {
	mem *m;
	pool memory;
	trail *trail;
	certificate *proof; /* steps are appended to it */
	variable *var;
	uint32_t vars, capacity, left; /* left: not gone */
	int64_t constant;
	bool dry;                /* only who is tied to whom: no costs, no tables, no proof */
	size_t batch, batch_end; /* the last ELIMINATE step of the proof and the words after it */
	uint32_t stamp;
	uint32_t *order; /* variables so that neighbours in the graph lie close together: the order of work */
	uint32_t *stack; /* variables to look at, each at most once */
	uint32_t waiting;
} network;

/* ---- Construction ---- */

/* Room for `capacity` variables, of which `vars` are to be given by network_variable. */
bool network_init(network *n, uint32_t vars, uint32_t capacity, mem *m, trail *t, certificate *proof);
/* Also after network_init has failed, and on a network whose m is NULL. */
void network_release(network *n);
/* Gives variable i its id and labels; unary costs start at 0. The caller gives it its place in n->order. */
bool network_variable(network *n, uint32_t i, uint32_t id, uint32_t labels);
/* The function of these variables (ascending), made with a zero table if there is none. NULL: out of
 * memory. */
factor *network_factor(network *n, uint32_t arity, const uint32_t *var);
/* Takes a function out. */
void network_kill(network *n, factor *f);
/* Takes a variable out that has been dealt with otherwise, with its functions. */
void network_take_out(network *n, uint32_t i);
/* The next live function at or after *at in the list of variable i, which is compacted on the way. */
factor *network_next(network *n, uint32_t i, uint32_t *at);

/* Part of a network as one of its own. */
typedef struct excerpt {
	const uint32_t *var; /* ascending */
	uint32_t vars;
} excerpt;

/* Copies the variables of an excerpt, which no function ties to others, and their functions. constant
 * becomes 0. */
bool network_extract(network *to, const network *from, const excerpt *e);
/* Copy of all that is left. */
bool network_copy(network *to, const network *from);

/* The label that a variable's position stands for. */
static inline uint16_t network_label(const network *n, uint32_t i, uint32_t position)
{
	const label_names *names = &n->trail->name[n->var[i].names];
	return names->label ? names->label[position] : (uint16_t)position;
}

/* ---- New variables that make a network narrower ---- */

/* Whether f of a variable and a copy only forbids the copy to be missing for some labels of the variable. */
bool network_is_demand(const network *n, const factor *f);
/* Where some copies (variables of two labels from id first_bit on) have all the readers of another one and
 * more, a new variable takes the place of these readers in both (step SHARE). Then nested fan-outs, as in
 * DenseNet's blocks, are narrow. Looks at the copies given. Functions of a copy and an id below `groups`
 * are readers. New variables take ids from *next_id on; the network must have capacity for one for each
 * copy, and for network_project one for each group. */
bool network_share(network *n, uint32_t groups, uint32_t first_bit, uint32_t count, const uint32_t *copies,
		   uint32_t *next_id);
/* Where the configurations of group variable y ask for far fewer sets of copies than there are
 * configurations (a product that reads in one order and writes in another), a new variable says which set
 * (step PROJECT). */
bool network_project(network *n, uint32_t y, uint32_t first_bit, uint32_t *next_id);

/* ---- Elimination ---- */

/* Entries of the table that eliminating variable i would make; SIZE_MAX: more than limit, or too many
 * variables. */
size_t network_bucket(network *n, uint32_t i, size_t limit);
bool network_eliminate(network *n, uint32_t i);
/* Notes in the proof that the variable of an id is eliminated, which the network never had. */
bool network_note_elimination(network *n, uint32_t id);
/* Lets a held variable go. */
void network_let_go(network *n, uint32_t i);
/* Eliminates variables with one label or at most two neighbours, starting with those let go and the
 * neighbours of those eliminated. */
bool network_drain(network *n);
/* The same, starting with all. */
bool network_reduce_pairs(network *n);

/* Bounds on elimination. */
typedef struct effort {
	size_t entries; /* of a table */
	uint64_t work;  /* additions */
} effort;

/* Eliminates variables from n->order[from] to before n->order[to] and what becomes easy thereby. */
bool network_reduce_range(network *n, uint32_t from, uint32_t to, effort *e);
/* Eliminates, small tables first, until no variable is left or the effort does not allow more. */
bool network_reduce(network *n, effort e);
/* Finds out whether network_reduce would leave nothing. */
bool network_foresee(const network *n, effort e, bool *finishes);

/* ---- Fewer labels ---- */

/* Removes the labels marked in gone[0 .. labels) of variable i (never all of them) from all tables. The
 * caller says why in the proof. */
bool network_remove_labels(network *n, uint32_t i, const bool *gone);
/* Removes the labels marked, with a PRUNE step for which the bound must be a reason. *possible: one is
 * left; if not, nothing is removed and this case of the proof is closed. */
bool network_prune(network *n, uint32_t i, const bool *gone, bool *possible);
/* Prunes labels that some function forbids altogether, until there is none. *possible: every variable has
 * a label. */
bool network_prune_impossible(network *n, bool *possible);
/* Removes dominated labels everywhere until none is left. */
bool network_drop_dominated(network *n);

/* ---- Proof and trail ---- */

/* Appends words to a proof. */
bool proof_append(certificate *c, const int64_t *word, size_t words);
/* Notes in the trail that variable i has the label. */
bool network_note_label(network *n, uint32_t i, uint16_t label);

#endif
