/* A proof that no assignment of a layout problem costs less than a bound, and its checker, which shares no
 * code with the solver: whatever the solver did, a certificate that passes is right.
 *
 * The proof speaks about a network of cost functions that both sides derive from the problem. Its variables
 * are
 *
 *   id g                      the configuration of group g
 *   id groups + v             the order x(v) that the producer of class v writes
 *   id groups + classes + i   one bit for each order q of each class v (i runs over classes, then orders):
 *                             the class is there in order q, because it was written or converted
 *
 * and its functions, all to be added up and minimised,
 *
 *   cost(g, c)                                of each group
 *   infinite unless c writes x(v)             of a group that writes class v
 *   infinite if c reads (v, q) and bit = 0    of a group that reads class v, for each q a port may ask for
 *   conversion(v, x, q) if bit = 1, x != q    of class v, for each q that some port may ask for
 *
 * all multiplied by `scale`, so that potentials can be fractions. Constant classes have none. Two functions
 * of the same variables count as one: their sum. The least sum is scale times the least cost of an
 * assignment.
 *
 * A proof of a target t is a list of steps, each of which leaves a network whose least sum is at most that
 * of the network before (more only where it exceeds t anyway), and an end. Words of 64 bits:
 *
 * ELIMINATE n id..
 *   Each variable in turn: the functions that contain it are replaced by the minimum of their sum over it
 *   (bucket elimination). Of a variable with one label left all functions are just restricted to that label.
 * DROP n (id a b)..
 *   Label a of the variable can never beat label b: function by function, the least of f(a, .) - f(b, .)
 *   adds up to at least 0 (Goldstein's criterion).
 * MOVE n (arity id.. amount..)..
 *   The function of those variables becomes f - sum of amount(i, label of i), and each variable i gets its
 *   amounts as a cost of its own. Amounts follow for each id and each label left, ascending. This changes no
 *   sum.
 * PRUNE n (id a)..
 *   Label a costs t at least: the minima of all functions, those with the variable restricted to a, add up
 *   to t or more in the network before the step. When a variable has no label left, only END may follow, and
 *   holds.
 * SHARE n m (y).. (b)..
 *   All y and b have a function that forbids b = 0 with some labels of y and does nothing else, for each y
 *   the same with every b. A new variable of two labels stands between them: it is forbidden to be 0 with
 *   those labels of each y, and to be 1 when some b is 0. Its id is the lowest free one. Only outside BLOCK
 *   and BRANCH.
 * PROJECT y n (b)..
 *   Likewise, y has such a function with each b. A new variable, with the lowest free id, says which of
 *   these b the label of y asks for: one label for each set of them that occurs, in the order of their first
 *   labels of y. It is tied to y by a function that is infinite where the sets differ, and to each b by one
 *   that forbids b = 0 with the sets it is in. Only outside BLOCK and BRANCH.
 * BLOCK id u proof
 *   u is proved to bound the sum over the connected part around variable id, and takes its place in the
 *   constant. While every number is a multiple of scale, u is rounded up to one first, since the true
 *   minimum is one.
 * END
 *   The minima of all functions add up to t or more. Ends the proof.
 * BRANCH id a proof proof
 *   Both with the variable at a and with a removed the target is met. Ends the proof.
 *
 * The certificate proves the target (bound - 1) * scale + 1: costs are integers. References: Bertele and
 * Brioschi, Nonserial dynamic programming (1972) for elimination; Goldstein, Efficient rotamer elimination
 * (1994) for DROP; Schlesinger (1976) and Werner, A linear programming approach to max-sum problem (2007)
 * for MOVE, by which weak duality of the linear relaxation shows. */
#ifndef CLAST_PLAN_CERTIFICATE_H
#define CLAST_PLAN_CERTIFICATE_H

#include "problem.h"

enum {
	PROOF_END,
	PROOF_ELIMINATE,
	PROOF_DROP,
	PROOF_MOVE,
	PROOF_PRUNE,
	PROOF_SHARE,
	PROOF_PROJECT,
	PROOF_BLOCK,
	PROOF_BRANCH
};

/* No table of a proof may be larger, so that checking is cheap whatever the certificate says. */
#define PROOF_MAX_ENTRIES PROBLEM_MAX_PAIRS
#define PROOF_MAX_ARITY 24
/* scale * cost_total of the problem stays below this. */
#define PROOF_COST_LIMIT ((uint64_t)1 << 56)

typedef struct certificate {
	mem *m;
	uint64_t cost;  /* of the assignment it belongs to */
	uint64_t bound; /* of every assignment */
	uint64_t scale; /* at least 1 */
	int64_t *word;
	size_t words, capacity;
} certificate;

void certificate_release(certificate *c);

/* Derives the cost of the assignment and checks the proof. CLAST_OK only if both figures of the certificate are
 * what it claims; otherwise CLAST_ERROR_DATA, and d says what is wrong. Any content is safe to check. */
clast_status certificate_check(const problem *p, const assignment *a, const certificate *c, mem *m, clast_diag *d);

#endif
