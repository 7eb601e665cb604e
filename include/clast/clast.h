/* Clast: a neural-network inference runtime with an ONNX importer.
 *
 * A model is imported, a plan decides the memory order of every tensor and the kernels, a session runs the plan.
 * A model may be freed once its plans exist, a plan once its sessions exist (they are counted inside).
 * A model and a plan are immutable after creation and serve many sessions in many threads; a session and a tensor
 * belong to one thread at a time.
 *
 * Every function that can fail returns a clast_status and takes an optional clast_diag that says what failed.
 * On failure output handles are set to NULL, and what was passed in still belongs to the caller. */
#ifndef CLAST_CLAST_H
#define CLAST_CLAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CLAST_API __attribute__((visibility("default")))
#define CLAST_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CLAST_API
#define CLAST_MUST_CHECK
#endif

#define CLAST_VERSION_MAJOR 0
#define CLAST_VERSION_MINOR 1
#define CLAST_VERSION_PATCH 0

/* The largest number of axes of a tensor. */
#define CLAST_MAX_RANK 16

typedef enum clast_status {
	CLAST_OK = 0,
	CLAST_ERROR_ARGUMENT,    /* the caller's mistake: NULL, unknown name, wrong shape or dtype of an input */
	CLAST_ERROR_MODEL,       /* the model is malformed or contradicts itself */
	CLAST_ERROR_UNSUPPORTED, /* the model is valid, but something in it is not implemented */
	CLAST_ERROR_LIMIT,       /* a limit of clast_limits would be exceeded */
	CLAST_ERROR_MEMORY,      /* an allocation failed */
	CLAST_ERROR_IO,          /* a file cannot be opened, read or written */
	CLAST_ERROR_DATA,        /* a value met while running is out of its range, for example an index */
	CLAST_ERROR_CANCELLED,   /* the progress callback asked to stop */
	CLAST_ERROR_DEVICE,      /* a device is missing or failed */
	CLAST_ERROR_INTERNAL     /* a defect of Clast */
} clast_status;

/* The name of a status, such as "malformed model"; never NULL. */
CLAST_API const char *clast_status_name(clast_status status);
CLAST_API const char *clast_version(void);

/* Element types; the numbers are those of ONNX's TensorProto.DataType.
 * Types of fewer than 8 bits are held one element a byte, sign-extended where signed. */
typedef enum clast_dtype {
	CLAST_UNDEFINED = 0,
	CLAST_FLOAT32 = 1,
	CLAST_UINT8 = 2,
	CLAST_INT8 = 3,
	CLAST_UINT16 = 4,
	CLAST_INT16 = 5,
	CLAST_INT32 = 6,
	CLAST_INT64 = 7,
	CLAST_STRING = 8, /* elements are clast_string */
	CLAST_BOOL = 9,   /* one byte, 0 or 1 */
	CLAST_FLOAT16 = 10,
	CLAST_FLOAT64 = 11,
	CLAST_UINT32 = 12,
	CLAST_UINT64 = 13,
	CLAST_COMPLEX64 = 14,
	CLAST_COMPLEX128 = 15,
	CLAST_BFLOAT16 = 16,
	CLAST_FLOAT8E4M3FN = 17,
	CLAST_FLOAT8E4M3FNUZ = 18,
	CLAST_FLOAT8E5M2 = 19,
	CLAST_FLOAT8E5M2FNUZ = 20,
	CLAST_UINT4 = 21,
	CLAST_INT4 = 22,
	CLAST_FLOAT4E2M1 = 23,
	CLAST_FLOAT8E8M0 = 24,
	CLAST_UINT2 = 25,
	CLAST_INT2 = 26,
	CLAST_DTYPE_COUNT
} clast_dtype;

CLAST_API const char *clast_dtype_name(clast_dtype dtype); /* "float32"; "undefined" for anything unknown */
CLAST_API size_t clast_dtype_bytes(clast_dtype dtype);     /* bytes an element in memory; 0 for anything unknown */

