#include "sides.h"

clast_status sides_add(sides *x, size_t bytes, device_memory *memory, size_t offset, bool on_host, bool constant, clast_diag *d)
{
	if (!x->dev)
		return CLAST_OK;
	if (!grow(x->memory, &x->list, &x->capacity, x->count + 1, sizeof *x->list))
		return fail_memory(d, 0);
	x->list[x->count++] = (side){ .memory = memory, .offset = offset, .bytes = bytes, .on_host = on_host, .constant = constant,
		                      .shared = memory && device_memory_shared(memory) };
	return CLAST_OK;
}

/* ---- Shared memory: whose turn it is ---- */

static clast_status unmap(sides *x, side *s, clast_diag *d)
{
	s->mapped = false;
	return device_unmap(x->queue, s->memory, s->offset, d);
}

static clast_status unmap_all(sides *x, clast_diag *d)
{
	clast_status status = CLAST_OK;
	for (size_t i = 0; i < x->mapped_count; i++) {
		const clast_status one = unmap(x, &x->list[x->mapped[i]], d);
		status = status ? status : one;
	}
	x->mapped_count = 0;
	return status;
}

static bool overlap(const side *a, const side *b)
{
	return a->memory == b->memory && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* Buffers of the arena overlap where their lives do not: one that has ended gives way. */
static clast_status map(sides *x, uint32_t base, clast_diag *d)
{
	side *s = &x->list[base];
	clast_status status = CLAST_OK;
	if (s->mapped || !s->bytes)
		return CLAST_OK;
	for (size_t i = 0; !status && i < x->mapped_count;) {
		side *other = &x->list[x->mapped[i]];
		if (overlap(s, other)) {
			status = unmap(x, other, d);
			x->mapped[i] = x->mapped[--x->mapped_count];
		} else {
			i++;
		}
	}
	if (!status && !grow(x->memory, &x->mapped, &x->mapped_capacity, x->mapped_count + 1, sizeof *x->mapped))
		status = fail_memory(d, 0);
	if (!status)
		status = device_map(x->queue, s->memory, s->offset, s->bytes, d);
	if (!status) {
		s->mapped = true;
		x->mapped[x->mapped_count++] = base;
		x->moves++;
	}
	return status;
}

/* ---- Both kinds ---- */

clast_status sides_to_host(sides *x, uint32_t base, void *host, clast_diag *d)
{
	if (!x->dev || base >= x->count)
		return CLAST_OK;
	side *s = &x->list[base];
	if (s->shared)
		return map(x, base, d);
	if (s->on_host || !s->on_device)
		return CLAST_OK;
	const clast_status status = device_read(x->queue, s->memory, s->offset, host, s->bytes, d);
	s->on_host = !status;
	x->moved_bytes += s->bytes;
	x->moves++;
	return status;
}

static clast_status find_memory(sides *x, side *s, void *host, clast_diag *d)
{
	clast_status status = CLAST_ERROR_UNSUPPORTED;
	if (x->shares)
		status = device_share(x->dev, host, s->bytes, s->constant, &s->memory, d);
	s->shared = !status;
	if (status == CLAST_ERROR_UNSUPPORTED)
		status = device_alloc(x->dev, s->bytes, NULL, &s->memory, d);
	s->own = !status;
	return status;
}

clast_status sides_to_device(sides *x, uint32_t base, void *host, clast_diag *d)
{
	clast_status status = CLAST_OK;
	if (!x->dev || base >= x->count)
		return CLAST_OK;
	side *s = &x->list[base];
	if (x->mapped_count) /* what runs on the device next may write where anything lies that the host has had */
		status = unmap_all(x, d);
	if (!status && !s->memory)
		status = find_memory(x, s, host, d);
	if (status || s->shared || s->on_device || !s->on_host)
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
	if (!x->dev || base >= x->count)
		return true;
	return x->list[base].shared ? x->list[base].mapped : x->list[base].on_host;
}

clast_status sides_leave_inputs(sides *x, uint32_t count, clast_diag *d)
{
	clast_status status = CLAST_OK;
	bool any = false;
	for (uint32_t i = 0; i < count && i < x->count; i++)
		any |= x->list[i].shared && x->list[i].own;
	if (!any)
		return CLAST_OK;
	for (size_t i = 0; i < x->mapped_count;) {
		const uint32_t base = x->mapped[i];
		if (base >= count) {
			i++;
			continue;
		}
		const clast_status one = unmap(x, &x->list[base], d);
		status = status ? status : one;
		x->mapped[i] = x->mapped[--x->mapped_count];
	}
	const clast_status ended = device_finish(x->queue, d);
	for (uint32_t i = 0; i < count && i < x->count; i++)
		if (x->list[i].shared && x->list[i].own) {
			device_free(&x->list[i].memory);
			x->list[i].shared = x->list[i].own = false;
			x->list[i].on_host = true;
			x->list[i].on_device = false;
		}
	return status ? status : ended;
}

void sides_release(sides *x)
{
	if (!x->dev)
		return;
	(void)unmap_all(x, NULL);
	(void)device_finish(x->queue, NULL); /* a run that failed may have left calls that read what is freed here and by the caller */
	for (size_t i = 0; i < x->count; i++)
		if (x->list[i].own)
			device_free(&x->list[i].memory);
	mem_free(x->memory, x->list, x->capacity * sizeof *x->list);
	mem_free(x->memory, x->mapped, x->mapped_capacity * sizeof *x->mapped);
	*x = (sides){ 0 };
}
