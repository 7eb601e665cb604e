#include "sides.h"

clast_status sides_add(sides *x, size_t bytes, device_memory *memory, size_t offset, bool on_host, clast_diag *d)
{
	if (!x->dev)
		return CLAST_OK;
	if (!grow(x->memory, &x->list, &x->capacity, x->count + 1, sizeof *x->list))
		return fail_memory(d, 0);
	x->list[x->count++] = (side){ .memory = memory, .offset = offset, .bytes = bytes, .on_host = on_host };
	return CLAST_OK;
}

clast_status sides_to_host(sides *x, uint32_t base, void *host, clast_diag *d)
{
	if (!x->dev || base >= x->count)
		return CLAST_OK;
	side *s = &x->list[base];
	if (s->on_host || !s->on_device)
		return CLAST_OK;
	const clast_status status = device_read(x->queue, s->memory, s->offset, host, s->bytes, d);
	s->on_host = !status;
	x->moved_bytes += s->bytes;
	x->moves++;
	return status;
}

clast_status sides_to_device(sides *x, uint32_t base, const void *host, clast_diag *d)
{
	clast_status status = CLAST_OK;
	if (!x->dev || base >= x->count)
		return CLAST_OK;
	side *s = &x->list[base];
	if (!s->memory) {
		status = device_alloc(x->dev, s->bytes, NULL, &s->memory, d);
		s->own = !status;
	}
	if (status || s->on_device || !s->on_host)
		return status;
	status = device_write(x->queue, s->memory, s->offset, host, s->bytes, d);
	s->on_device = !status;
	x->moved_bytes += s->bytes;
	x->moves++;
	return status;
}

void sides_written(sides *x, uint32_t base, bool on_device)
{
	if (!x->dev || base >= x->count)
		return;
	x->list[base].on_device = on_device;
	x->list[base].on_host = !on_device;
}

bool sides_on_host(const sides *x, uint32_t base)
{
	return !x->dev || base >= x->count || x->list[base].on_host;
}

void sides_release(sides *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->list[i].own)
			device_free(&x->list[i].memory);
	if (x->list)
		mem_free(x->memory, x->list, x->capacity * sizeof *x->list);
	*x = (sides){ 0 };
}