/* An element of a string tensor: bytes, not terminated. The tensor owns them. */
typedef struct clast_string {
	const char *bytes;
	size_t length;
} clast_string;

/* What went wrong. The caller provides it, zeroed; functions fill it only on failure. */
typedef struct clast_diag {
	clast_status status;
	char node[128];     /* name of the node, or "" */
	char value[128];    /* name of the value, or "" */
	char message[2048]; /* one sentence, or one line for each finding */
} clast_diag;

/* ---- What the caller may provide. Every options struct starts with its size; zero means the default. ---- */

typedef struct clast_allocator {
	void *(*allocate)(void *context, size_t bytes, size_t alignment); /* NULL on failure */
	void (*release)(void *context, void *memory, size_t bytes);
	void *context;
} clast_allocator;

typedef enum clast_log_level { CLAST_LOG_ERROR, CLAST_LOG_WARNING, CLAST_LOG_INFO, CLAST_LOG_DEBUG } clast_log_level;

typedef struct clast_log {
	void (*write)(void *context, clast_log_level level, const char *message);
	void *context;
} clast_log;

/* Bounds on what untrusted input may cost; 0 is the default in brackets. */
typedef struct clast_limits {
	size_t memory_bytes;     /* all allocations of a model, a plan or a session together [no limit] */
	size_t file_bytes;       /* a model file or an external data file [64 GiB] */
	size_t nodes;            /* nodes of a model, subgraphs and inlined functions counted [4,000,000] */
	size_t nesting;          /* depth of subgraphs and of the wire format [64] */
	size_t tensor_bytes;     /* one tensor [memory_bytes, or 16 GiB] */
	size_t fold_bytes;       /* one constant made by folding [64 MiB] */
	size_t loop_iterations;  /* one execution of a Loop [2^31 - 1] */
} clast_limits;

/* ---- Tensors ---- */

/* A dense array or a strided view of one, with up to CLAST_MAX_RANK axes. */
typedef struct clast_tensor clast_tensor;

/* A new tensor of zeroed elements in row-major order. allocator may be NULL. */
CLAST_API CLAST_MUST_CHECK clast_status clast_tensor_create(clast_dtype dtype, size_t rank, const int64_t *dims,
                                                            const clast_allocator *allocator, clast_tensor **tensor,
                                                            clast_diag *diag);
/* A tensor over the caller's memory, which must outlive it. strides count elements and may be NULL for row-major. */
CLAST_API CLAST_MUST_CHECK clast_status clast_tensor_wrap(clast_dtype dtype, size_t rank, const int64_t *dims,
                                                          const int64_t *strides, void *data, clast_tensor **tensor,
                                                          clast_diag *diag);
/* Reads and writes ONNX TensorProto messages (raw or typed payload; external data is refused). */
CLAST_API CLAST_MUST_CHECK clast_status clast_tensor_parse(const void *bytes, size_t size, clast_tensor **tensor,
                                                           clast_diag *diag);
CLAST_API CLAST_MUST_CHECK clast_status clast_tensor_load(const char *path, clast_tensor **tensor, clast_diag *diag);
CLAST_API CLAST_MUST_CHECK clast_status clast_tensor_save(const clast_tensor *tensor, const char *path,
                                                          clast_diag *diag);
CLAST_API void clast_tensor_free(clast_tensor **tensor);
CLAST_API clast_dtype clast_tensor_dtype(const clast_tensor *tensor);
CLAST_API size_t clast_tensor_rank(const clast_tensor *tensor);
CLAST_API const int64_t *clast_tensor_dims(const clast_tensor *tensor);
CLAST_API const int64_t *clast_tensor_strides(const clast_tensor *tensor); /* elements */
CLAST_API size_t clast_tensor_count(const clast_tensor *tensor);           /* elements */
CLAST_API void *clast_tensor_data(const clast_tensor *tensor);
/* The name a TensorProto carried, or "". */
CLAST_API const char *clast_tensor_name(const clast_tensor *tensor);
/* Copies elements into row-major memory of exactly clast_tensor_count elements of the tensor's dtype. */
CLAST_API CLAST_MUST_CHECK clast_status clast_tensor_read(const clast_tensor *tensor, void *elements, size_t bytes);

