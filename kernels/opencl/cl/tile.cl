/* Matrix products and convolutions by tiles in local memory, for devices whose work items of a group run side by side.
 *
 * A group of GX x GY work items computes ROWS x COLUMNS results. Both operands pass through local memory in chunks of DEPTH steps
 * of the sum; each work item holds TM rows by TN vectors of columns in registers, GY rows and GX vectors apart, so that neighbours
 * read neighbouring words. A convolution is the same product: its rows are output pixels, its sum runs over taps, then channels,
 * as packed weights do; what lies outside the image is 0.
 *
 * Every work item meets every barrier: nothing returns early. */

#define ROWS (TM * GY)
#define COLUMNS (TN * VEC * GX)
#define ITEMS (GX * GY)
#define A_LINE (ROWS + 1)             /* odd: columns of A fall into different banks */
#define A_EACH (ROWS * DEPTH / ITEMS) /* elements that a work item fetches */
#define B_EACH (COLUMNS * DEPTH / VEC / ITEMS)

/* ---- B: packed weights [block of 16][k][16], or any strided matrix ---- */

#if B_PACKED
typedef weight b_element;
vec fetch_b(__global const weight *b, int k, int c, int depth, int columns, int row, int column)
{
	return k < depth && c < columns ? LOAD_WEIGHTS(b + (c / 16 * depth + k) * 16 + c % 16) : (vec)(0.0f);
}
#else
typedef float b_element;
vec fetch_b(__global const float *b, int k, int c, int depth, int columns, int row, int column)
{
	float t[VEC];
	for (int i = 0; i < VEC; i++)
		t[i] = k < depth && c + i < columns ? b[k * row + (c + i) * column] : 0.0f;
	return VLOAD(t);
}
#endif

void stage_b(__local float *bs, __global const b_element *b, int k0, int c0, int depth, int columns, int row, int column)
{
	const int id = get_local_id(1) * GX + get_local_id(0);
#pragma unroll
	for (int i = 0; i < B_EACH; i++) {
		const int at = id + i * ITEMS, k = at / (COLUMNS / VEC), c = at % (COLUMNS / VEC) * VEC;
		VSTORE(fetch_b(b, k0 + k, c0 + c, depth, columns, row, column), bs + k * COLUMNS + c);
	}
}

/* ---- The product of two chunks ---- */

void multiply(__local const float *as, __local const float *bs, vec acc[TM][TN])
{
	const int x = get_local_id(0) * VEC, y = get_local_id(1);
#pragma unroll 4
	for (int k = 0; k < DEPTH; k++) {
		vec v[TN];
#pragma unroll
		for (int j = 0; j < TN; j++)
			v[j] = VLOAD(bs + k * COLUMNS + j * GX * VEC + x);
#pragma unroll
		for (int p = 0; p < TM; p++) {
			const vec u = (vec)(as[k * A_LINE + p * GY + y]);
#pragma unroll
			for (int j = 0; j < TN; j++)
				acc[p][j] = fma(u, v[j], acc[p][j]);
		}
	}
}

/* The bias of packed weights, rounded up to 16 columns; columns past the end get what is not stored. */
void begin_sums(vec acc[TM][TN], __global const float *bias, int c0, int columns)
{
#pragma unroll
	for (int j = 0; j < TN; j++) {
		const int c = c0 + (j * GX + (int)get_local_id(0)) * VEC;
#if B_PACKED
		const vec v = c < columns ? VLOAD(bias + c) : (vec)(0.0f);
#else
		const vec v = (vec)(0.0f);
#endif
#pragma unroll
		for (int p = 0; p < TM; p++)
			acc[p][j] = v;
	}
}

#if CONV

/* Where a row of A begins in the image. */
typedef struct pixel {
	int z, y, x, at; /* of the first tap, which may lie outside; at: the image's offset */
} pixel;

pixel pixel_of(const conv_args *a, int row, int rows)
{
	pixel p;
	const int inside = row < rows;
	row = inside ? row : 0;
	p.x = row % a->out[2] * a->stride[2] - a->pad[2];
	row /= a->out[2];
	p.y = row % a->out[1] * a->stride[1] - a->pad[1];
	row /= a->out[1];
	p.z = inside ? row % a->out[0] * a->stride[0] - a->pad[0] : -0x40000000;
	p.at = row / a->out[0] * a->in_stride[0];
	return p;
}

