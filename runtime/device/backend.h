/* What stands behind device.h: one table of functions a kind of device. */
#ifndef CLAST_DEVICE_BACKEND_H
#define CLAST_DEVICE_BACKEND_H

#include "device.h"

typedef struct device_backend {
	const char *name; /* "opencl" */
	size_t (*count)(clast_diag *d);
	clast_status (*describe)(size_t index, device_info *info);
	/* index SIZE_MAX: the one that serves best; half: packed weights are float16 */
	clast_status (*open)(size_t index, bool half, device **out, clast_diag *d);
	void (*close)(device *dev);
	bool (*computes)(const device *dev, kernel_id kernel);
	const weights_packing *(*packing)(const device *dev, packing_id packing);
	clast_status (*alloc)(device *dev, size_t bytes, const void *content, device_memory **out, clast_diag *d);
	clast_status (*share)(device *dev, void *host, size_t bytes, bool constant, device_memory **out, clast_diag *d);
	void (*free)(device_memory *memory);
	clast_status (*call_create)(device *dev, kernel_id kernel, const void *params, uint32_t present, bool tuned, bump *region,
	                            device_call **out, clast_diag *d);
	clast_status (*queue_create)(device *dev, bool timed, device_queue **out, clast_diag *d);
	void (*queue_free)(device_queue *queue);
	clast_status (*launch)(device_queue *queue, const device_call *call, size_t n, const device_arg *args, clast_diag *d);
	clast_status (*write)(device_queue *queue, device_memory *to, size_t offset, const void *from, size_t bytes, clast_diag *d);
	clast_status (*read)(device_queue *queue, const device_memory *from, size_t offset, void *to, size_t bytes, clast_diag *d);
	clast_status (*map)(device_queue *queue, device_memory *memory, size_t offset, size_t bytes, clast_diag *d);
	clast_status (*unmap)(device_queue *queue, device_memory *memory, size_t offset, clast_diag *d);
	clast_status (*finish)(device_queue *queue, clast_diag *d);
	void (*mark)(device_queue *queue, size_t tag);
	clast_status (*times)(device_queue *queue, void (*tell)(void *context, const device_time *t), void *context, clast_diag *d);
	clast_status (*measure)(device *dev, double *gflops, double *gbytes, clast_diag *d);
	void (*tune)(device_queue *queue, bool on, device_tuning *found);
} device_backend;

/* The first members of every backend's own structs. */
struct device {
	const device_backend *backend;
	size_t index, references;
	bool half;
	device *next; /* in the list of open devices */
	bool shared; /* memory is the host's */
	bool takes_all;
	char name[128];
};
struct device_memory {
	const device_backend *backend;
	size_t bytes;
	bool shared;
};
struct device_queue {
	const device_backend *backend;
};

extern const device_backend device_opencl;

#endif
