/* Softmax: LANES work items walk one row three times: its maximum, the sum of exponentials, the result. */

float meet(float x, __local float *shared, int maximum)
{
#if LANES > 1
	const int lane = get_local_id(0);
	shared[lane] = x;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int span = LANES / 2; span > 0; span /= 2) {
		if (lane < span) {
			const float a = shared[lane], b = shared[lane + span];
			shared[lane] = maximum ? (isunordered(a, b) ? a + b : fmax(a, b)) : a + b;
		}
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	x = shared[0];
	barrier(CLK_LOCAL_MEM_FENCE);
#endif
	return x;
}

__kernel void softmax(OPERANDS, const rows_args a)
{
	__local float shared[LANES];
	const int lane = get_local_id(0);
	int rest = get_global_id(1), from = 0, to = 0;
#pragma unroll
	for (int axis = RANK - 1; axis >= 0; axis--) {
		from += rest % a.outer[axis] * a.in_outer[axis];
		to += rest % a.outer[axis] * a.out_outer[axis];
		rest /= a.outer[axis];
	}
	__global const float *in = OPERAND(1, const float) + from;
	__global float *out = OPERAND(0, float) + to;
	float high = -INFINITY, sum = 0.0f;
	for (int i = lane; i < a.extent; i += LANES) {
		const float v = in[i * a.in_stride];
		high = isunordered(high, v) ? high + v : fmax(high, v);
	}
	high = meet(high, shared, 1);
	for (int i = lane; i < a.extent;) {
		float block = 0.0f;
		for (int k = 0; k < 128 && i < a.extent; k++, i += LANES)
			block += exp(in[i * a.in_stride] - high);
		sum += block;
	}
	sum = meet(sum, shared, 0);
#if LOGARITHM
	const float shift = high + log(sum);
	for (int i = lane; i < a.extent; i += LANES)
		out[i * a.out_stride] = in[i * a.in_stride] - shift;
#else
	for (int i = lane; i < a.extent; i += LANES)
		out[i * a.out_stride] = exp(in[i * a.in_stride] - high) / sum;
#endif
}
