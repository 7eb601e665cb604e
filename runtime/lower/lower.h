/* Lowering: from a node of known orders and concrete shapes to calls of compute kernels.
 *
 * A family knows one kind of kernel: which nodes it computes, what it needs of the order of each operand, and how attributes and strides
 * become kernel parameters. Families are listed in lower.def, best first; the operator's reference is always the last candidate. */
#ifndef CLAST_LOWER_H
#define CLAST_LOWER_H

#include "cpu_kernels.h"
#include "graph.h"
#include "program.h"

/* What a kernel needs of the order of an operand. Strides along the axes are always free but for `unit`. */
typedef enum port_need {
	PORT_ABSENT,  /* the kernel does not read the operand (absorbed into weights or parameters at plan time) */
	PORT_VIEW,    /* any order, split axes too */
	PORT_WHOLE,   /* any order that keeps axes whole: one stride an axis */
	PORT_SAME,    /* the same order as the other PORT_SAME operands; axes may be split. Broadcast operands need not be PORT_SAME */
	PORT_FIRST,   /* row-major */
	PORT_LAST,    /* axis 1 innermost, the others in their order; see port_channels */
	PORT_ROWS,    /* axes whole, the last logical axis innermost in memory */
	PORT_MATRIX,  /* axes whole, the last or the last but one innermost */
	PORT_COLUMNS, /* the factors of the last axis side by side, in any order (the kernel permutes weights); of an output innermost too. Other
	                 axes may lie anywhere and be split */
	PORT_TURNED,  /* axes whole, the last but one innermost */
	PORT_INTERLEAVED, /* as PORT_LAST, but the groups of `block` channels take turns: the first channel of each, the second of each ... */
	PORT_RUNS,    /* axis 1 in two or three pieces, the innermost of PORT_RUNS_LEAST or more side by side, others anywhere; other axes whole */
	PORT_GROUPS,  /* three axes: the last one split, axis 1 between its two factors, which lie innermost: groups of channels */
	PORT_BLOCKED  /* axis 1 in blocks of as many channels as a vector holds, the block innermost, the others in their order */
} port_need;

#define PORT_RUNS_LEAST 4

/* Whether the channels of a PORT_LAST operand may lie permuted. */
typedef enum port_channels {
	CHANNELS_FIXED, /* no */
	CHANNELS_FREE,  /* in any order of factors: weights are permuted when they are packed */
	CHANNELS_TIED   /* in any order of factors, the same for input 0 and output 0 */
} port_channels;

typedef struct port {
	port_need need;
	bool unit; /* the innermost axis in memory must have stride 1 */
	port_channels channels;
	uint32_t block; /* of CHANNELS_FREE: not 0: channels of a group, which stay together, or take turns with those of the others, permuted
	                   in each group alike */
} port;

/* A node as a family sees it while planning: shapes may be symbolic. */
typedef struct lower_node {
	const clast_model *m;
	const node *n;
	const infer_value *in, *out; /* in[i].data is set for constants */
	unsigned tile; /* as in lowering; where ways are asked for */
} lower_node;

/* One of the ways in which a family can run a node: what it needs of the orders of input 0 and output 0, and what it costs on one core.
 * Extents are numbers here: those that are not known are representative ones. */
typedef struct lower_way {
	port_need in, out;
	double flops; /* as if all ran at the speed of a large product: what a kernel is slower counts as more */
	double bytes; /* to and from memory */
	bool alike;   /* any orders that the needs admit, the same for both */
} lower_way;

#define LOWER_MAX_WAYS 16

/* How the kernels of a node run, where timing may choose. None is less accurate than what `tile` of lowering allows. */
typedef struct lower_choice {
	uint8_t tile; /* side of Winograd tiles */
	kernel_hint hint;
} lower_choice;

#define LOWER_MAX_CHOICES 5

#define FUSED_MAX_OPERANDS EPILOGUE_MAX_OPERANDS

/* Elementwise nodes that run with the anchor of a group, as a program: the anchor's result is in register 0 at the start, and what is in
 * register 0 at the end is written to the output. PROGRAM_LOAD reads operand a of the list. */