/* ---- Models ---- */

typedef struct clast_model clast_model;

typedef struct clast_model_options {
	size_t struct_size;
	const clast_allocator *allocator;
	const clast_log *log;
	clast_limits limits;
	/* Called now and then during long work; false stops it with CLAST_ERROR_CANCELLED. */
	bool (*progress)(void *context, double fraction);
	void *progress_context;
	/* Fixed extents for symbolic dims of inputs, by the name of the input: dims of -1 stay as they are. */
	size_t shape_count;
	const struct clast_input_shape *shapes;
	/* Less memory rather than less time: constants stay in the file and nothing is merged into them, and no weights are packed to more
	 * than their size, which rules Winograd tiles out. */
	bool low_memory;
} clast_model_options;

typedef struct clast_input_shape {
	const char *name;
	size_t rank;
	const int64_t *dims;
} clast_input_shape;

typedef struct clast_value_info {
	const char *name;
	clast_dtype dtype;
	int rank;                                   /* -1: unknown */
	int64_t dims[CLAST_MAX_RANK];               /* -1: unknown */
	const char *dim_names[CLAST_MAX_RANK];      /* name or expression of an unknown dim, else NULL */
} clast_value_info;

CLAST_API CLAST_MUST_CHECK clast_status clast_model_load(const char *path, const clast_model_options *options,
                                                         clast_model **model, clast_diag *diag);
/* bytes may be released when the call returns. External data is refused. */
CLAST_API CLAST_MUST_CHECK clast_status clast_model_parse(const void *bytes, size_t size,
                                                          const clast_model_options *options, clast_model **model,
                                                          clast_diag *diag);
CLAST_API void clast_model_free(clast_model **model);

CLAST_API size_t clast_model_input_count(const clast_model *model);
CLAST_API size_t clast_model_output_count(const clast_model *model);
CLAST_API CLAST_MUST_CHECK clast_status clast_model_input(const clast_model *model, size_t index,
                                                          clast_value_info *info);
CLAST_API CLAST_MUST_CHECK clast_status clast_model_output(const clast_model *model, size_t index,
                                                           clast_value_info *info);

/* Conversion: reads an ONNX model and writes the same network channels-first or channels-last, with as few Transpose nodes as the
 * operators of ONNX allow. Constants are folded and permuted, nodes that change nothing left out; all else stays as it is. */
typedef struct clast_convert_options {
	size_t struct_size;
	const clast_model_options *model; /* how the model is read; may be NULL */
	const char *layout;        /* "first" [default] or "last": the order asked for */
	/* "first", "last" or "keep" [layout]: the axes of inputs and outputs that have an axis of channels. Names stay. */
	const char *input_layout, *output_layout;
	const char *strategy;      /* as of a plan [min] */
	const char *objective;     /* "count" [default]: few Transpose nodes; "bytes": few bytes in them */
	bool external_data;        /* constants of 1 KiB and more go to PATH.data */
} clast_convert_options;

typedef struct clast_convert_report {
	size_t struct_size;
	size_t nodes_before, nodes;             /* bodies counted */
	size_t transposes_before, transposes;
	bool optimal;                           /* no choice of orders needs fewer; for strategy min */
} clast_convert_report;

/* path is written as a whole or not at all; it may be the model's own path. report may be NULL. */
CLAST_API CLAST_MUST_CHECK clast_status clast_model_convert(const char *path, const char *converted_path,
                                                            const clast_convert_options *options,
                                                            clast_convert_report *report, clast_diag *diag);

/* Models built by calls: begin, add in topological order, end. Names are copied. An attribute's value is taken from
 * the member that its type names. */
