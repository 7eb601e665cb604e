/* Loops over elements of type ELEMENT, for copy.c, which includes this once for each size. NAMED(x) is the
 * suffixed name. */

static inline void NAMED(run)(const void *from, ptrdiff_t in, void *to, ptrdiff_t out, size_t count)
{
	const ELEMENT *restrict a = from;
	ELEMENT *restrict b = to;
	if (in == 0) {
		const ELEMENT value = *a;
		for (size_t i = 0; i < count; i++)
			b[(ptrdiff_t)i * out] = value;
	} else {
		for (size_t i = 0; i < count; i++)
			b[(ptrdiff_t)i * out] = a[(ptrdiff_t)i * in];
	}
}

/* to[x * to_row + y] = from[y * from_row + x], in squares that the first-level cache holds. */
static inline void NAMED(transpose)(const void *from, ptrdiff_t from_row, void *to, ptrdiff_t to_row,
				    size_t width, size_t height)
{
	const size_t side = 16;
	for (size_t x0 = 0; x0 < width; x0 += side)
		for (size_t y0 = 0; y0 < height; y0 += side) {
			const size_t x1 = size_min(width, x0 + side), y1 = size_min(height, y0 + side);
			for (size_t x = x0; x < x1; x++) {
				const ELEMENT *a = (const ELEMENT *)from + x;
				ELEMENT *b = (ELEMENT *)to + (ptrdiff_t)x * to_row;
				for (size_t y = y0; y < y1; y++)
					b[y] = a[(ptrdiff_t)y * from_row];
			}
		}
}

#undef ELEMENT
#undef NAMED
