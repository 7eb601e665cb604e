/* Depthwise convolution: a work item computes PX pixels of a row by VEC channels. Weights: [tap][channel] behind the bias, whose length is that of a line. */

__kernel void depthwise(OPERANDS, const conv_args a)
{
	const int c = get_global_id(0) * VEC, x0 = get_global_id(1) * PX, n = a.groups - c;
	int row = get_global_id(2);
	const int y = row % a.out[1];
	row /= a.out[1];
	const int z = row % a.out[0], image = row / a.out[0];
	if (n <= 0 || x0 >= a.out[2])
		return;
	__global const float *in = OPERAND(1, const float) + image * a.in_stride[0] + IN_CHANNEL(0, c);
	__global const float *bias = OPERAND(2, const float);
	__global const weight *w = (__global const weight *)(bias + a.weights) + c;
	vec acc[PX];
#pragma unroll
	for (int p = 0; p < PX; p++)
		acc[p] = VLOAD(bias + c);
	for (int tz = 0; tz < a.taps[0]; tz++)
	for (int ty = 0; ty < a.taps[1]; ty++) {
		const int iz = z * a.stride[0] + tz * a.dilation[0] - a.pad[0];
		const int iy = y * a.stride[1] + ty * a.dilation[1] - a.pad[1];
		if (iz < 0 || iz >= a.in[0] || iy < 0 || iy >= a.in[1]) {
			w += a.taps[2] * a.weights;
			continue;
		}
		__global const float *line = in + iz * a.in_stride[1] + iy * a.in_stride[2];
		for (int tx = 0; tx < a.taps[2]; tx++, w += a.weights) {
			const vec v = LOAD_WEIGHTS(w);
			const int first = x0 * a.stride[2] + tx * a.dilation[2] - a.pad[2];
#pragma unroll
			for (int p = 0; p < PX; p++) {
				const int ix = first + p * a.stride[2];
				if (ix >= 0 && ix < a.in[2])
					acc[p] = fma(LOAD_CHANNELS(line + ix * a.in_stride[3], a.in_stride[4], n), v, acc[p]);
			}
		}
	}
	__global float *out = OPERAND(0, float) + image * a.out_stride[0] + z * a.out_stride[1] + y * a.out_stride[2] +
			      OUT_CHANNEL(0, c);
#pragma unroll
	for (int p = 0; p < PX; p++) {
		const int x = x0 + p;
		if (x < a.out[2])
			STORE_CHANNELS(out + x * a.out_stride[3], a.out_stride[4],
				       epilogue(acc[p], &a.e, n, image, z, y, x, CHANNEL_AXES(0, c) EPILOGUE_OPERANDS), n);
	}
}
