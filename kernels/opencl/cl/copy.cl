/* Strided copies and fills of elements of UNIT bytes: a work item moves a block of TILE x WIDE elements of the two
 * innermost axes, of which the last is contiguous in the output as a rule and the other, in a transposition, in the input. */
#if UNIT == 1
typedef uchar element;
#elif UNIT == 2
typedef ushort element;
#elif UNIT == 4
typedef uint element;
#elif UNIT == 8
typedef uint2 element;
#else
typedef uint4 element;
#endif

__kernel void copy(OPERANDS, const copy_args a)
{
	const int x = (int)get_global_id(0) * WIDE, y = (int)get_global_id(1) * TILE;
	const int to_x = a.out[RANK - 1], to_y = a.out[RANK - 2], from_x = a.in[RANK - 1], from_y = a.in[RANK - 2];
	int rest = get_global_id(2), to = x * to_x + y * to_y, from = x * from_x + y * from_y;
#pragma unroll
	for (int axis = RANK - 3; axis >= 0; axis--) {
		const int here = rest % a.extent[axis];
		rest /= a.extent[axis];
		to += here * a.out[axis];
		from += here * a.in[axis];
	}
	const int nx = min(WIDE, a.extent[RANK - 1] - x), ny = min(TILE, a.extent[RANK - 2] - y);
	__global element *out = OPERAND(0, element) + to;
#if FILL
#if UNIT < 4
	const element v = (element)a.value[0];
#elif UNIT == 4
	const element v = (uint)a.value[0];
#elif UNIT == 8
	const element v = (uint2)((uint)a.value[0], (uint)a.value[1]);
#else
	const element v = (uint4)((uint)a.value[0], (uint)a.value[1], (uint)a.value[2], (uint)a.value[3]);
#endif
	for (int j = 0; j < ny; j++)
		for (int i = 0; i < nx; i++)
			out[j * to_y + i * to_x] = v;
#else
	__global const element *in = OPERAND(1, const element) + from;
#if CONTIGUOUS
	for (int j = 0; j < ny; j++)
		for (int i = 0; i < nx; i++)
			out[j * to_y + i] = in[j * from_y + i];
#else
	for (int j = 0; j < ny; j++)
		for (int i = 0; i < nx; i++)
			out[j * to_y + i * to_x] = in[j * from_y + i * from_x];
#endif
#endif
}