typedef enum clast_attribute_type {
	CLAST_ATTRIBUTE_FLOAT = 1, /* numbers of ONNX's AttributeProto.AttributeType */
	CLAST_ATTRIBUTE_INT = 2,
	CLAST_ATTRIBUTE_STRING = 3,
	CLAST_ATTRIBUTE_TENSOR = 4,
	CLAST_ATTRIBUTE_GRAPH = 5,
	CLAST_ATTRIBUTE_FLOATS = 6,
	CLAST_ATTRIBUTE_INTS = 7,
	CLAST_ATTRIBUTE_STRINGS = 8
} clast_attribute_type;

typedef struct clast_attribute {
	const char *name;
	clast_attribute_type type;
	float f;
	int64_t i; /* also of CLAST_ATTRIBUTE_GRAPH: the number of a body, which one node may take */
	const char *s;
	const clast_tensor *t;
	const float *floats;
	const int64_t *ints;
	const char *const *strings;
	size_t count; /* of floats, ints, strings */
} clast_attribute;

typedef struct clast_builder clast_builder;
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_create(int64_t opset, const clast_model_options *options,
                                                             clast_builder **builder, clast_diag *diag);
/* dims of -1 are unknown; dim_names may be NULL, and so may each name in it. */
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_input(clast_builder *builder, const char *name,
                                                            clast_dtype dtype, size_t rank, const int64_t *dims,
                                                            const char *const *dim_names, clast_diag *diag);
/* Copies the tensor. */
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_constant(clast_builder *builder, const char *name,
                                                               const clast_tensor *tensor, clast_diag *diag);
/* An absent optional input or output is "" or NULL. */
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_node(clast_builder *builder, const char *op, const char *domain,
                                                           const char *name, size_t input_count,
                                                           const char *const *inputs, size_t output_count,
                                                           const char *const *outputs, size_t attribute_count,
                                                           const clast_attribute *attributes, clast_diag *diag);
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_output(clast_builder *builder, const char *name,
                                                             clast_diag *diag);
/* A body of If, Loop or Scan: inputs, constants, nodes and outputs added until the matching end belong to it. It sees the values
 * of the graphs around it, which do not see its own; names are unique in the whole model. Bodies may be nested. */
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_begin_body(clast_builder *builder, const char *name, clast_diag *diag);
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_end_body(clast_builder *builder, int64_t *body, clast_diag *diag);
/* Consumes the builder, also on failure. */
CLAST_API CLAST_MUST_CHECK clast_status clast_builder_finish(clast_builder **builder, clast_model **model,
                                                             clast_diag *diag);
CLAST_API void clast_builder_free(clast_builder **builder);

/* ---- Plans ---- */

typedef struct clast_plan clast_plan;

typedef enum clast_precision {
	CLAST_PRECISION_DEFAULT,
	CLAST_PRECISION_FAST,
	CLAST_PRECISION_EXACT,    /* no Winograd; NaN and infinity propagate as in ONNX */
	CLAST_PRECISION_REFERENCE /* every operator by its reference, accumulating in double */
} clast_precision;

/* The order in which a value is to lie: "first", "last", its axes from the outermost in memory inwards as reports write them ("N H W C",
 * "d0 d2 d1"), or parts of axes ("N C/8 H W C%8": C/8 is the index divided by 8, C%8 what remains). */
typedef struct clast_value_order {
	const char *value;
	const char *order;
} clast_value_order;

typedef struct clast_plan_options {
	size_t struct_size;
	const char *strategy;      /* "min" [default], "wrap", "first", "last", ..., "manual", "random:SEED" */
	const char *objective;     /* "time" [default], "measured", "bytes", "count" */
	const char *input_layout;  /* "first" [default], "last": the order of the caller's input buffers */
	const char *output_layout; /* "first" [default], "last" */
	const char *device;        /* "cpu" [default], "opencl", "opencl:N" */
	clast_precision precision;
	bool keep_values;          /* no value is fused away, so that an observer sees every one of them */
	/* Of strategy "manual", which keeps to them and chooses all other orders as "min" does. An order that no kernel can make is an
	 * error. */
	size_t order_count;
	const clast_value_order *orders;
	/* Time the ways in which each layer can run, where several are accurate enough, and take the fastest: some seconds for a model that is new.
	 * What was found is kept in the user's cache folder ($XDG_CACHE_HOME/clast/tune), by CPU and shape of layer, and timed once.
	 * CLAST_TUNE_CACHE=0 in the environment does without the folder. Not with a device. */
	bool tune;
} clast_plan_options;