typedef struct fused {
	program program;
	uint32_t operand_count;
} fused;

typedef struct lowering lowering;

typedef enum arg_kind { ARG_NONE, ARG_IN, ARG_OUT, ARG_FUSED, ARG_WEIGHT, ARG_TABLE, ARG_TEMP } arg_kind;

typedef struct lower_arg {
	arg_kind kind;
	uint32_t index;      /* of the operand, or as returned by lower_weight, lower_table, lower_temp */
	ptrdiff_t offset_bytes; /* added to the operand's first element */
} lower_arg;

struct lowering_host {
	clast_status (*emit)(lowering *l, kernel_id kernel, const void *params, size_t arg_count, const lower_arg *args,
	                     bool beside);
	clast_status (*weight)(lowering *l, packing_id packing, const weights_shape *shape, const weights_source *source,
	                       const void *key, size_t key_bytes, uint32_t *index);
	clast_status (*table)(lowering *l, size_t bytes, void **data, uint32_t *index);
	clast_status (*temp)(lowering *l, size_t bytes, uint32_t *index);
};

/* A step at concrete shapes. Views carry dims and strides; their data must not be read, except in[i].data of constants. */
struct lowering {
	const clast_model *m;
	const node *n;               /* the anchor; NULL for a group of elementwise nodes alone and for a conversion of order */
	size_t n_in, n_out;          /* of the anchor; an elementwise group has fused operands only and one output */
	const infer_value *in;       /* numeric */
	const tensor_view *in_view;  /* [n_in] */
	const tensor_view *out_view; /* [n_out] */
	const fused *fused;          /* NULL: nothing */
	const tensor_view *fused_view; /* operands of the program, broadcast to the dims of out_view[0] */
	const port *ports;           /* [n_in + n_out]: of the way that the plan chose; NULL: not known */
	const bool *fused_constant;  /* [operands]: the view's data may be read; NULL: none */
	const bool *slotted;         /* [n_in], of joins: the input already lies in its slot of the output */
	unsigned tile;               /* the largest side of Winograd tiles that the node may use: 0, 2 or 4 */
	uint32_t chain;              /* of the params of products */
	const lower_choice *choice;  /* NULL: the family's own */
	const struct lowering_host *host;
	void *context;
	bump *memory;                /* lives as long as the specialisation */
	clast_diag *diag;
};

/* Adds a kernel call. It starts when all earlier ones have finished, except with `beside`: then it may run beside the one emitted before
 * it (they write different elements). params are copied. */
clast_status lower_emit(lowering *l, kernel_id kernel, const void *params, size_t arg_count, const lower_arg *args);
clast_status lower_emit_beside(lowering *l, kernel_id kernel, const void *params, size_t arg_count, const lower_arg *args);
/* Packed weights, made once for all specialisations of the plan. key holds whatever the result depends on beside packing and shape: ids of
 * the constants, permutations, transposition. */
clast_status lower_weight(lowering *l, packing_id packing, const weights_shape *shape, const weights_source *source,
                          const void *key, size_t key_bytes, uint32_t *index);
/* Constant data that depends on the concrete shapes (interpolation tables); *data is to be filled before the call returns to the host. */
clast_status lower_table(lowering *l, size_t bytes, void **data, uint32_t *index);
/* Memory of the arena that is needed during this step only. */
clast_status lower_temp(lowering *l, size_t bytes, uint32_t *index);

/* tile[node]: the largest side of Winograd tiles with which the network stays within 1e-5 of exact arithmetic, 0, 2 or 4; 0 is left as it
 * is. chain: how long chains of sums its products can afford, 0 for short ones. fast: never mind. */
#define TILE_CHANNELS 16 /* at least, of input and output */
#define TILE_2_EXTENT 7  /* rows and pixels of the output, at least */
#define TILE_4_EXTENT 12
clast_status lower_tiles(const clast_model *m, bool fast, mem *memory, uint8_t *tile, uint32_t *chain, clast_diag *d);

