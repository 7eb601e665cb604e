/* Matrix products: a work item computes PX rows by NB vectors of columns in registers.
 * B_PACKED: blocks of 16 columns as conv.cl has them. B_UNIT: rows of B are contiguous. Otherwise any strides. */

vec load_b(__global const float *b, int col, int n)
{
#if VEC > 1
	float t[VEC];
	for (int i = 0; i < VEC; i++)
		t[i] = i < n ? b[i * col] : 0.0f;
	return VLOAD(t);
#else
	return (vec)(*b);
#endif
}

__kernel void gemm(OPERANDS, const gemm_args a)
{
	const int c0 = get_global_id(0) * (VEC * NB), m0 = get_global_id(1) * PX;
	int rest = get_global_id(2);
	if (c0 >= a.n || m0 >= a.m)
		return;
	int index[4];
#pragma unroll
	for (int i = 3; i >= 0; i--) {
		index[i] = rest % a.batch[i];
		rest /= a.batch[i];
	}
	__global const float *from = OPERAND(1, const float);
	__global float *out = OPERAND(0, float);
	int slice = 0;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		from += index[i] * a.a_batch[i];
		out += index[i] * a.out_batch[i];
		slice += index[i] * a.b_batch[i];
	}
	vec acc[PX][NB];
#if B_PACKED
	__global const float *bias = OPERAND(2, const float) + slice * a.bias_slice + c0;
	__global const weight *b = (__global const weight *)(OPERAND(2, const float) + a.weights) + (slice * a.weight_blocks + c0 / 16) * a.k * 16 + c0 % 16;
#pragma unroll
	for (int p = 0; p < PX; p++)
#pragma unroll
		for (int j = 0; j < NB; j++)
			acc[p][j] = VLOAD(bias + j * VEC);
#else
	__global const float *b = OPERAND(2, const float) + slice + c0 * a.b_col;
#pragma unroll
	for (int p = 0; p < PX; p++)
#pragma unroll
		for (int j = 0; j < NB; j++)
			acc[p][j] = (vec)(0.0f);
#endif
	__global const float *q[PX];
#pragma unroll
	for (int p = 0; p < PX; p++) /* rows past the end repeat the last one and are not stored */
		q[p] = from + min(m0 + p, a.m - 1) * a.a_row;
	for (int i = 0; i < a.k; i++) {
		vec v[NB];
#pragma unroll
		for (int j = 0; j < NB; j++) {
#if B_PACKED
			v[j] = LOAD_WEIGHTS(b + i * 16 + j * VEC);
#elif B_UNIT
			v[j] = load_vec(b + i * a.b_row + j * VEC, a.n - c0 - j * VEC);
#else
			v[j] = load_b(b + i * a.b_row + j * VEC * a.b_col, a.b_col, a.n - c0 - j * VEC);
#endif
		}
#pragma unroll
		for (int p = 0; p < PX; p++) {
			const vec x = (vec)(q[p][i * a.a_col]);
#pragma unroll
			for (int j = 0; j < NB; j++)
				acc[p][j] = fma(x, v[j], acc[p][j]);
		}
	}
#pragma unroll
	for (int p = 0; p < PX; p++) {
		const int m = m0 + p;
		if (m >= a.m)
			break;
#if ROW_DIGITS
		int digit[ROW_DIGITS], rest_m = m, row = 0;
#pragma unroll
		for (int i = ROW_DIGITS - 1; i >= 0; i--) {
			digit[i] = rest_m % a.digit[i];
			rest_m /= a.digit[i];
			row += digit[i] * a.out_digit[i];
		}
#else
		const int row = m * a.out_row;
#endif
#pragma unroll
		for (int j = 0; j < NB; j++) {
			const int c = c0 + j * VEC, n = a.n - c;
			if (n > 0)
				store_vec(out + row + c,
					  epilogue(acc[p][j], &a.e, n, index[0], index[1], index[2], index[3], ROW_AXES, c EPILOGUE_OPERANDS), n);
		}
	}
}
