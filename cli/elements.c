#include "elements.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Small floating-point formats ---- */

typedef enum specials {
	SPECIALS_IEEE,          /* the highest exponent holds infinity and NaN */
	SPECIALS_NAN,           /* all ones are NaN, no infinity */
	SPECIALS_UNSIGNED_ZERO, /* minus zero is NaN, no infinity */
	SPECIALS_NONE
} specials;

typedef struct small_float {
	int exponent_bits, mantissa_bits, bias;
	specials specials;
} small_float;

/* Formats of ONNX: https://onnx.ai/onnx/technical/float8.html and float4.html. */
static const small_float *small_format(clast_dtype t)
{
	static const small_float half = { 5, 10, 15, SPECIALS_IEEE }, brain = { 8, 7, 127, SPECIALS_IEEE },
				 e4m3 = { 4, 3, 7, SPECIALS_NAN },
				 e4m3z = { 4, 3, 8, SPECIALS_UNSIGNED_ZERO },
				 e5m2 = { 5, 2, 15, SPECIALS_IEEE },
				 e5m2z = { 5, 2, 16, SPECIALS_UNSIGNED_ZERO },
				 e2m1 = { 2, 1, 1, SPECIALS_NONE };
	switch (t) {
	case CLAST_FLOAT16:
		return &half;
	case CLAST_BFLOAT16:
		return &brain;
	case CLAST_FLOAT8E4M3FN:
		return &e4m3;
	case CLAST_FLOAT8E4M3FNUZ:
		return &e4m3z;
	case CLAST_FLOAT8E5M2:
		return &e5m2;
	case CLAST_FLOAT8E5M2FNUZ:
		return &e5m2z;
	case CLAST_FLOAT4E2M1:
		return &e2m1;
	default:
		return NULL;
	}
}

static double small_decode(const small_float *f, uint32_t bits)
{
	const uint32_t ones = (1u << f->mantissa_bits) - 1, top = (1u << f->exponent_bits) - 1;
	const uint32_t mantissa = bits & ones, exponent = bits >> f->mantissa_bits & top;
	const bool negative = bits >> (f->mantissa_bits + f->exponent_bits) & 1;
	if (f->specials == SPECIALS_UNSIGNED_ZERO && negative && !mantissa && !exponent)
		return NAN;
	if (f->specials == SPECIALS_NAN && exponent == top && mantissa == ones)
		return NAN;
	double x;
	if (f->specials == SPECIALS_IEEE && exponent == top)
		x = mantissa ? NAN : INFINITY;
	else if (exponent)
		x = ldexp((double)(mantissa + ones + 1), (int)exponent - f->bias - f->mantissa_bits);
	else
		x = ldexp((double)mantissa, 1 - f->bias - f->mantissa_bits);
	return negative ? -x : x;
}

/* The nearest code, by bisection over the codes of positive values, which rise; ties go to the even code. */
static uint32_t small_encode(const small_float *f, double x)
{
	const uint32_t sign = 1u << (f->mantissa_bits + f->exponent_bits);
	if (isnan(x)) /* the code after the largest finite one and infinity; formats without NaN get their
			 largest */
		return f->specials == SPECIALS_UNSIGNED_ZERO ? sign : sign - 1;
	const double size = fabs(x);
	uint32_t low = 0, high = sign - 1;
	while (isnan(small_decode(f, high)))
		high--;
	while (high - low > 1) {
		const uint32_t middle = (low + high) / 2;
		*(small_decode(f, middle) <= size ? &low : &high) = middle;
	}
	const double below = small_decode(f, low), above = small_decode(f, high);
	/* Half-way to infinity lies where the next finite code would. */
	const double next = isinf(above) ? 2 * below - small_decode(f, low - 1) : above;
	const double up = next - size, down = size - below;
	const uint32_t code = up < down || (up == down && (low & 1)) ? high : low;
	return code | (signbit(x) && !(f->specials == SPECIALS_UNSIGNED_ZERO && !code) ? sign : 0);
}

/* ---- Elements ---- */

#define GET(type) ((double)((const type *)elements)[i])

double element_get(clast_dtype t, const void *elements, size_t i, double *imaginary)
{
	if (imaginary)
		*imaginary = 0;
	switch (t) {
	case CLAST_FLOAT32:
		return GET(float);
	case CLAST_FLOAT64:
		return GET(double);
	case CLAST_UINT8:
	case CLAST_BOOL:
	case CLAST_UINT4:
	case CLAST_UINT2:
		return GET(uint8_t);
	case CLAST_INT8:
	case CLAST_INT4:
	case CLAST_INT2:
		return GET(int8_t);
	case CLAST_UINT16:
		return GET(uint16_t);
	case CLAST_INT16:
		return GET(int16_t);
	case CLAST_UINT32:
		return GET(uint32_t);
	case CLAST_INT32:
		return GET(int32_t);
	case CLAST_UINT64:
		return GET(uint64_t);
	case CLAST_INT64:
		return GET(int64_t);
	case CLAST_COMPLEX64:
		if (imaginary)
			*imaginary = ((const float *)elements)[2 * i + 1];
		return ((const float *)elements)[2 * i];
	case CLAST_COMPLEX128:
		if (imaginary)
			*imaginary = ((const double *)elements)[2 * i + 1];
		return ((const double *)elements)[2 * i];
	case CLAST_FLOAT8E8M0: {
		const uint8_t code = ((const uint8_t *)elements)[i];
		return code == 255 ? NAN : ldexp(1, code - 127);
	}
	default:
		break;
	}
	const small_float *f = small_format(t);
	if (!f)
		return 0;
	return small_decode(f, clast_dtype_bytes(t) == 2 ? ((const uint16_t *)elements)[i]
							 : ((const uint8_t *)elements)[i]);
}

