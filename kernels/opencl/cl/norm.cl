/* Normalisation of rows (layer_norm) and of groups of channels of an image (group_norm): mean, then variance about it,
 * then the result. LANES work items share a row or a group. */

float meet(float x, __local float *shared)
{
#if LANES > 1
	const int lane = get_local_id(0);
	shared[lane] = x;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int span = LANES / 2; span > 0; span /= 2) {
		if (lane < span)
			shared[lane] += shared[lane + span];
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	x = shared[0];
	barrier(CLK_LOCAL_MEM_FENCE);
#endif
	return x;
}

#if LAYER
__kernel void layer_norm(OPERANDS, const rows_args a)
{
	__local float shared[LANES];
	const int lane = get_local_id(0), row = get_global_id(1);
	int rest = row, from = 0, to = 0;
#pragma unroll
	for (int axis = RANK - 1; axis >= 0; axis--) {
		from += rest % a.outer[axis] * a.in_outer[axis];
		to += rest % a.outer[axis] * a.out_outer[axis];
		rest /= a.outer[axis];
	}
	__global const float *in = OPERAND(1, const float) + from;
	__global float *out = OPERAND(0, float) + to;
	float mean = 0.0f, sum = 0.0f;
#if !RMS
	for (int i = lane; i < a.extent;) {
		float block = 0.0f;
		for (int k = 0; k < 128 && i < a.extent; k++, i += LANES)
			block += in[i];
		mean += block;
	}
	mean = meet(mean, shared) / a.extent;
#endif
	for (int i = lane; i < a.extent;) {
		float block = 0.0f;
		for (int k = 0; k < 128 && i < a.extent; k++, i += LANES)
			block += (in[i] - mean) * (in[i] - mean);
		sum += block;
	}
	const float inverse = 1.0f / sqrt(meet(sum, shared) / a.extent + a.epsilon);
	for (int i = lane; i < a.extent; i += LANES) {
		float v = (in[i] - mean) * inverse;
#if HAS_SCALE
		v *= OPERAND(2, const float)[i];
#endif
#if HAS_BIAS
		v += OPERAND(3, const float)[i];
#endif
		out[i] = v;
	}
	if (lane)
		return;
#if HAS_MEAN
	OPERAND(4, float)[row] = mean;
#endif
#if HAS_INV_STD
	OPERAND(5, float)[row] = inverse;
#endif
}
#else
__kernel void group_norm(OPERANDS, const group_norm_args a)
{
	__local float shared[LANES];
	const int lane = get_local_id(0), g = (int)get_global_id(1) % a.groups, image = (int)get_global_id(1) / a.groups;
	const int width = a.channels / a.groups, c0 = g * width, pixels = a.rows * a.pixels;
	__global const float *in = OPERAND(1, const float) + image * a.in_batch + c0 * a.in_channel;
	__global float *out = OPERAND(0, float) + image * a.out_batch + c0 * a.out_channel;
	float mean = 0.0f, sum = 0.0f;
	for (int i = lane; i < pixels; i += LANES) {
		__global const float *at = in + i / a.pixels * a.in_row + i % a.pixels * a.in_pixel;
		float block = 0.0f;
		for (int c = 0; c < width; c++)
			block += at[c * a.in_channel];
		mean += block;
	}
	const float count = (float)pixels * width;
	mean = meet(mean, shared) / count;
	for (int i = lane; i < pixels; i += LANES) {
		__global const float *at = in + i / a.pixels * a.in_row + i % a.pixels * a.in_pixel;
		float block = 0.0f;
		for (int c = 0; c < width; c++) {
			const float v = at[c * a.in_channel] - mean;
			block += v * v;
		}
		sum += block;
	}
	const float inverse = 1.0f / sqrt(meet(sum, shared) / count + a.epsilon);
	for (int i = lane; i < pixels; i += LANES) {
		__global const float *at = in + i / a.pixels * a.in_row + i % a.pixels * a.in_pixel;
		__global float *to = out + i / a.pixels * a.out_row + i % a.pixels * a.out_pixel;
		for (int c = 0; c < width; c++) {
			float v = (at[c * a.in_channel] - mean) * inverse;
#if HAS_SCALE
			v *= OPERAND(2, const float)[c0 + c];
#endif
#if HAS_BIAS
			v += OPERAND(3, const float)[c0 + c];
#endif
			to[c * a.out_channel] = v;
		}
	}
}
#endif
