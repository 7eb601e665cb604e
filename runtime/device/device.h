/* Devices other than the CPU: memory, kernel calls, a queue.
 *
 * A device is opened by name and shared by every plan of the process that names it. Memory and calls belong to a device and
 * may be used by many threads; a queue belongs to one session and runs what it is given in order. The CPU itself is no
 * device: its calls are run by the thread pool (a plan's device is then NULL).
 *
 * Everything a driver can refuse comes back as CLAST_ERROR_DEVICE, or CLAST_ERROR_MEMORY where memory is short, with the
 * driver's error by name; a source that does not compile comes with the compiler's log. */
#ifndef CLAST_DEVICE_H
#define CLAST_DEVICE_H

#include "diag.h"
#include "kernels.h"
#include "mem.h"

typedef struct device device;
typedef struct device_memory device_memory;
typedef struct device_queue device_queue;
typedef struct device_call device_call;

/* ---- What there is ---- */

typedef struct device_info {
	char name[128], platform[128], driver[128], version[128];
	char type[16];           /* "gpu", "cpu", "accelerator" */
	uint32_t compute_units;
	uint64_t memory_bytes, largest_bytes; /* of all and of one buffer */
	bool host_memory;        /* shared with the host */
	bool half;               /* arithmetic on float16 */
} device_info;

/* Devices in the order of "opencl:N". 0 where there is no platform or no loader; d then says which. */
size_t device_count(clast_diag *d);
/* CLAST_ERROR_ARGUMENT past the end. */
clast_status device_describe(size_t index, device_info *info);

/* ---- A device ---- */

/* NULL, "" and "cpu" give *out NULL. "opencl" is the first GPU, or the first device where there is none. With "+half" behind the name packed
 * weights lie there as float16. */
clast_status device_open(const char *name, device **out, clast_diag *d);
void device_close(device **dev);
const char *device_name(const device *dev); /* as its driver calls it */
/* Whether its memory is the host's, so that copies cost little. */
bool device_shares_memory(const device *dev);
/* Whether it is to compute all that it can, whatever the copies cost (CLAST_OPENCL_PLACEMENT=all). */
bool device_takes_all(const device *dev);
/* Whether calls of this kernel exist at all; single calls may still be refused. */
bool device_computes(const device *dev, kernel_id kernel);
/* NULL where no kernel of the device reads the packing. */
const weights_packing *device_packing(const device *dev, packing_id packing);

/* The most it can do: 10^9 float32 operations a second of multiply-adds, and 10^9 bytes a second read and written when it copies memory of
 * its own. Takes about half a second. */
clast_status device_measure(device *dev, double *gflops, double *gbytes, clast_diag *d);

/* ---- Memory ---- */

/* bytes may be 0. content, if not NULL, is copied before the function returns. */
clast_status device_alloc(device *dev, size_t bytes, const void *content, device_memory **out, clast_diag *d);
void device_free(device_memory **memory);

/* The host's own memory, where the device shares it (device_shares_memory): read and written in place. It must outlive the device's. It is the
 * host's while it is mapped, else the device's; constant: the device never writes it. CLAST_ERROR_UNSUPPORTED without a message where the
 * address or the size do not allow it. */
#define DEVICE_PAGE 4096 /* memory that begins and ends at multiples is shared by every driver that can */
clast_status device_share(device *dev, void *host, size_t bytes, bool constant, device_memory **out, clast_diag *d);
bool device_memory_shared(const device_memory *memory);

/* ---- Calls ---- */

/* Compiles what the call needs, unless it is compiled already; CLAST_ERROR_UNSUPPORTED without a message where no kernel
 * computes these parameters. Bit i of `present`: args[i] is not NULL. tuned: in the variant that tuning found fastest, now or in an
 * earlier process. The call lives in the region and needs no end; params must live as long. */
clast_status device_call_create(device *dev, kernel_id kernel, const void *params, uint32_t present, bool tuned, bump *region,
                                device_call **out, clast_diag *d);

typedef struct device_arg {
	device_memory *memory; /* NULL: absent */
	size_t offset_bytes;
} device_arg;

/* ---- A queue ---- */

/* timed: it keeps the times of what it runs until device_queue_times has told them. */
clast_status device_queue_create(device *dev, bool timed, device_queue **out, clast_diag *d);
void device_queue_free(device_queue **queue);
/* Enqueues; returns before the call has run. */
clast_status device_launch(device_queue *queue, const device_call *call, size_t arg_count, const device_arg *args, clast_diag *d);
/* Both return when the bytes have been copied; what was enqueued before has run by then. */
clast_status device_write(device_queue *queue, device_memory *to, size_t offset, const void *from, size_t bytes, clast_diag *d);
clast_status device_read(device_queue *queue, const device_memory *from, size_t offset, void *to, size_t bytes, clast_diag *d);
/* A part of shared memory becomes the host's when what was enqueued before has run, and the device's again. Parts that are mapped at one
 * time do not overlap; the offset names one. */
clast_status device_map(device_queue *queue, device_memory *memory, size_t offset, size_t bytes, clast_diag *d);
clast_status device_unmap(device_queue *queue, device_memory *memory, size_t offset, clast_diag *d);
/* Waits until everything has run. */
clast_status device_finish(device_queue *queue, clast_diag *d);

/* ---- Tuning ---- */

typedef struct device_tuning {
	size_t calls, timed, changed; /* that have variants; timed just now; that are faster in another one than is guessed */
} device_tuning;

/* While it is on, a call that has variants is run in each of them before it is launched, several times: operands that it writes over are
 * not what they should be. found may be NULL; it gets the sums of the queue. */
void device_queue_tune(device_queue *queue, bool on, device_tuning *found);

/* ---- Times ---- */

typedef enum device_work { DEVICE_KERNEL, DEVICE_WRITE, DEVICE_READ } device_work;

typedef struct device_time {
	device_work what;
	size_t tag;                /* that of the mark before it */
	size_t bytes;              /* of copies */
	uint64_t start_ns, end_ns; /* of the host's monotonic clock */
} device_time;

/* What is enqueued from here on belongs to tag. */
void device_queue_mark(device_queue *queue, size_t tag);
/* Waits, then tells of what has run since the last call, in order; calls, and copies, that follow one another under one mark count as
 * one. tell may be NULL: the times are forgotten. */
clast_status device_queue_times(device_queue *queue, void (*tell)(void *context, const device_time *t), void *context, clast_diag *d);

#endif
