/* What the axes of an operator's operands have to do with one another, and where its attributes name them.
 *
 * A frame is the list of axes that an operator works on. Tied operands have these axes, in the same order,
 * some without those that were reduced or that broadcasting adds. Permuting the frame permutes every tied
 * operand, and every attribute and constant input that names axes or lists something for each of them follows
 * by rule. */
#ifndef CLAST_CONVERT_AXES_H
#define CLAST_CONVERT_AXES_H

#include "graph.h"

typedef struct frame_operand {
	bool tied, broadcast;
	int8_t axis[CLAST_MAX_RANK]; /* of each axis of the frame: the operand's, -1: it has none */
} frame_operand;

typedef struct axis_rule axis_rule;

typedef struct frame {
	shape dims;
	value_id whole;         /* a value that has this shape */
	int fixed_from;         /* axes from here on stay where they are */
	bool elementwise;       /* also orders that split axes, where no operand is broadcast */
	const axis_rule *rule;  /* NULL: elementwise */
	frame_operand *operand; /* inputs, then outputs */
} frame;

/* False: the node takes its operands as they are only. operand[] is taken from scratch; CLAST_ERROR_MEMORY by
 * *failed. */
bool frame_of(const clast_model *m, const node *n, bump *scratch, frame *f, bool *failed);
/* Whether the operator may see its axes so; runtimes support some only in places. */
bool frame_allows(const clast_model *m, const node *n, const frame *f, const int *perm);
/* Memory axes of an operand as its own axes; returns how many. */
int frame_restrict(const frame *f, size_t operand, const int *perm, int *out);
/* Changes attrs (a copy of the node's) and in (room for *n_in + FRAME_MORE_INPUTS) for a frame whose axis i
 * is perm[i] of the old one. */
#define FRAME_MORE_INPUTS 4
clast_status frame_rewrite(clast_model *m, const node *n, const frame *f, const int *perm, void *attrs,
			   value_id *in, uint32_t *n_in, clast_diag *d);
/* Where a struct of attributes of the node's operator holds one; NULL if this version has none of the name.
 */
void *convert_attribute(const node *n, const void *attrs, const char *name);
/* A new constant. The elements are int64 and copied. */
clast_status convert_integers(clast_model *m, graph_id g, const char *name, clast_dtype dtype, int rank,
			      const int64_t *dims, const int64_t *elements, value_id *out, clast_diag *d);

#endif
