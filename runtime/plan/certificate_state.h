/* The network of cost functions that a proof speaks about, as the checker sees it, and the steps that need
 * no proof of their own. Internal to the checker; see certificate.h for what the steps mean. Functions
 * that return bool return false after a failure, which is in checker.status then. */
#ifndef CLAST_PLAN_CERTIFICATE_STATE_H
#define CLAST_PLAN_CERTIFICATE_STATE_H

#include "certificate.h"

/* A cost that no plan pays. Finite values stay within PROOF_FINITE on both sides, which is checked where they
 * change. */
#define PROOF_INFINITE INT64_MAX
#define PROOF_FINITE ((int64_t)1 << 61)

typedef struct proof_function {
	uint32_t arity;
	bool gone;
	size_t entries;
	int64_t *table; /* last variable fastest */
	uint32_t *var;  /* numbers in the state, ascending */
} proof_function;

typedef struct proof_link {
	proof_function *f;
	struct proof_link *next;
} proof_link;

typedef struct proof_variable {
	bool gone;
	uint32_t labels, functions;
	uint16_t *label; /* original labels left, ascending */
	int64_t *cost;
	proof_link *first;
} proof_variable;

typedef struct proof_checker {
	const problem *p;
	const certificate *c;
	mem *m;
	clast_diag *d;
	clast_status status;
	size_t at; /* next word */
} proof_checker;

typedef struct proof_place {
	uint32_t number; /* in the copy */
	bool is_inside;
} proof_place;

/* What is left of the network at one place of the proof. */
typedef struct proof_state {
	proof_checker *k;
	bump b;
	proof_variable *var;
	size_t var_capacity;
	uint32_t vars;
	uint32_t *id; /* of each variable, ascending; NULL: its number */
	proof_function **all;
	size_t functions, capacity;
	int64_t constant;
	bool integral; /* every number is a multiple of the scale */
	bool refuted;  /* some variable has no label left: nothing here costs less than the target */
	proof_place *place;
	size_t places, place_capacity;
} proof_state;

/* ---- Words ---- */

/* Notes why the certificate is rejected; false. */
bool proof_reject(proof_checker *k, const char *reason);
bool proof_out_of_memory(proof_checker *k);
/* Sum of two costs; rejects what is out of range. */
int64_t proof_add(proof_checker *k, int64_t a, int64_t b);
bool proof_next_word(proof_checker *k, int64_t *word);
/* A count of items of at least `words` words each, which must still be there. */
bool proof_next_count(proof_checker *k, size_t words, size_t *count);

/* ---- Networks ---- */

/* vars variables, still without labels. */
bool state_init(proof_state *s, proof_checker *k, uint32_t vars);
void state_release(proof_state *s);
/* The network of the problem. */
bool state_build(proof_state *s, proof_checker *k);
bool state_init_variable(proof_state *s, uint32_t i, uint32_t labels);
/* The function of these variables, ascending; a new one is zero. NULL after a failure. */
proof_function *state_function(proof_state *s, uint32_t arity, const uint32_t *var);
void state_remove_function(proof_state *s, proof_function *f);
/* Goes through the functions of a variable and unlinks those that are gone: start with *at = &var->first. */
proof_function *state_next_function(proof_link ***at);
/* Takes a variable away with its functions. */
void state_remove_variable(proof_state *s, uint32_t i);
/* Takes label number `a` of a variable away, with its slices of the functions. */
bool state_remove_label(proof_state *s, uint32_t i, uint32_t a);
/* The entries between two labels of variable number `which` of f. */
size_t state_stride(const proof_state *s, const proof_function *f, uint32_t which);
static inline uint32_t state_place_of(const proof_function *f, uint32_t var)
{
	uint32_t i = 0;
	while (f->var[i] != var)
		i++;
	return i;
}

/* A variable, or a label of one, that the proof names next. */
bool state_next_variable(proof_state *s, uint32_t *i);
bool state_next_label(proof_state *s, uint32_t i, uint32_t *position);
/* The sum of all minima: a lower bound of the whole. */
int64_t state_bound(proof_state *s);

/* ---- Steps, after the word that names them ---- */

bool proof_eliminate(proof_state *s);
bool proof_drop(proof_state *s);
bool proof_move(proof_state *s);
bool proof_prune(proof_state *s, int64_t target);
bool proof_share(proof_state *s);
bool proof_project(proof_state *s);

#endif