typedef struct kernel_family {
	const char *name;
	/* Whether the family computes the node: by operator, attributes, dtypes, ranks and which operands are constant, never by concrete
	 * extents. ports: n_in inputs, then n_out outputs. */
	bool (*accepts)(const lower_node *x, port *ports);
	bool epilogue; /* can run a fused program on output 0 */
	bool by_rows;  /* its kernels can be asked for some rows of an image */
	/* All ways to run an accepted node, for the planner to choose from; way[0] is what `accepts` stated, and the one that the family is
	 * made for. Returns their number, at most LOWER_MAX_WAYS. NULL: there is no choice. The ports that lowering finds are those of
	 * the way chosen. */
	size_t (*ways)(const lower_node *x, lower_way *way);
	/* What timing may choose between for an accepted node, at extents that are numbers: choice[0] is the family's own, the others are
	 * those that may be faster. Returns their number, at most LOWER_MAX_CHOICES. NULL: there is no choice. */
	size_t (*choices)(const lower_node *x, const port *ports, unsigned tile, lower_choice *choice);
	/* Emits kernel calls. CLAST_ERROR_UNSUPPORTED lets the step fall back to the reference for these shapes. */
	clast_status (*lower)(lowering *l);
} kernel_family;

/* Family numbers are stable within a build; FAMILY_REFERENCE is the operator's reference. */
#define FAMILY_REFERENCE UINT16_MAX
size_t family_count(void);
const kernel_family *family_at(size_t index);
/* The first family that accepts the node, and what it needs; FAMILY_REFERENCE with PORT_VIEW everywhere if none does. */
uint16_t family_find(const lower_node *x, port *ports);

/* Number of elements; the extents are numbers. */
double lower_count(const infer_value *v);
/* Appends what may be faster than the own way of a product of k steps and n columns to the choices: the other pass, and other sizes of
 * tasks. */
size_t lower_product_choices(lower_choice own, int64_t k, int64_t n, size_t count, lower_choice *choice);
/* Nanoseconds on one core of a machine with vectors like this one's, an estimate to compare ways and conversions with. */
double lower_time(double flops, double bytes);
/* Whether an image [batch, channels, spatial...] lies so that kernels for PORT_LAST, PORT_FIRST or PORT_BLOCKED can walk it. Orders that
 * differ in axes of extent 1 alone are the same, so more than one may be true. */
bool lower_lies(const tensor_view *v, port_need how);
/* The stride from block to block of an image whose channels lie in blocks; 0 if they do not. */
int64_t lower_block_stride(const tensor_view *v);

/* The elements of an axis as they follow one another in memory: at one distance, which an axis that an order has split allows where its
 * factors lie side by side. Part of the key of weights that are packed for it. */
#define RUN_MAX_FACTORS 8
typedef struct axis_run {
	const uint32_t *index; /* element i in memory is index[i] of the axis; NULL: i */
	int64_t stride;
	struct {
		uint32_t n;            /* 0: as NULL */
		axis_factor factor[RUN_MAX_FACTORS]; /* logically outermost first */
	} key;
} axis_run;
/* False if there is no such distance, CLAST_ERROR_MEMORY aside, which leaves index NULL and n not 0. */
bool lower_run(const lowering *l, const tensor_view *v, int axis, axis_run *out);
/* The same where an axis lies in pieces: runs at distance 1, count[0] times count[1] of them, step apart; run.index counts through all of
 * them. False if it does not, or is one run. */
typedef struct axis_pieces {
	axis_run run;
	int64_t length; /* of a run */
	int64_t count[2], step[2];
} axis_pieces;
bool lower_pieces(const lowering *l, const tensor_view *v, int axis, axis_pieces *out);
/* The distance alone; 0: there is none. */
int64_t lower_run_stride(const tensor_view *v, int axis);
/* Whether two axes are permuted alike. */
bool lower_runs_agree(const axis_run *a, const axis_run *b);
/* For CHANNELS_TIED: whether the channels of input 0 and output 0 follow one another alike. */
bool lower_channels_agree(const lowering *l);

/* The elementwise families: whether the node is a function of its inputs element by element that float32 registers compute, so that it
 * can be part of a program: of float32, float16 and bfloat16, comparisons, logic, and conversions that lose nothing on the way. */
