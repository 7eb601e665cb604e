/* Local response normalisation across channels: a work item computes one element. */

__kernel void lrn(OPERANDS, const lrn_args a)
{
	const int c = get_global_id(0);
	int rest = get_global_id(1), from = 0, to = 0;
#pragma unroll
	for (int axis = RANK - 1; axis >= 0; axis--) {
		from += rest % a.outer[axis] * a.in_outer[axis];
		to += rest % a.outer[axis] * a.out_outer[axis];
		rest /= a.outer[axis];
	}
	if (c >= a.channels || rest)
		return;
	__global const float *in = OPERAND(1, const float) + from;
	float sum = 0.0f;
	const int first = max(c - (a.size - 1) / 2, 0), last = min(c + a.size / 2, a.channels - 1);
	for (int i = first; i <= last; i++) {
		const float v = in[i * a.in_channel];
		sum += v * v;
	}
	OPERAND(0, float)[to + c * a.out_channel] = in[c * a.in_channel] / pow(a.bias + a.alpha / a.size * sum, a.beta);
}