CLAST_API CLAST_MUST_CHECK clast_status clast_plan_create(clast_model *model, const clast_plan_options *options,
                                                          clast_plan **plan, clast_diag *diag);
CLAST_API void clast_plan_free(clast_plan **plan);

/* Totals over a plan. Bytes are those of the declared shapes, unknown dims counted by their representative size. */
typedef struct clast_plan_report {
	size_t struct_size;
	size_t nodes;             /* nodes of the graph after folding and fusion */
	size_t steps;             /* steps of the plan, conversions counted */
	size_t reference_steps;   /* steps on floating-point values that run as plain references */
	size_t transposes;        /* conversions of order inside */
	size_t io_transposes;     /* conversions owed to the order of inputs and outputs */
	size_t transpose_bytes;
	size_t copy_bytes;        /* copies made because a view was impossible */
	size_t lower_bound_bytes; /* proved lower bound of transpose_bytes */
	bool optimal;
	size_t arena_bytes;
	size_t weights_bytes;     /* packed weights */
	size_t packings;          /* how often a weight was packed, over all shapes and sessions */
	size_t device_steps;      /* steps that the plan's device computes, and those that are left to the CPU beside it */
	size_t cpu_steps;
	size_t device_copies;     /* copies between the two in a run, inputs and outputs counted, and their bytes */
	size_t device_copy_bytes;
	uint64_t placement_cost;  /* what is estimated for the steps on either side and the copies between them, in nanoseconds, and a proved */
	uint64_t placement_bound; /* bound below which no other placement costs */
	/* The layout problem: what the chosen orders cost in the unit of the objective (conversions of inputs and outputs and
	 * kernels that are slower in their orders counted), and a proved bound below which no choice costs; 0 where the strategy
	 * proves none. */
	uint64_t layout_cost, layout_bound;
	size_t arena_bound_bytes; /* most bytes that live at one time: no arena can be smaller */
	/* Of a plan made with `tune`: layers that have a choice; those timed for it now, the others being known already; and those that do not
	 * run as they would without. */
	size_t tuned_layers, timed_layers, changed_layers;
	/* Orders and ways to run a node that were too many to be weighed; then `optimal` is false, and cost and bound are those of the others.
	 * left_out_at: "value x" or "node y", where the first of them are; "" if there are none. Lives as long as the plan. */
	size_t left_out;
	const char *left_out_at;
} clast_plan_report;

CLAST_API CLAST_MUST_CHECK clast_status clast_plan_get_report(const clast_plan *plan, clast_plan_report *report);

/* One conversion of order that a plan carries out. Strings live as long as the plan. */
typedef struct clast_transpose_info {
	size_t struct_size;
	size_t step;           /* that carries it out */
	const char *value;     /* what is converted, by its ONNX name */
	const char *from, *to; /* orders written out */
	size_t bytes;
	bool io;               /* owed to the order of the model's inputs and outputs */
	const char *node, *op; /* what forces it; "" for the border of a graph */
	const char *reason;    /* why */
	const char *remedy;    /* what would make it needless */
	size_t times;          /* how often a run carries it out: the trips of the loops around it, a sample where data decide */
} clast_transpose_info;

CLAST_API size_t clast_plan_transpose_count(const clast_plan *plan);
CLAST_API CLAST_MUST_CHECK clast_status clast_plan_transpose(const clast_plan *plan, size_t index,
                                                             clast_transpose_info *info);

