#include "harness.h"

#include <sys/mman.h>
#include <unistd.h>

uint32_t rng_next(rng *r)
{
	/* splitmix64 */
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 32);
}

size_t rng_range(rng *r, size_t low, size_t high)
{
	return low + rng_next(r) % (high - low + 1);
}

float rng_float(rng *r)
{
	return (float)(int32_t)rng_next(r) / 2147483648.0f;
}

bool rng_chance(rng *r, unsigned percent)
{
	return rng_next(r) % 100 < percent;
}

float rng_any(rng *r)
{
	static const float special[] = { 0.0f,    -0.0f,           INFINITY, -INFINITY, NAN,  1e-45f,
					 -1e-40f, 1.17549435e-38f, 3.4e38f,  -3.4e38f,  1.0f, -1.0f,
					 0.5f,    88.8f,           -104.0f };
	const unsigned kind = rng_next(r) % 4;
	if (kind == 0)
		return special[rng_next(r) % (sizeof special / sizeof *special)];
	if (kind == 1) {
		const uint32_t bits = rng_next(r);
		float f;
		memcpy(&f, &bits, sizeof f);
		return f;
	}
	return rng_float(r) * (kind == 2 ? 1.0f : 20.0f);
}

static struct {
	void *base;
	size_t bytes;
} mapped[4096];
static size_t mapped_count;

void *memory_new(size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
	char *base = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(base != MAP_FAILED && mapped_count < 4096);
	if (inner)
		cr_assert(mprotect(base + page, inner, PROT_READ | PROT_WRITE) == 0);
	mapped[mapped_count].base = base;
	mapped[mapped_count++].bytes = inner + 2 * page;
	return base + page + inner - bytes;
}

void memory_free_all(void)
{
	while (mapped_count > 0) {
		mapped_count--;
		munmap(mapped[mapped_count].base, mapped[mapped_count].bytes);
	}
}

float *floats_new(size_t count)
{
	return memory_new(count * sizeof(float));
}

float *floats_random(rng *r, size_t count)
{
	float *p = floats_new(count);
	for (size_t i = 0; i < count; i++)
		p[i] = rng_float(r);
	return p;
}

#define UNTOUCHED 0x7fc0dead

float *floats_untouched(size_t count)
{
	float *p = floats_new(count);
	const uint32_t pattern = UNTOUCHED;
	for (size_t i = 0; i < count; i++)
		memcpy(&p[i], &pattern, sizeof pattern);
	return p;
}

bool is_untouched(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits == UNTOUCHED;
}

static void *scratch_new(const compute_kernel *k, const void *params)
{
	/* What follows the scratch is a guard page; the start is aligned as the contract says. */
	const size_t bytes =
		(k->scratch_bytes(params) + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
	void *scratch = memory_new(bytes);
	memset(scratch, 0xff, bytes);
	return scratch;
}

void run_whole(const compute_kernel *k, const void *params, void *const *args)
{
	cr_assert(!k->supports || k->supports(params));
	k->run(params, args, 0, k->tasks(params), scratch_new(k, params));
}

void run_pieces(rng *r, const compute_kernel *k, const void *params, void *const *args)
{
	void *scratch = scratch_new(k, params);
	for (size_t end = k->tasks(params); end > 0;) {
		const size_t begin = end - rng_range(r, 1, end < 4 ? end : 4);
		k->run(params, args, begin, end, scratch);
		end = begin;
	}
}

size_t span(size_t rank, const size_t *extent, const ptrdiff_t *stride)
{
	size_t last = 0;
	for (size_t i = 0; i < rank; i++) {
		if (extent[i] == 0)
			return 0;
		last += (extent[i] - 1) * (size_t)stride[i];
	}
	return last + 1;
}

bool same_bits(const void *a, const void *b, size_t bytes)
{
	return memcmp(a, b, bytes) == 0;
}

uint32_t random_chain(rng *r)
{
	static const uint32_t lengths[] = { 0, 1, 24, 64, 1u << 30 };
	return lengths[rng_range(r, 0, 4)];
}

kernel_hint random_hint(rng *r)
{
	return (kernel_hint){ (int8_t)((int)rng_range(r, 0, 6) - 3), (uint8_t)rng_range(r, PASS_OWN, PASS_PANELS) };
}
