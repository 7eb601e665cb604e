/* Reductions. LANES work items share the reduced elements of VEC kept ones (contiguous in the input where VEC > 1).
 * Each lane sums in blocks of 128 elements, so that long sums round little; lanes meet in a tree. */
#define REDUCE_SUM 0
#define REDUCE_MEAN 1
#define REDUCE_MAX 2
#define REDUCE_MIN 3
#define REDUCE_PROD 4
#define REDUCE_SUM_SQUARE 5
#define REDUCE_L1 6
#define REDUCE_L2 7
#define REDUCE_LOG_SUM 8
#define REDUCE_LOG_SUM_EXP 9

vec term(vec x)
{
	if (KIND == REDUCE_SUM_SQUARE || KIND == REDUCE_L2)
		return x * x;
	return KIND == REDUCE_L1 ? fabs(x) : x;
}

vec join(vec a, vec b, int kind)
{
	if (kind == REDUCE_MAX)
		return select(fmax(a, b), a + b, isunordered(a, b));
	if (kind == REDUCE_MIN)
		return select(fmin(a, b), a + b, isunordered(a, b));
	return kind == REDUCE_PROD ? a * b : a + b;
}

vec start(int kind)
{
	return (vec)(kind == REDUCE_MAX ? -INFINITY : kind == REDUCE_MIN ? INFINITY : kind == REDUCE_PROD ? 1.0f : 0.0f);
}

vec meet(vec x, int kind, __local float *shared)
{
#if LANES > 1
	const int lane = get_local_id(0);
	VSTORE(x, shared + lane * VEC);
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int span = LANES / 2; span > 0; span /= 2) {
		if (lane < span)
			VSTORE(join(VLOAD(shared + lane * VEC), VLOAD(shared + (lane + span) * VEC), kind), shared + lane * VEC);
		barrier(CLK_LOCAL_MEM_FENCE);
	}
	x = VLOAD(shared);
	barrier(CLK_LOCAL_MEM_FENCE);
#endif
	return x;
}

int reduced_offset(const reduce_args *a, int i)
{
	int at = 0;
#pragma unroll
	for (int axis = REDUCED - 1; axis > 0; axis--) {
		at += i % a->reduced[axis] * a->in_reduced[axis];
		i /= a->reduced[axis];
	}
	return at + i * a->in_reduced[0];
}

__kernel void reduce(OPERANDS, const reduce_args a)
{
	__local float shared[LANES * VEC];
	const int lane = get_local_id(0), x = (int)get_global_id(1) * VEC, n = a.kept[KEPT - 1] - x;
	int rest = get_global_id(2), from = x * a.in_kept[KEPT - 1], to = x * a.out_kept[KEPT - 1];
#pragma unroll
	for (int axis = KEPT - 2; axis >= 0; axis--) {
		from += rest % a.kept[axis] * a.in_kept[axis];
		to += rest % a.kept[axis] * a.out_kept[axis];
		rest /= a.kept[axis];
	}
	__global const float *in = OPERAND(1, const float) + from;
	const int kind = KIND == REDUCE_LOG_SUM_EXP ? REDUCE_SUM : KIND;
	vec high = (vec)(0.0f), acc = start(kind);
#if KIND == REDUCE_LOG_SUM_EXP
	high = start(REDUCE_MAX);
	for (int i = lane; i < a.count; i += LANES)
		high = join(high, load_vec(in + reduced_offset(&a, i), n), REDUCE_MAX);
	high = meet(high, REDUCE_MAX, shared);
	high = select((vec)(0.0f), high, isfinite(high)); /* infinities come out of exp as they are */
#endif
	for (int i = lane; i < a.count;) {
		vec block = start(kind);
		for (int k = 0; k < 128 && i < a.count; k++, i += LANES) {
			const vec v = load_vec(in + reduced_offset(&a, i), n);
			block = join(block, KIND == REDUCE_LOG_SUM_EXP ? exp(v - high) : term(v), kind);
		}
		acc = join(acc, block, kind);
	}
	acc = meet(acc, kind, shared);
	if (KIND == REDUCE_MEAN)
		acc = acc / (float)a.count;
	if (KIND == REDUCE_L2)
		acc = sqrt(acc);
	if (KIND == REDUCE_LOG_SUM)
		acc = log(acc);
	if (KIND == REDUCE_LOG_SUM_EXP)
		acc = log(acc) + high;
	if (lane)
		return;
	__global float *out = OPERAND(0, float) + to;
#if OUT_UNIT
	store_vec(out, acc, n);
#else
	float t[VEC];
	VSTORE(acc, t);
	for (int i = 0; i < VEC && i < n; i++)
		out[i * a.out_kept[KEPT - 1]] = t[i];
#endif
}
