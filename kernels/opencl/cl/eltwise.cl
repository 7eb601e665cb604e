/* An elementwise program over a space of RANK axes; a work item computes VEC elements of the innermost one. */

__kernel void eltwise(OPERANDS, const eltwise_args a)
{
	const int x = get_global_id(0) * VEC, n = a.extent[RANK - 1] - x;
	int rest = get_global_id(1), at[COUNT];
#pragma unroll
	for (int i = 0; i < COUNT; i++)
		at[i] = x * a.stride[i][RANK - 1];
#pragma unroll
	for (int axis = RANK - 2; axis >= 0; axis--) {
		const int here = rest % a.extent[axis];
		rest /= a.extent[axis];
#pragma unroll
		for (int i = 0; i < COUNT; i++)
			at[i] += here * a.stride[i][axis];
	}
	if (n > 0 && rest == 0)
		run_program(&a, at, n PROGRAM_OPERANDS);
}