static void put_integer(clast_dtype t, void *elements, size_t i, double x)
{
	static const struct {
		clast_dtype dtype;
		double least, most;
	} ranges[] = { { CLAST_UINT8, 0, 255 },
		       { CLAST_BOOL, 0, 1 },
		       { CLAST_UINT4, 0, 15 },
		       { CLAST_UINT2, 0, 3 },
		       { CLAST_INT8, -128, 127 },
		       { CLAST_INT4, -8, 7 },
		       { CLAST_INT2, -2, 1 },
		       { CLAST_UINT16, 0, 65535 },
		       { CLAST_INT16, -32768, 32767 },
		       { CLAST_UINT32, 0, UINT32_MAX },
		       { CLAST_INT32, INT32_MIN, INT32_MAX },
		       { CLAST_UINT64, 0, 18446744073709549568.0 },
		       { CLAST_INT64, -9223372036854775808.0, 9223372036854774784.0 } };
	size_t r = 0;
	while (r < sizeof(ranges) / sizeof(*ranges) && ranges[r].dtype != t)
		r++;
	if (r == sizeof(ranges) / sizeof(*ranges))
		return;
	x = isnan(x) ? 0 : fmin(fmax(nearbyint(x), ranges[r].least), ranges[r].most);
	const uint64_t bits = x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
	const size_t bytes = clast_dtype_bytes(t);
	if (bytes == 1)
		((uint8_t *)elements)[i] = (uint8_t)bits;
	else if (bytes == 2)
		((uint16_t *)elements)[i] = (uint16_t)bits;
	else if (bytes == 4)
		((uint32_t *)elements)[i] = (uint32_t)bits;
	else
		((uint64_t *)elements)[i] = bits;
}

void element_put(clast_dtype t, void *elements, size_t i, double x)
{
	const small_float *f = small_format(t);
	if (f && clast_dtype_bytes(t) == 2) {
		((uint16_t *)elements)[i] = (uint16_t)small_encode(f, x);
	} else if (f) {
		((uint8_t *)elements)[i] = (uint8_t)small_encode(f, x);
	} else if (t == CLAST_FLOAT32) {
		((float *)elements)[i] = (float)x;
	} else if (t == CLAST_FLOAT64) {
		((double *)elements)[i] = x;
	} else if (t == CLAST_COMPLEX64) {
		((float *)elements)[2 * i] = (float)x;
		((float *)elements)[2 * i + 1] = 0;
	} else if (t == CLAST_COMPLEX128) {
		((double *)elements)[2 * i] = x;
		((double *)elements)[2 * i + 1] = 0;
	} else if (t == CLAST_FLOAT8E8M0) {
		((uint8_t *)elements)[i] =
			isnan(x) || x < 0 ? 255 : (uint8_t)fmin(fmax(round(log2(x)) + 127, 0), 254);
	} else {
		put_integer(t, elements, i, x);
	}
}

bool dtype_is_floating(clast_dtype t)
{
	return t == CLAST_FLOAT32 || t == CLAST_FLOAT64 || t == CLAST_FLOAT8E8M0 || small_format(t);
}

bool dtype_is_complex_number(clast_dtype t)
{
	return t == CLAST_COMPLEX64 || t == CLAST_COMPLEX128;
}

/* ---- Tensors ---- */

static bool row_major(const clast_tensor *t)
{
	const int64_t *dims = clast_tensor_dims(t), *strides = clast_tensor_strides(t);
	int64_t stride = 1;
	for (size_t a = clast_tensor_rank(t); a-- > 0; stride *= dims[a])
		if (dims[a] != 1 && strides[a] != stride)
			return false;
	return true;
}

const void *elements_of(const clast_tensor *t, void **copy)
{
	static const uint64_t none;
	*copy = NULL;
	const size_t bytes = clast_tensor_count(t) * clast_dtype_bytes(clast_tensor_dtype(t));
	if (!bytes)
		return &none;
	if (row_major(t))
		return clast_tensor_data(t);
	*copy = malloc(bytes);
	if (*copy && clast_tensor_read(t, *copy, bytes)) {
		free(*copy);
		*copy = NULL;
	}
	return *copy;
}

void shape_text(size_t rank, const int64_t *dims, char *text, size_t size)
{
	size_t n = 0;
	if (!rank)
		snprintf(text, size, "scalar");
	for (size_t a = 0; a < rank && n < size; a++) {
		const int written = snprintf(text + n, size - n, "%s%lld", a ? "x" : "", (long long)dims[a]);
		n += written > 0 ? (size_t)written : 0;
	}
}