__kernel __attribute__((reqd_work_group_size(GX, GY, 1))) void conv_tiled(OPERANDS, const conv_args a)
{
	__local float as[DEPTH * A_LINE], bs[DEPTH * COLUMNS];
	const int block = get_group_id(0), g = block / a.blocks, c0 = block % a.blocks * COLUMNS, row0 = (int)get_group_id(1) * ROWS;
	const int id = get_local_id(1) * GX + get_local_id(0), mine = id % DEPTH;
	const int taps = a.taps[0] * a.taps[1] * a.taps[2], depth = taps * a.in_channels;
	const int rows = a.batch * a.out[0] * a.out[1] * a.out[2], padded = a.weight_blocks * 16;
	__global const float *in = OPERAND(1, const float), *bias = OPERAND(2, const float);
	__global const weight *w = (__global const weight *)(bias + a.weights) + g * a.weight_blocks * depth * 16;
	pixel from[A_EACH];
#pragma unroll
	for (int i = 0; i < A_EACH; i++)
		from[i] = pixel_of(&a, row0 + id / DEPTH + i * (ITEMS / DEPTH), rows);
	vec acc[TM][TN];
	begin_sums(acc, bias + g * padded, c0, padded);
	/* The tap and the channel of this work item's step of the sum. */
	int channel = mine, x = 0, y = 0, z = 0;
	for (int k0 = 0; k0 < depth; k0 += DEPTH) {
		while (channel >= a.in_channels) {
			channel -= a.in_channels;
			if (++x == a.taps[2]) {
				x = 0;
				if (++y == a.taps[1]) {
					y = 0;
					z++;
				}
			}
		}
		const int at = IN_CHANNEL(g, channel);
#pragma unroll
		for (int i = 0; i < A_EACH; i++) {
			const int iz = from[i].z + z * a.dilation[0], iy = from[i].y + y * a.dilation[1], ix = from[i].x + x * a.dilation[2];
			const bool inside = z < a.taps[0] && iz >= 0 && iz < a.in[0] && iy >= 0 && iy < a.in[1] && ix >= 0 && ix < a.in[2];
			as[mine * A_LINE + id / DEPTH + i * (ITEMS / DEPTH)] =
				inside ? in[from[i].at + iz * a.in_stride[1] + iy * a.in_stride[2] + ix * a.in_stride[3] + at] : 0.0f;
		}
		stage_b(bs, w, k0, c0, depth, padded, 0, 0);
		barrier(CLK_LOCAL_MEM_FENCE);
		multiply(as, bs, acc);
		barrier(CLK_LOCAL_MEM_FENCE);
		channel += DEPTH;
	}
	__global float *out = OPERAND(0, float);
#pragma unroll
	for (int p = 0; p < TM; p++) {
		const int row = row0 + p * GY + (int)get_local_id(1);
		if (row >= rows)
			continue;
		const int ox = row % a.out[2], oy = row / a.out[2] % a.out[1], rest = row / a.out[2] / a.out[1];
		const int oz = rest % a.out[0], image = rest / a.out[0];
		__global float *line = out + image * a.out_stride[0] + oz * a.out_stride[1] + oy * a.out_stride[2] + ox * a.out_stride[3];
#pragma unroll
		for (int j = 0; j < TN; j++) {
			const int c = c0 + (j * GX + (int)get_local_id(0)) * VEC, n = a.out_channels - c;
			if (n > 0)
				STORE_CHANNELS(line + OUT_CHANNEL(g, c), a.out_stride[4],
					       epilogue(acc[p][j], &a.e, n, image, oz, oy, ox, CHANNEL_AXES(g, c) EPILOGUE_OPERANDS), n);
		}
	}
}

#else

__kernel __attribute__((reqd_work_group_size(GX, GY, 1))) void gemm_tiled(OPERANDS, const gemm_args a)
{
	__local float as[DEPTH * A_LINE], bs[DEPTH * COLUMNS];
	const int c0 = get_group_id(0) * COLUMNS, m0 = get_group_id(1) * ROWS;
	const int id = get_local_id(1) * GX + get_local_id(0);
	int rest = get_global_id(2), index[4];
#pragma unroll
	for (int i = 3; i >= 0; i--) {
		index[i] = rest % a.batch[i];
		rest /= a.batch[i];
	}
	__global const float *from = OPERAND(1, const float), *bias = OPERAND(2, const float);
	__global float *out = OPERAND(0, float);
	int slice = 0;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		from += index[i] * a.a_batch[i];
		out += index[i] * a.out_batch[i];
		slice += index[i] * a.b_batch[i];
	}
#if B_PACKED
	const int columns = a.weight_blocks * 16;
	__global const weight *b = (__global const weight *)(bias + a.weights) + slice * a.weight_blocks * a.k * 16;
	bias += slice * a.bias_slice;
#else
	const int columns = a.n;
	__global const float *b = bias + slice;
#endif
	vec acc[TM][TN];
	begin_sums(acc, bias, c0, columns);
	for (int k0 = 0; k0 < a.k; k0 += DEPTH) {
#pragma unroll
		for (int i = 0; i < A_EACH; i++) {
#if A_BY_ROWS /* rows are contiguous in memory, else steps of the sum */
			const int m = (id + i * ITEMS) % ROWS, k = (id + i * ITEMS) / ROWS;
#else
			const int k = id % DEPTH, m = id / DEPTH + i * (ITEMS / DEPTH);
#endif
			as[k * A_LINE + m] = m0 + m < a.m && k0 + k < a.k ? from[(m0 + m) * a.a_row + (k0 + k) * a.a_col] : 0.0f;
		}
		stage_b(bs, b, k0, c0, a.k, columns, a.b_row, a.b_col);
		barrier(CLK_LOCAL_MEM_FENCE);
		multiply(as, bs, acc);
		barrier(CLK_LOCAL_MEM_FENCE);
	}
#pragma unroll
	for (int p = 0; p < TM; p++) {
		const int m = m0 + p * GY + (int)get_local_id(1);
		if (m >= a.m)
			continue;
#if ROW_DIGITS
		int digit[ROW_DIGITS], rest_m = m, row = 0;
#pragma unroll
		for (int i = ROW_DIGITS - 1; i >= 0; i--) {
			digit[i] = rest_m % a.digit[i];
			rest_m /= a.digit[i];
			row += digit[i] * a.out_digit[i];
		}
#else
		const int row = m * a.out_row;
#endif
#pragma unroll
		for (int j = 0; j < TN; j++) {
			const int c = c0 + (j * GX + (int)get_local_id(0)) * VEC, n = a.n - c;
			if (n > 0)
				store_vec(out + row + c,
					  epilogue(acc[p][j], &a.e, n, index[0], index[1], index[2], index[3], ROW_AXES, c EPILOGUE_OPERANDS), n);
		}
	}
}

#endif
