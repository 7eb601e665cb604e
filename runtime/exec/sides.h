/* Memory that lies on the host and on a device: which side holds the bytes of each base of a run, and moving them.
 *
 * Bases are those of spec.h: inputs, then buffers. A base is moved as a whole, and only when a step on one side needs what a
 * step on the other has written; nothing is moved for a base that nobody has written yet.
 *
 * Where the device shares the host's memory nothing is moved at all: the two take turns. A base is the host's while it is mapped, which
 * it is from the first step on the host that uses it to the next one on the device. */
#ifndef CLAST_EXEC_SIDES_H
#define CLAST_EXEC_SIDES_H

#include "device.h"

typedef struct side {
	device_memory *memory;  /* NULL: not on the device yet */
	size_t offset;          /* within memory */
	size_t bytes;
	bool on_host, on_device; /* where the bytes are valid, if they are not shared */
	bool own;               /* memory is freed with the list */
	bool shared, mapped;    /* the bytes are the same on both sides; it is the host's turn */
	bool constant;          /* nobody writes it: an input */
} side;

typedef struct sides {
	device *dev;            /* NULL: there is no device, and every function does nothing */
	device_queue *queue;
	mem *memory;
	bool shares;            /* bases without memory on the device take the host's where they can */
	side *list;
	size_t count, capacity;
	uint32_t *mapped;       /* bases */
	size_t mapped_count, mapped_capacity;
	size_t moved_bytes, moves; /* since the run began */
} sides;

/* The next base. memory may be NULL: it is found when the device first needs it. */
clast_status sides_add(sides *x, size_t bytes, device_memory *memory, size_t offset, bool on_host, bool constant, clast_diag *d);
/* Makes the bytes valid on one side too; host is the base's address there. */
clast_status sides_to_host(sides *x, uint32_t base, void *host, clast_diag *d);
clast_status sides_to_device(sides *x, uint32_t base, void *host, clast_diag *d);
/* The bytes were written on one side and are stale on the other. */
void sides_written(sides *x, uint32_t base, bool on_device);
bool sides_on_host(const sides *x, uint32_t base);
/* Waits, and lets go of the caller's memory: the first bases, which may be freed when the run has ended. */
clast_status sides_leave_inputs(sides *x, uint32_t count, clast_diag *d);
/* Waits for the device first. */
void sides_release(sides *x);

#endif
