/* Convolution and, with TRANSPOSED, transposed convolution.
 *
 * A work item computes PX pixels of a row by NB vectors of output channels in registers. For each tap and input
 * channel it reads one number a pixel and NB vectors of weights; a tap outside the image reads zeros that lie
 * ahead of the packed weights, so that the inner loop knows no borders. A transposed convolution gathers: the
 * pixels of a tile are `stride` apart, so that they share the taps that meet them.
 *
 * Weights: [group][block of 16 output channels][tap][input channel][16], the bias and the zeros ahead of them. */

#define TILE (VEC * NB)

__kernel void conv(OPERANDS, const conv_args a)
{
	const int block = get_global_id(0), g = block / a.blocks, c0 = block % a.blocks * TILE;
	int row = get_global_id(2);
	const int y = row % a.out[1];
	row /= a.out[1];
	const int z = row % a.out[0], image = row / a.out[0];
#if TRANSPOSED
	const int step = a.stride[2], x0 = (int)get_global_id(1) / step * PX * step + (int)get_global_id(1) % step;
#else
	const int step = 1, x0 = (int)get_global_id(1) * PX;
#endif
	if (g >= a.groups || x0 >= a.out[2])
		return;
	__global const float *in = OPERAND(1, const float) + image * a.in_stride[0] + IN_CHANNEL(g, 0);
	__global const float *bias = OPERAND(2, const float);
	const int taps = a.taps[0] * a.taps[1] * a.taps[2];
	__global const weight *w = (__global const weight *)(bias + a.weights) +
		(g * a.weight_blocks + c0 / 16) * taps * a.in_channels * 16 + c0 % 16;
	__global const float *zeros = bias + a.zeros;
	bias += g * a.weight_blocks * 16 + c0;

	vec acc[PX][NB];
#pragma unroll
	for (int p = 0; p < PX; p++)
#pragma unroll
		for (int j = 0; j < NB; j++)
			acc[p][j] = VLOAD(bias + j * VEC);

	for (int tz = 0; tz < a.taps[0]; tz++)
	for (int ty = 0; ty < a.taps[1]; ty++) {
#if TRANSPOSED
		const int vz = z + a.pad[0] - tz * a.dilation[0], vy = y + a.pad[1] - ty * a.dilation[1];
		const int iz = vz / a.stride[0], iy = vy / a.stride[1];
		const bool there = vz >= 0 && vy >= 0 && vz % a.stride[0] == 0 && vy % a.stride[1] == 0 && iz < a.in[0] &&
				   iy < a.in[1];
#else
		const int iz = z * a.stride[0] + tz * a.dilation[0] - a.pad[0];
		const int iy = y * a.stride[1] + ty * a.dilation[1] - a.pad[1];
		const bool there = iz >= 0 && iz < a.in[0] && iy >= 0 && iy < a.in[1];
#endif
		if (!there) {
			w += a.taps[2] * a.in_channels * 16;
			continue;
		}
		__global const float *line = in + iz * a.in_stride[1] + iy * a.in_stride[2];
		for (int tx = 0; tx < a.taps[2]; tx++) {
			__global const float *q[PX];
#if IN_STRIDED
			int s[PX];
#endif
#if IN_BLOCKED
			int hop[PX];
#endif
#if TRANSPOSED
			const int vx = x0 + a.pad[2] - tx * a.dilation[2];
			if (vx % a.stride[2] != 0) {
				w += a.in_channels * 16;
				continue;
			}
			const int first = vx / a.stride[2], between = 1;
#else
			const int first = x0 * a.stride[2] + tx * a.dilation[2] - a.pad[2], between = a.stride[2];
#endif
#pragma unroll
			for (int p = 0; p < PX; p++) {
				const int ix = first + p * between;
				const bool inside = ix >= 0 && ix < a.in[2] && x0 + p * step < a.out[2];
				q[p] = inside ? line + ix * a.in_stride[3] : zeros;
#if IN_STRIDED
				s[p] = inside ? a.in_stride[4] : 0;
#endif
#if IN_BLOCKED
				hop[p] = inside ? a.in_block : 0;
#endif
			}
#if IN_BLOCKED
			for (int first_of = 0; first_of < a.in_channels; first_of += a.block) {
			const int count = a.block;
#else
			const int count = a.in_channels;
#endif
			int i = 0;
#if IN_STRIDED
			for (; i < count; i++, w += 16) {
				vec v[NB];
#pragma unroll
				for (int j = 0; j < NB; j++)
					v[j] = LOAD_WEIGHTS(w + j * VEC);
#pragma unroll
				for (int p = 0; p < PX; p++) {
					const vec x = (vec)(q[p][i * s[p]]);
#pragma unroll
					for (int j = 0; j < NB; j++)
						acc[p][j] = fma(x, v[j], acc[p][j]);
				}
			}
#else
#if WIDE_LOADS
			for (; i + 4 <= count; i += 4, w += 64) {
				float4 x[PX];
#pragma unroll
				for (int p = 0; p < PX; p++)
					x[p] = vload4(0, q[p] + i);
#pragma unroll
				for (int j = 0; j < NB; j++) {
					const vec v0 = LOAD_WEIGHTS(w + j * VEC), v1 = LOAD_WEIGHTS(w + 16 + j * VEC);
					const vec v2 = LOAD_WEIGHTS(w + 32 + j * VEC), v3 = LOAD_WEIGHTS(w + 48 + j * VEC);
#pragma unroll
					for (int p = 0; p < PX; p++) {
						acc[p][j] = fma((vec)(x[p].x), v0, acc[p][j]);
						acc[p][j] = fma((vec)(x[p].y), v1, acc[p][j]);
						acc[p][j] = fma((vec)(x[p].z), v2, acc[p][j]);
						acc[p][j] = fma((vec)(x[p].w), v3, acc[p][j]);
					}
				}
			}
#endif
			for (; i < count; i++, w += 16) {
				vec v[NB];
#pragma unroll
				for (int j = 0; j < NB; j++)
					v[j] = LOAD_WEIGHTS(w + j * VEC);
#pragma unroll
				for (int p = 0; p < PX; p++) {
					const vec x = (vec)(q[p][i]);
#pragma unroll
					for (int j = 0; j < NB; j++)
						acc[p][j] = fma(x, v[j], acc[p][j]);
				}
			}
#endif
#if IN_BLOCKED
#pragma unroll
			for (int p = 0; p < PX; p++)
				q[p] += hop[p];
			}
#endif
		}
	}

	__global float *out = OPERAND(0, float) + image * a.out_stride[0] + z * a.out_stride[1] + y * a.out_stride[2];
#pragma unroll
	for (int p = 0; p < PX; p++) {
		const int x = x0 + p * step;
		if (x >= a.out[2])
			break;
#pragma unroll
		for (int j = 0; j < NB; j++) {
			const int c = c0 + j * VEC, n = a.out_channels - c;
			if (n > 0)
				STORE_CHANNELS(out + x * a.out_stride[3] + OUT_CHANNEL(g, c), a.out_stride[4],
					       epilogue(acc[p][j], &a.e, n, image, z, y, x, CHANNEL_AXES(g, c) EPILOGUE_OPERANDS), n);
		}
	}
}