/* One step of a plan, for inspection. Strings live as long as the plan. */
typedef struct clast_step_info {
	size_t struct_size;
	const char *node;   /* name of the first node computed by the step */
	const char *op;     /* its operator, or "Transpose" for a conversion of order */
	const char *kernel; /* the kernel family, or "reference" */
	const char *fused;  /* operators fused into it, separated by commas */
	const char *output; /* name of the (first) output value */
	const char *order;  /* its order written out, such as "N H W C" */
	bool conversion;    /* it changes the order of elements in memory and does nothing else */
	clast_value_info shape; /* of the first output */
	/* What it reads but for constants: the names of the values and the steps that make them, SIZE_MAX for inputs. */
	size_t operand_count;
	const char *const *operands;
	const size_t *sources;
	/* Where it runs at representative extents: "device", "cpu", "late" (settled while running), "" where there is nothing to do or
	 * the plan has no device; and why it is not on the device. */
	const char *place, *place_reason;
} clast_step_info;

CLAST_API size_t clast_plan_step_count(const clast_plan *plan);
CLAST_API CLAST_MUST_CHECK clast_status clast_plan_step(const clast_plan *plan, size_t index, clast_step_info *info);

/* ---- Sessions ---- */

typedef struct clast_session clast_session;

/* A thread pool that sessions may share. threads counts the calling thread; 0 means one for each allowed CPU. */
typedef struct clast_pool clast_pool;
CLAST_API CLAST_MUST_CHECK clast_status clast_pool_create(size_t threads, clast_pool **pool, clast_diag *diag);
CLAST_API void clast_pool_free(clast_pool **pool);

/* What a run spends time on. On the device times are those of the device itself, brought onto the clock of the host. */
typedef enum clast_activity {
	CLAST_ACTIVITY_CPU,      /* a step on the CPU */
	CLAST_ACTIVITY_DEVICE,   /* kernels of a step on the plan's device */
	CLAST_ACTIVITY_UPLOAD,   /* a copy to the device, for a step on it */
	CLAST_ACTIVITY_DOWNLOAD  /* a copy from the device, for a step on the CPU or, with step SIZE_MAX, for an output */
} clast_activity;

typedef struct clast_session_options {
	size_t struct_size;
	size_t threads;   /* 0: one for each allowed CPU; ignored with a pool */
	clast_pool *pool; /* outlives the session */
	const clast_allocator *allocator;
	clast_limits limits;
	/* Called with each value after it was computed; tensor lives only during the call. Values in the graph keep their
	 * ONNX names and shapes whatever their order. */
	void (*observe)(void *context, const char *value, const clast_tensor *tensor);
	void *observe_context;
	/* Asked between steps; false stops the run with CLAST_ERROR_CANCELLED. */
	bool (*progress)(void *context, double fraction);
	void *progress_context;
	/* Called after each step with the times of its start and end in nanoseconds of the monotonic clock; for steps on a device at the
	 * end of the run, with the times at which the device ran them. */
	void (*profile)(void *context, size_t step, uint64_t start_ns, uint64_t end_ns);
	void *profile_context;
	/* The same with what was done, copies to and from a device too. */
	void (*activity)(void *context, clast_activity what, size_t step, size_t bytes, uint64_t start_ns, uint64_t end_ns);
	void *activity_context;
	/* Note how evenly threads share each step: clast_session_get_work then says what processor time they took. */
	bool balance;
} clast_session_options;

CLAST_API CLAST_MUST_CHECK clast_status clast_session_create(clast_plan *plan, const clast_session_options *options,
                                                             clast_session **session, clast_diag *diag);
CLAST_API void clast_session_free(clast_session **session);
/* Runs once. inputs[i] belongs to the model's input i. outputs[i], if not NULL on entry, is a tensor of the caller's
 * with the right dtype and dims, written in place; if NULL, it is set to a tensor that lives until the next run or the
 * end of the session and is not to be freed by the caller. */
CLAST_API CLAST_MUST_CHECK clast_status clast_session_run(clast_session *session, size_t input_count,
                                                          const clast_tensor *const *inputs, size_t output_count,
                                                          clast_tensor **outputs, clast_diag *diag);
/* The same without waiting: a thread of the session's own runs it, on the session's thread pool and device. Callbacks are called on that
 * thread. Until clast_session_wait the tensors behind inputs and outputs must stay as they are, and so must the array outputs, which
 * clast_session_wait fills; the array inputs is copied. Wrong counts and a run that has not been waited for are refused at once, all
 * else is reported by the wait. Freeing the session cancels the run and waits for its end. */
