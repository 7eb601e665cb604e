/* What every compute kernel has in common, whatever computes it.
 *
 * A kernel gets three things, so that a plan can keep the first for all sessions and be saved to a file:
 *   params   a plain struct without pointers: extents, strides, constants, programs;
 *   args     one pointer for each operand, in the order of the enum next to the params;
 *   scratch  memory of one worker, of the size that the kernel asks for, with undefined contents.
 * Its work is cut into tasks whose number and borders follow from params and the ISA alone. A task writes
 * elements that no other task writes, and computes the same bits in whatever call it runs: any number of
 * threads may share [0, tasks) in any way. Kernels cannot fail, do not allocate and start no threads.
 *
 * Extents, strides and offsets count elements, unless a name says bytes. Strides are signed.
 * Operands need the alignment of their elements and no more; scratch and packed weights KERNEL_ALIGNMENT.
 * Kernels read and write no byte outside the elements that params describe.
 * An extent of 0 is allowed wherever an empty tensor makes sense; such a kernel has no tasks or writes
 * nothing. Outputs do not overlap any other operand, except where a kernel says so. */
#ifndef CONTRACT_KERNEL_H
#define CONTRACT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_ALIGNMENT 64

/* Axes of the kernels that walk any tensor (elementwise, copy, reduce). strided_merge brings a tensor with
 * more factors down; what is still above the bound has no kernel. */
#define KERNEL_MAX_AXES 8

/* How a kernel goes about its work, where timing has found a better way than its own (0: its own). Results have
 * the same bits whatever the hint. */
typedef struct kernel_hint {
	int8_t size; /* tasks are 2^size times as large */
	uint8_t pass;
} kernel_hint;

/* Of products: what stays in the first-level cache while all of the other passes by. */
enum { PASS_OWN, PASS_ROWS, PASS_PANELS };

typedef struct compute_kernel {
	const char *name;
	size_t params_bytes;
	/* The number of tasks, at most 2^31. */
	size_t (*tasks)(const void *params);
	/* Bytes of scratch that one worker needs; 0 is common. */
	size_t (*scratch_bytes)(const void *params);
	/* Runs the tasks [begin, end). */
	void (*run)(const void *params, void *const *args, size_t begin, size_t end, void *scratch);
	/* Whether this variant computes params (NULL: all that the contract describes). */
	bool (*supports)(const void *params);
} compute_kernel;

/* Element types that loads and stores of elementwise programs convert from and to float32. */
typedef enum kernel_dtype {
	KERNEL_F32,
	KERNEL_U8, /* also bool */
	KERNEL_I8,
	KERNEL_F16,
	KERNEL_BF16,
	KERNEL_I32, /* exact up to 2^24, rounded to nearest above */
	KERNEL_DTYPE_COUNT
} kernel_dtype;

size_t kernel_dtype_bytes(kernel_dtype dtype);

/* Drops axes of extent 1 and merges neighbours that every operand walks as one axis, outermost axis first.
 * stride[o][i] is the stride of operand o along axis i. Returns the new number of axes, at least 1 where rank
 * is (a single element is one axis of extent 1). */
size_t strided_merge(size_t rank, size_t *extent, size_t operands, ptrdiff_t *const *stride);

#endif
