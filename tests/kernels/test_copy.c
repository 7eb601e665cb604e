/* Copies of any strides and element sizes, against one element at a time. */
#include "harness.h"

static void random_axes(rng *r, copy_params *p, size_t *in_count, size_t *out_count)
{
	size_t order[KERNEL_MAX_AXES];
	ptrdiff_t *strides[2] = { p->out, p->in };
	size_t *counts[2] = { out_count, in_count };
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < p->rank; i++)
			order[i] = i;
		for (size_t i = 0; i + 1 < p->rank && rng_chance(r, 70); i++) {
			const size_t j = rng_range(r, i, p->rank - 1), k = order[i];
			order[i] = order[j];
			order[j] = k;
		}
		size_t step = rng_chance(r, 10) ? 2 : 1;
		const bool gaps = rng_chance(r, 40), broadcast = side == 1 && rng_chance(r, 20);
		memset(strides[side], 0, sizeof p->in);
		for (size_t i = p->rank; i-- > 0;) {
			if (broadcast && rng_chance(r, 40))
				continue;
			strides[side][order[i]] = (ptrdiff_t)step;
			step = step * p->extent[order[i]] + (gaps ? rng_range(r, 0, 3) : 0);
		}
		*counts[side] = span(p->rank, p->extent, strides[side]);
	}
}

static ptrdiff_t offset_at(const copy_params *p, const ptrdiff_t *stride, size_t index)
{
	ptrdiff_t at = 0;
	for (size_t i = p->rank; i-- > 0;) {
		at += (ptrdiff_t)(index % p->extent[i]) * stride[i];
		index /= p->extent[i];
	}
	return at;
}

static void check_copy(rng *r, const copy_params *p, const char *in, size_t out_count, ptrdiff_t in_start)
{
	size_t positions = 1;
	const size_t bytes = p->element_bytes;
	for (size_t i = 0; i < p->rank; i++)
		positions *= p->extent[i];
	char *want = memory_new(out_count * bytes);
	memset(want, 0x5a, out_count * bytes);
	for (size_t i = 0; i < positions; i++)
		memcpy(want + offset_at(p, p->out, i) * (ptrdiff_t)bytes,
		       in + (in_start + offset_at(p, p->in, i)) * (ptrdiff_t)bytes, bytes);
	EACH_ISA(t)
	{
		for (int pieces = 0; pieces < 2; pieces++) {
			char *out = memory_new(out_count * bytes);
			memset(out, 0x5a, out_count * bytes);
			void *args[] = { out, (char *)(uintptr_t)in + in_start * (ptrdiff_t)bytes };
			if (pieces)
				run_pieces(r, t->kernel[KERNEL_copy], p, args);
			else
				run_whole(t->kernel[KERNEL_copy], p, args);
			cr_assert(same_bits(out, want, out_count * bytes), "%s: %zu axes of %zu bytes",
				  t->isa, (size_t)p->rank, bytes);
		}
	}
	memory_free_all();
}

static char *random_bytes(rng *r, size_t bytes)
{
	char *p = memory_new(bytes);
	for (size_t i = 0; i < bytes; i++)
		p[i] = (char)rng_next(r);
	return p;
}

Test(copy, moves_every_element_and_nothing_else)
{
	rng r = { 61 };
	for (int n = 0; n < 1200; n++) {
		copy_params p = { .element_bytes = 1u << n % 5,
				  .rank = (uint32_t)rng_range(&r, 0, n % 3 ? 5 : 3) };
		for (size_t i = 0; i < p.rank; i++)
			p.extent[i] = rng_range(&r, 1, rng_chance(&r, 30) ? 45 : 6);
		size_t in_count, out_count;
		random_axes(&r, &p, &in_count, &out_count);
		if (in_count * p.element_bytes > 1000000 || out_count * p.element_bytes > 1000000)
			continue;
		char *in = random_bytes(&r, in_count * p.element_bytes);
		/* Backwards along some axes. */
		ptrdiff_t start = 0;
		for (size_t i = 0; i < p.rank && n % 4 == 0; i++)
			if (rng_chance(&r, 30)) {
				start += (ptrdiff_t)(p.extent[i] - 1) * p.in[i];
				p.in[i] = -p.in[i];
			}
		check_copy(&r, &p, in, out_count, start);
	}
}

Test(copy, transposes_matrices_of_every_size)
{
	rng r = { 62 };
	for (size_t rows = 1; rows <= 40; rows++)
		for (size_t cols = 1; cols <= 40; cols += rows % 2 + 1) {
			copy_params p = { .element_bytes = 4,
					  .rank = 2,
					  .extent = { rows, cols },
					  .in = { (ptrdiff_t)cols, 1 },
					  .out = { 1, (ptrdiff_t)rows } };
			char *in = random_bytes(&r, rows * cols * 4);
			check_copy(&r, &p, in, rows * cols, 0);
		}
}

Test(copy, cuts_large_copies_into_tasks)
{
	rng r = { 63 };
	copy_params p = { .element_bytes = 4,
			  .rank = 3,
			  .extent = { 2, 70, 900 },
			  .in = { 63000, 900, 1 },
			  .out = { 63000, 1, 70 } };
	check_copy(&r, &p, random_bytes(&r, 2 * 70 * 900 * 4), 2 * 70 * 900, 0);
	p = (copy_params){ .element_bytes = 4, .rank = 1, .extent = { 100000 }, .in = { 1 }, .out = { 1 } };
	check_copy(&r, &p, random_bytes(&r, 400000), 100000, 0);
}

