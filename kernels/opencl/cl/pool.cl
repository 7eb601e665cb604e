/* Pooling: a work item computes one pixel by VEC channels. KIND is pool_kind. */
#define POOL_MAX 0
#define POOL_AVERAGE 1
#define POOL_AVERAGE_PADDED 2
#define POOL_L1 3
#define POOL_L2 4

int inside(int at, int extent, int begin, int end)
{
	return at >= -begin && at < extent + end;
}

__kernel void pool(OPERANDS, const pool_args a)
{
	const int c = get_global_id(0) * VEC, x = get_global_id(1), n = a.channels - c;
	int row = get_global_id(2);
	const int y = row % a.out[1];
	row /= a.out[1];
	const int z = row % a.out[0], image = row / a.out[0];
	if (n <= 0 || x >= a.out[2])
		return;
	__global const float *in = OPERAND(1, const float) + image * a.in_stride[0] + c * a.in_stride[4];
	vec acc = (vec)(KIND == POOL_MAX ? -INFINITY : 0.0f);
	int count = 0;
	for (int tz = 0; tz < a.taps[0]; tz++)
	for (int ty = 0; ty < a.taps[1]; ty++) {
		vec line = (vec)(0.0f); /* a sum for each row: long sums round less in parts */
		const int iz = z * a.stride[0] + tz * a.dilation[0] - a.pad[0];
		const int iy = y * a.stride[1] + ty * a.dilation[1] - a.pad[1];
		const bool there = iz >= 0 && iz < a.in[0] && iy >= 0 && iy < a.in[1];
		const bool padded = inside(iz, a.in[0], a.pad[0], a.pad_end[0]) && inside(iy, a.in[1], a.pad[1], a.pad_end[1]);
		for (int tx = 0; tx < a.taps[2]; tx++) {
			const int ix = x * a.stride[2] + tx * a.dilation[2] - a.pad[2];
			if (KIND == POOL_AVERAGE_PADDED)
				count += padded && inside(ix, a.in[2], a.pad[2], a.pad_end[2]);
			if (!there || ix < 0 || ix >= a.in[2])
				continue;
			const vec v = LOAD_CHANNELS(in + iz * a.in_stride[1] + iy * a.in_stride[2] + ix * a.in_stride[3], a.in_stride[4], n);
			if (KIND == POOL_MAX)
				acc = select(fmax(acc, v), acc + v, isunordered(acc, v));
			else if (KIND == POOL_L1)
				line += fabs(v);
			else if (KIND == POOL_L2)
				line += v * v;
			else
				line += v;
			count += KIND == POOL_AVERAGE;
		}
		if (KIND != POOL_MAX)
			acc += line;
	}
	if (KIND == POOL_AVERAGE || KIND == POOL_AVERAGE_PADDED)
		acc = acc / (float)count;
	if (KIND == POOL_L2)
		acc = sqrt(acc);
	__global float *out = OPERAND(0, float) + image * a.out_stride[0] + z * a.out_stride[1] + y * a.out_stride[2] +
			      x * a.out_stride[3] + c * a.out_stride[4];
	STORE_CHANNELS(out, a.out_stride[4], epilogue(acc, &a.e, n, image, z, y, x, c EPILOGUE_OPERANDS), n);
}
