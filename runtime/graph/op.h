/* Operators: everything the runtime knows about one, in one struct in one file of runtime/ops, listed in ops.def. */
#ifndef CLAST_OP_H
#define CLAST_OP_H

#include "diag.h"
#include "order.h"

/* ---- Attributes: read by a table into the operator's own struct ---- */

typedef enum attr_type {
	ATTR_FLOAT,   /* float */
	ATTR_INT,     /* int64_t */
	ATTR_BOOL,    /* ONNX int, held as bool */
	ATTR_DTYPE,   /* ONNX int, held as clast_dtype */
	ATTR_STRING,  /* const char *, NUL-terminated */
	ATTR_ENUM,    /* ONNX string, held as int: its index in names; anything else is an error */
	ATTR_TENSOR,  /* const tensor_view *, or NULL */
	ATTR_FLOATS,  /* float_list */
	ATTR_INTS,    /* int_list */
	ATTR_STRINGS, /* string_list */
	ATTR_GRAPH    /* int: index for call_body() and infer_body(), or -1 */
} attr_type;

typedef struct float_list {
	const float *v;
	size_t n;
} float_list;
typedef struct int_list {
	const int64_t *v;
	size_t n;
	bool given; /* distinguishes an empty list from an absent attribute */
} int_list;
typedef struct string_list {
	const char *const *v;
	size_t n;
} string_list;

typedef struct attr_spec {
	const char *name;
	attr_type type;
	size_t offset; /* in the operator's struct */
	float f;       /* defaults */
	int64_t i;
	const char *s;
	const char *const *names; /* ATTR_ENUM: NULL-terminated; the default is names[i] */
	bool required;
	int since, until; /* versions that know the attribute: since <= v < until; 0: no bound */
} attr_spec;

/* ---- Shape inference: pure. The graph calls it with symbols, the executor with numbers. ---- */

typedef enum value_kind { KIND_TENSOR, KIND_SEQUENCE, KIND_OPTIONAL } value_kind;

/* What is known of a value. */
typedef struct infer_value {
	bool present;            /* false: an optional input or output that is absent */
	value_kind kind;
	clast_dtype dtype;
	shape shape;
	const dim *ints;         /* elements of a small integer or bool tensor, row-major, where known; each may be an expression,
	                            or DIM_UNKNOWN where just that one is not known; else NULL */
	size_t int_count;
	const tensor_view *data; /* elements where known (constants; everything already computed, when called while running); else NULL */
} infer_value;

typedef struct infer_in {
	const struct op *op; /* for files that several operators share: its name for messages, its family */
	dim_table *dims;   /* NULL: numeric */
	const void *attrs;
	int version;       /* the opset version at which this operator last changed, such as 13 for Reshape in opset 17 */
	size_t n_in, n_out;
	const infer_value *in;
	bump *memory;      /* for ints of outputs; lives long enough */
	/* Infers a subgraph: inputs as given, outputs written. For If, Loop, Scan; NULL when numeric. */
	clast_status (*body)(const struct infer_in *in, int graph, size_t n_in, const infer_value *inputs, size_t n_out,
	                     infer_value *outputs, clast_diag *d);
	void *driver;
} infer_in;

/* out[i].present says whether output i is wanted. The function sets dtype, shape, kind and, if it can, ints. What it leaves alone
 * is unknown: rank -1. An extent that depends on data is dim_fresh(in->dims, ...). */
typedef struct infer_out {
	infer_value *out;
} infer_out;

/* ---- Reference: the definition of the operator's result ---- */

typedef struct call {
	const struct op *op;
	const void *attrs;
	int version;
	size_t n_in, n_out;
	const tensor_view *const *in; /* NULL where absent */
	tensor_view **out;            /* NULL where absent; views of the inferred shape, in any order. Where inference could not know the
	                                 shape (data-dependent), data is NULL until call_output() */
	mem *memory;                  /* for scratch */
	clast_diag *diag;
	const struct call_host *host;
	void *context; /* of the host */
} call;

struct call_host {
	clast_status (*output)(call *c, size_t index, clast_dtype dtype, int rank, const int64_t *dims);
	clast_status (*body)(call *c, int graph, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out);
	void (*release)(call *c, const tensor_view *v);
	bool (*proceed)(call *c);
	clast_status (*string)(call *c, const char *bytes, size_t length, clast_string *out); /* may be NULL */
	clast_status (*give)(call *c, size_t index, const tensor_view *v); /* may be NULL: then it is copied */
};

/* Gives output `index` its memory and dims (row-major); for outputs whose size depends on data. Also accepted, and then a check
 * that the dims agree, where the shape was inferred. */
clast_status call_output(call *c, size_t index, clast_dtype dtype, int rank, const int64_t *dims);
/* Runs a subgraph (number given by an ATTR_GRAPH attribute). out[i] are tensors in whatever order it leaves them, the caller's until
 * call_release() or call_give(). Where out[i].data is set on entry, the view tells where the caller would like the result: if it has that
 * address afterwards, it is there, and there is nothing to release. Captured values are the host's business. */
