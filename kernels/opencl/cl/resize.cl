/* Separable interpolation by tables of indices and weights: a work item computes one pixel by VEC channels. */

__kernel void resize(OPERANDS, const resize_args a)
{
	const int c = get_global_id(0) * VEC, x = get_global_id(1), n = a.channels - c;
	int row = get_global_id(2);
	const int y = row % a.out[1];
	row /= a.out[1];
	const int z = row % a.out[0], image = row / a.out[0];
	if (n <= 0 || x >= a.out[2])
		return;
	__global const int *iz = OPERAND(3, const int) + z * a.taps[0], *iy = OPERAND(4, const int) + y * a.taps[1];
	__global const int *ix = OPERAND(5, const int) + x * a.taps[2];
	vec acc = (vec)(0.0f);
	if (iz[0] < 0 || iy[0] < 0 || ix[0] < 0) {
		acc = (vec)(a.outside);
	} else {
		__global const float *in = OPERAND(1, const float) + image * a.in_stride[0] + c * a.in_stride[4];
		for (int tz = 0; tz < a.taps[0]; tz++)
		for (int ty = 0; ty < a.taps[1]; ty++) {
			__global const float *line = in + iz[tz] * a.in_stride[1] + iy[ty] * a.in_stride[2];
			vec sum = (vec)(0.0f);
			for (int tx = 0; tx < a.taps[2]; tx++) {
				const vec v = LOAD_CHANNELS(line + ix[tx] * a.in_stride[3], a.in_stride[4], n);
#if WEIGHTS_X
				sum = fma(v, (vec)(OPERAND(8, const float)[x * a.taps[2] + tx]), sum);
#else
				sum = v;
#endif
			}
#if WEIGHTS_Y
			sum *= OPERAND(7, const float)[y * a.taps[1] + ty];
#endif
#if WEIGHTS_Z
			sum *= OPERAND(6, const float)[z * a.taps[0] + tz];
#endif
			acc += sum;
		}
	}
	__global float *out = OPERAND(0, float) + image * a.out_stride[0] + z * a.out_stride[1] + y * a.out_stride[2] +
			      x * a.out_stride[3] + c * a.out_stride[4];
	STORE_CHANNELS(out, a.out_stride[4], epilogue(acc, &a.e, n, image, z, y, x, c EPILOGUE_OPERANDS), n);
}