static void check_interleave(rng *r, const interleave_params *p)
{
	const size_t inner = p->extent[p->rank - 1];
	size_t rows = 1, count[3];
	copy_params at = { .rank = p->rank - 1 };
	memcpy(at.extent, p->extent, sizeof at.extent);
	for (size_t i = 0; i < at.rank; i++)
		rows *= p->extent[i];
	for (int k = 0; k < 3; k++)
		count[k] = span(at.rank, p->extent, k ? p->in[k - 1] : p->out) + (k ? inner : 2 * inner) - 1;
	const char *in[2] = { random_bytes(r, count[1] * 4), random_bytes(r, count[2] * 4) };
	char *want = memory_new(count[0] * 4);
	memset(want, 0x5a, count[0] * 4);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < 2 * inner; j++)
			memcpy(want + 4 * (offset_at(&at, p->out, i) + (ptrdiff_t)j),
			       in[j % 2] + 4 * (offset_at(&at, p->in[j % 2], i) + (ptrdiff_t)(j / 2)), 4);
	EACH_ISA(t)
	{
		char *out = memory_new(count[0] * 4);
		memset(out, 0x5a, count[0] * 4);
		void *args[] = { out, (void *)(uintptr_t)in[0], (void *)(uintptr_t)in[1] };
		run_pieces(r, t->kernel[KERNEL_interleave], p, args);
		cr_assert(same_bits(out, want, count[0] * 4), "%s: %zu rows of %zu", t->isa, rows, inner);
	}
	memory_free_all();
}

Test(interleave, takes_elements_of_both_in_turn)
{
	rng r = { 65 };
	for (size_t inner = 1; inner <= 70; inner++)
		for (int n = 0; n < 4; n++) {
			interleave_params p = { .rank = (uint32_t)rng_range(&r, 1, 4) };
			ptrdiff_t *strides[3] = { p.out, p.in[0], p.in[1] };
			p.extent[p.rank - 1] = inner;
			for (size_t i = 0; i + 1 < p.rank; i++)
				p.extent[i] = rng_range(&r, 1, 7);
			for (int k = 0; k < 3; k++) {
				size_t step = (k ? inner : 2 * inner) + (rng_chance(&r, 50) ? rng_range(&r, 0, 5) : 0);
				for (size_t i = p.rank - 1; i-- > 0; step *= p.extent[i])
					strides[k][i] = (ptrdiff_t)step;
				strides[k][p.rank - 1] = k ? 1 : 2;
			}
			check_interleave(&r, &p);
		}
	check_interleave(&r, &(interleave_params){ .rank = 1, .extent = { 20001 }, .out = { 2 }, .in = { { 1 }, { 1 } } });
	check_interleave(&r, &(interleave_params){ .rank = 2, .extent = { 3, 9000 }, .out = { 18000, 2 }, .in = { { 9000, 1 }, { 9100, 1 } } });
}

Test(fill, writes_every_element_and_nothing_else)
{
	rng r = { 64 };
	for (int n = 0; n < 300; n++) {
		copy_params c = { .element_bytes = 1u << n % 5, .rank = (uint32_t)rng_range(&r, 0, 4) };
		for (size_t i = 0; i < c.rank; i++)
			c.extent[i] = rng_range(&r, 1, 12);
		size_t in_count, out_count;
		random_axes(&r, &c, &in_count, &out_count);
		fill_params p = { .element_bytes = c.element_bytes, .rank = c.rank };
		memcpy(p.extent, c.extent, sizeof p.extent);
		memcpy(p.out, c.out, sizeof p.out);
		for (int i = 0; i < 16; i++)
			p.value[i] = (uint8_t)rng_next(&r);
		const size_t bytes = p.element_bytes;
		size_t positions = 1;
		for (size_t i = 0; i < p.rank; i++)
			positions *= p.extent[i];
		char *want = memory_new(out_count * bytes);
		memset(want, 0x5a, out_count * bytes);
		for (size_t i = 0; i < positions; i++)
			memcpy(want + offset_at(&c, c.out, i) * (ptrdiff_t)bytes, p.value, bytes);
		EACH_ISA(t)
		{
			char *out = memory_new(out_count * bytes);
			memset(out, 0x5a, out_count * bytes);
			void *args[] = { out };
			run_pieces(&r, t->kernel[KERNEL_fill], &p, args);
			cr_assert(same_bits(out, want, out_count * bytes), "%s", t->isa);
		}
		memory_free_all();
	}
}

Test(strided_merge, keeps_the_elements_and_drops_needless_axes)
{
	size_t extent[4] = { 2, 1, 3, 4 };
	ptrdiff_t a[4] = { 12, 99, 4, 1 }, b[4] = { 24, 7, 4, 1 };
	ptrdiff_t *const both[] = { a, b };
	cr_assert_eq(strided_merge(4, extent, 2, both), 2);
	cr_assert(extent[0] == 2 && extent[1] == 12 && a[0] == 12 && a[1] == 1 && b[0] == 24 && b[1] == 1);
	size_t ones[3] = { 1, 1, 1 };
	ptrdiff_t c[3] = { 5, 6, 7 };
	ptrdiff_t *const one[] = { c };
	cr_assert_eq(strided_merge(3, ones, 1, one), 1);
	cr_assert_eq(ones[0], 1);
}