clast_status call_body(call *c, int graph, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out);
void call_release(call *c, const tensor_view *v);
/* A tensor that a subgraph left becomes output `index`, and is the caller's no longer, also after a failure. */
clast_status call_give(call *c, size_t index, const tensor_view *v);
/* An element of a string output, its bytes copied to where they live as long as the outputs. */
clast_status call_string(call *c, const char *bytes, size_t length, clast_string *out);
/* False when the run was cancelled or out of its limits; ask in long loops. */
bool call_proceed(call *c);

/* ---- Layout ---- */

typedef enum layout_rule {
	RULE_FIXED,    /* row-major only */
	RULE_ANY,      /* all operands in one order, whichever; broadcast operands in its restriction */
	RULE_AXIS,     /* any order that keeps the axes of `cut` whole */
	RULE_CHANNELS, /* kernels exist for some orders; weights absorb channel permutations */
	RULE_PERMUTE,  /* axes renamed: `views` */
	RULE_REGROUP,  /* factors regrouped: `views` */
	RULE_CONTRACT  /* stated per operand */
} layout_rule;

/* One step of a pure view: either a permutation or a new shape. */
typedef struct view_step {
	bool permute;
	int perm[CLAST_MAX_RANK];
	shape shape; /* after the step */
} view_step;
#define MAX_VIEW_STEPS 4

/* Values that a node hands to its bodies and takes from them as one: what goes in is what a body sees, what a body leaves is what it sees
 * the next time and what comes out. */
typedef struct body_tie {
	enum { TIE_SAME, /* all are one value */
	       TIE_SLICE, /* a body sees one index of an axis of `in` */
	       TIE_STACK /* what a body leaves is one index of an axis of `out` */
	} kind;
	int in, out;           /* operands of the node, -1: none */
	int body_in, body_out; /* of its body, or of each of its bodies; -1: none */
	int64_t axis;          /* of `in` or `out`; negative: from the end */
} body_tie;

/* ---- The operator ---- */

typedef struct op_version {
	int since;
	uint32_t dtypes; /* DTYPE_BITs allowed for input 0; 0: checked by infer */
} op_version;

typedef enum op_flags {
	OP_RANDOM = 1,     /* not folded */
	OP_BODIES = 2,     /* has subgraphs */
	OP_DATA_SHAPED = 4, /* some output shape depends on element values that are not small integers known to inference */
	OP_UNIFORM = 8     /* all elements of output 0 are equal, whatever its shape, which is all that the inputs say */
} op_flags;

typedef struct op {
	const char *name;
	const char *domain;            /* "" is ai.onnx */
	const op_version *versions;    /* ascending; ends with since 0 */
	const attr_spec *attrs;        /* ends with name NULL; NULL: none */
	size_t attrs_bytes;
	uint16_t min_in, max_in;       /* UINT16_MAX: any number */
	uint16_t min_out, max_out;
	uint32_t shape_inputs;         /* bit i: inference needs the elements of input i */
	uint32_t flags;
	layout_rule rule;
	clast_status (*check)(const infer_in *in, clast_diag *d); /* optional: attribute values alone, once at import */
	clast_status (*infer)(const infer_in *in, infer_out *out, clast_diag *d);
	clast_status (*reference)(call *c);
	/* RULE_AXIS: mask of axes of operand `value` (inputs first, then outputs) that are cut, sliced, reduced or indexed. */
	uint32_t (*cut)(const infer_in *in, size_t operand);
	/* RULE_PERMUTE, RULE_REGROUP: output 0 as a chain of views of input 0. Returns the number of steps, or -1 if it is none. */
	int (*views)(const infer_in *in, const infer_value *out, view_step *steps);
	/* Output j as a window on input 0: turns the view of the input into that of the output, at concrete shapes; false where it is none
	 * (or inputs that decide it are not known). Slice, Split, Expand, Gather of one index. */
	bool (*window)(const infer_in *in, const infer_value *out, size_t j, tensor_view *v);
	/* The axis along which output 0 is the inputs one after the other. Concat. */
	int (*join)(const infer_in *in, int rank);
	/* OP_BODIES: the index-th tie; false after the last. Values that are in none pass as they are in row-major order. */
	bool (*tie)(const infer_in *in, size_t index, body_tie *t);
	/* OP_BODIES: how often a body runs each time the node does, given what is known of its first result; DIM_UNKNOWN where that depends on
	 * data. NULL: once at most. */
	dim (*trips)(const infer_in *in, const infer_value *result);
	int family; /* a scalar function's number, for operators that share a file */
} op;

/* The list (runtime/ops). */
size_t op_count(void);
const op *op_at(size_t index);
const op *op_find(const char *domain, const char *name);
/* The version in force at an opset: the largest since <= opset; NULL if the operator did not exist. */
const op_version *op_resolve(const op *o, int64_t opset);
/* The newest opset of the default domain that operators here were written against. */
#define NEWEST_OPSET 28

#endif