bool fuse_accepts(const lower_node *x);
/* Appends the node to a program. sources[i] says where input i comes from: a register (0..7) or operand number + 16; 255 is a
 * constant of one element, which becomes immediate (x->in[i].data). dst is the register for the result, which may be that of a source.
 * Registers from FUSE_TEMP on hold nothing between nodes. False if the program is full. */
#define FUSE_TEMP (PROGRAM_REGISTERS - 2)
bool fuse_append(const lower_node *x, program *p, const uint8_t *sources, uint8_t dst);
/* Replaces activations that were written out by one instruction each: x * sigmoid(x), x * hard_sigmoid(x), x * (1 + erf(x / sqrt(2))) / 2. */
void program_simplify(program *p);
/* Turns l->fused with its operands (views broadcast to the output's dims) into the epilogue of a kernel whose output axes are
 * axes[0..n) of the logical output (-1: an axis of extent 1), channels last. Recognises residual add and clamps. args receives the
 * residual and then the operands (ARG_NONE where absent); *count how many. False if it cannot be expressed. */
bool fuse_epilogue(lowering *l, size_t n, const int *axes, epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS],
                   size_t *count);
/* The same for a kernel whose vectors run along axes[unit]; unit = n: one that takes no residual but as part of a program. */
bool fuse_epilogue_along(lowering *l, size_t n, const int *axes, size_t unit, epilogue *e,
                         lower_arg args[1 + EPILOGUE_MAX_OPERANDS], size_t *count);

/* The same for kernels that write axis 1 in pieces: behind the n axes come those of the pieces and of the elements of one. */
bool fuse_epilogue_pieces(lowering *l, size_t n, const int *axes, const axis_pieces *pieces, epilogue *e,
                          lower_arg args[1 + EPILOGUE_MAX_OPERANDS], size_t *count);
/* The same for kernels that walk channels in blocks: axes may be AXIS_BLOCKS, the blocks of axis 1, and AXIS_IN_BLOCK, the channels of
 * one; vectors run along the last axis. */
enum { AXIS_BLOCKS = -2, AXIS_IN_BLOCK = -3 };
bool fuse_epilogue_blocks(const lowering *l, size_t n, const int *axes, epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS],
                          size_t *count);
/* The same for kernels whose axes are no axes of the output: strides[i] are those of operand i, outermost first, operands[i] where it is
 * (fuse_columns). one: the axis of the vectors has but one element. */
typedef ptrdiff_t fused_strides[EPILOGUE_MAX_AXES];
bool fuse_epilogue_strides(const lowering *l, size_t n, size_t unit, bool one, const fused_strides *strides, const lower_arg *operands,
                           epilogue *e, lower_arg args[1 + EPILOGUE_MAX_OPERANDS], size_t *count);
/* Makes the elements of operand i along an axis of the output lie at one distance in the order in which the output's lie: its stride, and
 * where the operand is found; constants are permuted for that. `view` becomes the view of what is found there but for this axis. */
bool fuse_columns(lowering *l, uint32_t i, int axis, const axis_run *out, tensor_view *view, ptrdiff_t *stride, lower_arg *where);
/* Axes that one stride walks in each of several views of the same dims, split axes taken apart: those of the first and of the following
 * logical axes, outermost first. Not merged. False if there are too many. */
bool lower_refine(size_t n, const tensor_view *const *views, int first, int end, size_t *rank, size_t *extent, ptrdiff_t *const *stride);

/* All axes of views of the same dims, split ones taken apart, in the memory order of the first view, outermost first, and merged; false if
 * kernels cannot walk so many. The arrays have VIEW_MAX_FACTORS entries. */
bool lower_walk(size_t n, const tensor_view *const *views, size_t *rank, size_t *extent, ptrdiff_t *const *stride);

/* Calls made by the runtime itself. */
/* Element-wise group: operands in fused_view, result in out_view[0]. */
clast_status lower_eltwise(lowering *l);
/* Copy of in_view[0] to out_view[0], any strides, any dtype. */
clast_status lower_copy(lowering *l);
/* The copy kernel's parameters for two views of the same dims, split axes taken apart; false if that gives too many axes. */
bool lower_copy_params(const tensor_view *to, const tensor_view *from, copy_params *c);

#endif
