/* Winograd's F(2x2, 3x3) in one launch (Lavin and Gray 2015): tiles of 4x4 input pixels become 16 numbers each, 16 products over the input
 * channels follow, and 2x2 output pixels come out of their results.
 *
 * A group computes TILES tiles by COLUMNS output channels. Its 256 work items are 16 points by 4 x 4 lanes; a lane holds TM tiles by TN
 * vectors of its point. Input tiles are transformed on their way into local memory, DEPTH channels at a time, weights were when they
 * were packed: [point][block of 16][channel][16]. Results change places through local memory, since an output needs 9 of the 16 points.
 * A dilated convolution is that of every d-th row and pixel, each with tiles of its own. */

#define TILES (4 * TM)
#define COLUMNS (4 * TN * VEC)
#define LINE (TILES + 1)
#define SHARED (16 * DEPTH * LINE)

/* Rows of B^T, applied to one row or column of four. */
float4 spread(float4 d)
{
	return (float4)(d.x - d.z, d.y + d.z, d.z - d.y, d.y - d.w);
}

typedef struct place {
	int image, z, y, x; /* y, x: of the tile's first output */
} place;

place place_of(const conv_args *a, int tile)
{
	const int dy = a->dilation[1], dx = a->dilation[2];
	const int across = ((a->out[2] + dx - 1) / dx + 1) / 2 * dx, down = ((a->out[1] + dy - 1) / dy + 1) / 2 * dy;
	place p;
	const int x = tile % across, y = tile / across % down;
	tile = tile / across / down;
	p.z = tile % a->out[0];
	p.image = tile / a->out[0];
	/* the phase counts fastest, so that neighbours read neighbouring pixels */
	p.x = x / dx * 2 * dx + x % dx;
	p.y = y / dy * 2 * dy + y % dy;
	return p;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void winograd(OPERANDS, const conv_args a)
{
	__local float vs[SHARED], us[16 * DEPTH * COLUMNS];
	const int id = get_local_id(0), point = id / 16, lane_c = id % 4, lane_t = id / 4 % 4;
	const int c0 = get_group_id(0) * COLUMNS, t0 = get_group_id(1) * TILES, padded = a.weight_blocks * 16;
	__global const float *bias = OPERAND(2, const float), *in = OPERAND(1, const float);
	__global const weight *w = (__global const weight *)(bias + a.weights);
	vec acc[TM][TN];
#pragma unroll
	for (int p = 0; p < TM; p++)
#pragma unroll
		for (int j = 0; j < TN; j++)
			acc[p][j] = (vec)(0.0f);

	for (int k0 = 0; k0 < a.in_channels; k0 += DEPTH) {
		for (int e = id; e < TILES * DEPTH; e += 256) {
			const int k = e % DEPTH, t = e / DEPTH;
			const place p = place_of(&a, min(t0 + t, a.tiles - 1));
			const bool there = k0 + k < a.in_channels && t0 + t < a.tiles;
			const int at = p.image * a.in_stride[0] + p.z * a.in_stride[1] + (there ? IN_CHANNEL(0, k0 + k) : 0);
			float d[4][4];
#pragma unroll
			for (int i = 0; i < 4; i++) {
				const int y = p.y + i * a.dilation[1] - a.pad[1];
#pragma unroll
				for (int j = 0; j < 4; j++) {
					const int x = p.x + j * a.dilation[2] - a.pad[2];
					d[i][j] = there && y >= 0 && y < a.in[1] && x >= 0 && x < a.in[2] ?
						  in[at + y * a.in_stride[2] + x * a.in_stride[3]] : 0.0f;
				}
			}
#pragma unroll
			for (int j = 0; j < 4; j++) {
				const float4 s = spread((float4)(d[0][j], d[1][j], d[2][j], d[3][j]));
				d[0][j] = s.x;
				d[1][j] = s.y;
				d[2][j] = s.z;
				d[3][j] = s.w;
			}
#pragma unroll
			for (int i = 0; i < 4; i++) {
				const float4 s = spread((float4)(d[i][0], d[i][1], d[i][2], d[i][3]));
				vs[((i * 4 + 0) * DEPTH + k) * LINE + t] = s.x;
				vs[((i * 4 + 1) * DEPTH + k) * LINE + t] = s.y;
				vs[((i * 4 + 2) * DEPTH + k) * LINE + t] = s.z;
				vs[((i * 4 + 3) * DEPTH + k) * LINE + t] = s.w;
			}
		}
		for (int e = id; e < 16 * DEPTH * COLUMNS / VEC; e += 256) {
			const int c = e % (COLUMNS / VEC) * VEC, k = e / (COLUMNS / VEC) % DEPTH, q = e / (COLUMNS / VEC) / DEPTH;
			const bool there = k0 + k < a.in_channels && c0 + c < padded;
			const vec u = there ? LOAD_WEIGHTS(w + ((q * a.weight_blocks + (c0 + c) / 16) * a.in_channels + k0 + k) * 16 + (c0 + c) % 16) :
					      (vec)(0.0f);
			VSTORE(u, us + (q * DEPTH + k) * COLUMNS + c);
		}
		barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 2
		for (int k = 0; k < DEPTH; k++) {
			vec u[TN];
#pragma unroll
			for (int j = 0; j < TN; j++)
				u[j] = VLOAD(us + (point * DEPTH + k) * COLUMNS + (j * 4 + lane_c) * VEC);
#pragma unroll
			for (int p = 0; p < TM; p++) {
				const vec v = (vec)(vs[(point * DEPTH + k) * LINE + p * 4 + lane_t]);
#pragma unroll
				for (int j = 0; j < TN; j++)
					acc[p][j] = fma(v, u[j], acc[p][j]);
			}
		}
		barrier(CLK_LOCAL_MEM_FENCE);
	}

	__global float *out = OPERAND(0, float);
#pragma unroll
	for (int p = 0; p < TM; p++) {
#pragma unroll
		for (int j = 0; j < TN; j++)
			VSTORE(acc[p][j], us + (point * 4 + lane_t) * COLUMNS + (j * 4 + lane_c) * VEC);
		barrier(CLK_LOCAL_MEM_FENCE);
		for (int e = id; e < 16 * COLUMNS / VEC; e += 256) {
			const int c = e % (COLUMNS / VEC) * VEC, of = e / (COLUMNS / VEC), t = of / 4, r = of / 2 % 2, s = of % 2;
			const int n = a.out_channels - c0 - c;
			const place at = place_of(&a, min(t0 + p * 4 + t, a.tiles - 1));
			const int y = at.y + r * a.dilation[1], x = at.x + s * a.dilation[2];
			if (n <= 0 || t0 + p * 4 + t >= a.tiles || y >= a.out[1] || x >= a.out[2])
				continue;
			/* Rows of A^T: 1 1 1 0 and 0 1 -1 -1. */
			vec line[3];
#pragma unroll
			for (int i = 0; i < 3; i++) {
				__local const float *m = us + (((r + i) * 4 + s) * 4 + t) * COLUMNS + c;
				const vec m0 = VLOAD(m), m1 = VLOAD(m + 4 * COLUMNS), m2 = VLOAD(m + 8 * COLUMNS);
				line[i] = s ? m0 - m1 - m2 : m0 + m1 + m2;
			}
			const vec sum = (r ? line[0] - line[1] - line[2] : line[0] + line[1] + line[2]) + VLOAD(bias + c0 + c);
			__global float *to = out + at.image * a.out_stride[0] + at.z * a.out_stride[1] + y * a.out_stride[2] +
					     x * a.out_stride[3];
			STORE_CHANNELS(to + OUT_CHANNEL(0, c0 + c), a.out_stride[4],
				       epilogue(sum, &a.e, n, at.image, at.z, y, x, CHANNEL_AXES(0, c0 + c) EPILOGUE_OPERANDS), n);
		}
		barrier(CLK_LOCAL_MEM_FENCE);
	}
}
