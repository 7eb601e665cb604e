/* The instructions of elementwise programs. Every function takes its sources and the two immediates. */

vec mask(ivec c) { return select((vec)(0.0f), (vec)(1.0f), c); }
vec max_nan(vec a, vec b) { return select(fmax(a, b), a + b, isunordered(a, b)); }
vec min_nan(vec a, vec b) { return select(fmin(a, b), a + b, isunordered(a, b)); }
ivec truth(vec a) { return isequal(a, (vec)(0.0f)); } /* of its negation */

vec op_move(vec a, float i, float j) { return a; }
vec op_add(vec a, vec b, float i, float j) { return a + b; }
vec op_sub(vec a, vec b, float i, float j) { return a - b; }
vec op_mul(vec a, vec b, float i, float j) { return a * b; }
vec op_div(vec a, vec b, float i, float j) { return a / b; }
vec op_max(vec a, vec b, float i, float j) { return max_nan(a, b); }
vec op_min(vec a, vec b, float i, float j) { return min_nan(a, b); }
vec op_pow(vec a, vec b, float i, float j) { return pow(a, b); }
vec op_mod(vec a, vec b, float i, float j) { return fmod(a, b); }
vec op_prelu(vec a, vec b, float i, float j) { return select(a, a * b, isless(a, (vec)(0.0f))); }
vec op_add_const(vec a, float i, float j) { return a + i; }
vec op_mul_const(vec a, float i, float j) { return a * i; }
vec op_mul_add(vec a, vec b, vec c, float i, float j) { return fma(a, b, c); }

vec op_equal(vec a, vec b, float i, float j) { return mask(isequal(a, b)); }
vec op_less(vec a, vec b, float i, float j) { return mask(isless(a, b)); }
vec op_less_equal(vec a, vec b, float i, float j) { return mask(islessequal(a, b)); }
vec op_greater(vec a, vec b, float i, float j) { return mask(isgreater(a, b)); }
vec op_greater_equal(vec a, vec b, float i, float j) { return mask(isgreaterequal(a, b)); }
vec op_not(vec a, float i, float j) { return mask(truth(a)); }
vec op_bool(vec a) { return select((vec)(1.0f), (vec)(0.0f), truth(a)); }
vec op_and(vec a, vec b, float i, float j) { return op_bool(a) * op_bool(b); }
vec op_or(vec a, vec b, float i, float j) { return fmax(op_bool(a), op_bool(b)); }
vec op_xor(vec a, vec b, float i, float j) { return fabs(op_bool(a) - op_bool(b)); }
vec op_is_nan(vec a, float i, float j) { return mask(isnan(a)); }
vec op_is_inf(vec a, float i, float j)
{
	const vec low = i != 0 ? mask(isequal(a, (vec)(-INFINITY))) : (vec)(0.0f);
	const vec high = j != 0 ? mask(isequal(a, (vec)(INFINITY))) : (vec)(0.0f);
	return low + high;
}
vec op_where(vec a, vec b, vec c, float i, float j) { return select(b, c, truth(a)); }

vec op_relu(vec a, float i, float j) { return max_nan(a, (vec)(0.0f)); }
vec op_clip(vec a, float i, float j) { return select(fmin(fmax(a, (vec)(i)), (vec)(j)), a, isnan(a)); }
vec op_leaky(vec a, float i, float j) { return select(a, a * i, isless(a, (vec)(0.0f))); }
vec op_elu(vec a, float i, float j) { return select(a, i * expm1(a), isless(a, (vec)(0.0f))); }
vec op_selu(vec a, float i, float j) { return j * select(a, i * expm1(a), islessequal(a, (vec)(0.0f))); }
vec op_celu(vec a, float i, float j)
{
	return max_nan(a, (vec)(0.0f)) + min_nan((vec)(0.0f), i * expm1(a / i));
}
vec op_sigmoid(vec a, float i, float j) { return 1.0f / (1.0f + exp(-a)); }
vec op_tanh(vec a, float i, float j) { return tanh(a); }
vec op_hard_sigmoid(vec a, float i, float j)
{
	return max_nan((vec)(0.0f), min_nan((vec)(1.0f), a * i + j));
}
vec op_hard_swish(vec a, float i, float j)
{
	return a * max_nan((vec)(0.0f), min_nan((vec)(1.0f), a / 6.0f + 0.5f));
}
vec op_gelu(vec a, float i, float j) { return 0.5f * a * (1.0f + erf(a * M_SQRT1_2_F)); }
vec op_gelu_tanh(vec a, float i, float j)
{
	return a / (1.0f + exp(-1.5957691216f * (a + 0.044715f * a * a * a))); /* (1 + tanh(u)) / 2 = sigmoid(2 u) */
}
vec op_silu(vec a, float i, float j) { return a / (1.0f + exp(-i * a)); }
vec op_softplus(vec a, float i, float j) { return max_nan(a, (vec)(0.0f)) + log1p(exp(-fabs(a))); }
vec op_softsign(vec a, float i, float j) { return a / (1.0f + fabs(a)); }
vec op_mish(vec a, float i, float j) { return a * tanh(op_softplus(a, i, j)); }
vec op_thresholded(vec a, float i, float j) { return select((vec)(0.0f), a, isgreater(a, (vec)(i))); }
vec op_shrink(vec a, float i, float j)
{
	const vec low = select((vec)(0.0f), a + j, isless(a, (vec)(-i)));
	return select(low, a - j, isgreater(a, (vec)(i)));
}
vec op_exp(vec a, float i, float j) { return exp(a); }
vec op_log(vec a, float i, float j) { return log(a); }
vec op_sqrt(vec a, float i, float j) { return sqrt(a); }
vec op_rsqrt(vec a, float i, float j) { return 1.0f / sqrt(a); }
vec op_reciprocal(vec a, float i, float j) { return 1.0f / a; }
vec op_abs(vec a, float i, float j) { return fabs(a); }
vec op_neg(vec a, float i, float j) { return -a; }
vec op_sign(vec a, float i, float j)
{
	const vec up = select(a, (vec)(1.0f), isgreater(a, (vec)(0.0f)));
	return select(up, (vec)(-1.0f), isless(a, (vec)(0.0f)));
}
vec op_floor(vec a, float i, float j) { return floor(a); }
vec op_ceil(vec a, float i, float j) { return ceil(a); }
vec op_round(vec a, float i, float j) { return rint(a); }
vec op_trunc(vec a, float i, float j) { return trunc(a); }
vec op_sin(vec a, float i, float j) { return sin(a); }
vec op_cos(vec a, float i, float j) { return cos(a); }
vec op_erf(vec a, float i, float j) { return erf(a); }
vec op_square(vec a, float i, float j) { return a * a; }