CLAST_API CLAST_MUST_CHECK clast_status clast_session_run_async(clast_session *session, size_t input_count,
                                                                const clast_tensor *const *inputs, size_t output_count,
                                                                clast_tensor **outputs, clast_diag *diag);
/* Waits for the run that clast_session_run_async started, and returns what clast_session_run would have. CLAST_ERROR_ARGUMENT if there
 * is none. */
CLAST_API CLAST_MUST_CHECK clast_status clast_session_wait(clast_session *session, clast_diag *diag);
/* Whether such a run is still computing; the wait returns at once if not. */
CLAST_API bool clast_session_running(const clast_session *session);
/* Makes the run under way, asynchronous or not, end with CLAST_ERROR_CANCELLED after the step at hand; nothing happens if there is none or
 * it ends before. May be called from any thread while the session exists. */
CLAST_API void clast_session_cancel(clast_session *session);
/* Bytes that the session holds now: arenas of its cached specialisations and its pool for dynamic values. */
CLAST_API size_t clast_session_bytes(const clast_session *session);

/* What a step of the last run had to do; all zero for steps of subgraphs and before the first run. Operations are those of the
 * operators' definitions, a multiplication and an addition counted as two; executed those of the kernels, which may be fewer
 * (Winograd) or more (channels rounded up); bytes those of all operands, each once. */
typedef struct clast_step_work {
	size_t struct_size;
	double operations, executed, bytes;
	/* With clast_session_options.balance, on the CPU: the tasks that threads share, the processor time of all threads together, and that of
	 * the busiest one, both in nanoseconds without waiting and the least of all runs of these shapes. critical_ns is at least
	 * total_ns / threads, and as much if none is idle. */
	size_t tasks;
	double total_ns, critical_ns;
} clast_step_work;
CLAST_API CLAST_MUST_CHECK clast_status clast_session_get_work(const clast_session *session, size_t step,
                                                               clast_step_work *work);

/* ---- What this build and machine can do ---- */

typedef struct clast_op_info {
	const char *name;
	const char *domain;
	int since;      /* first opset version implemented */
	int latest;     /* latest opset version at which the operator changed and is implemented */
	const char *layout_rule;
	const char *devices;   /* "cpu" or "cpu,opencl": where it runs on float32; whether this build has OpenCL is another matter */
} clast_op_info;

CLAST_API size_t clast_op_count(void);
CLAST_API CLAST_MUST_CHECK clast_status clast_op(size_t index, clast_op_info *info);
/* Devices beside the CPU, in the order of "opencl:N". Asking loads the drivers that are installed. */
typedef struct clast_device_info {
	char name[128], platform[128], driver[128];
	char type[16];           /* "gpu", "cpu" or "accelerator" */
	size_t compute_units;
	uint64_t memory_bytes;
	bool host_memory;        /* shares memory with the host */
} clast_device_info;

/* Their number; if 0, diag (which may be NULL) says why. */
CLAST_API size_t clast_device_count(clast_diag *diag);
CLAST_API CLAST_MUST_CHECK clast_status clast_device(size_t index, clast_device_info *info);

/* The most that a device can do, measured in about half a second: float32 operations of multiply-adds, and bytes read and written when
 * it copies memory of its own, in 10^9 a second. device as in clast_plan_options, but for "cpu". */
typedef struct clast_device_speed {
	double gflops, gbytes;
} clast_device_speed;
CLAST_API CLAST_MUST_CHECK clast_status clast_device_measure(const char *device, clast_device_speed *speed, clast_diag *diag);

CLAST_API const char *clast_cpu_isa(void);      /* the kernels' instruction set in use, such as "avx2" */
CLAST_API const char *clast_cpu_features(void); /* detected features, separated by blanks */
CLAST_API const char *clast_blas(void);         /* OpenBLAS's core type, or "" in a build without it */

#ifdef __cplusplus
}
#endif
#endif
