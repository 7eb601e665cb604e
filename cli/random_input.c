#include "random_input.h"

#include <stdlib.h>

#include "elements.h"

/* SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t random_bits(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static clast_status empty_strings(size_t rank, const int64_t *dims, file_tensor *out, problem *p)
{
	size_t count = 1;
	for (size_t a = 0; a < rank; a++)
		if (__builtin_mul_overflow(count, (size_t)dims[a], &count))
			return problem_set(p, CLAST_ERROR_LIMIT, NULL, "the size of an input overflows");
	void *memory = calloc(count + 1, sizeof(clast_string));
	return memory ? file_tensor_strings(rank, dims, memory, out, p)
		      : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
}

clast_status random_input(const clast_value_info *v, uint64_t seed, file_tensor *out, bool *guessed,
			  problem *p)
{
	int64_t dims[CLAST_MAX_RANK];
	uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d);
	*out = (file_tensor){ 0 };
	*guessed = false;
	if (v->rank < 0 || !v->dtype)
		return problem_set(
			p, CLAST_ERROR_ARGUMENT, NULL,
			"the model does not declare dtype and rank of the input \"%s\": give --input",
			v->name);
	for (int a = 0; a < v->rank; a++) {
		dims[a] = v->dims[a] >= 0 ? v->dims[a] : v->rank == 4 && a >= 2 ? 224 : 1;
		*guessed |= v->dims[a] < 0;
	}
	if (v->dtype == CLAST_STRING)
		return empty_strings((size_t)v->rank, dims, out, p);
	const clast_status s =
		clast_tensor_create(v->dtype, (size_t)v->rank, dims, NULL, &out->tensor, &p->diag);
	const size_t count = s ? 0 : clast_tensor_count(out->tensor);
	for (size_t i = 0; i < count; i++) {
		const uint64_t bits = random_bits(&state);
		const bool real = dtype_is_floating(v->dtype) || dtype_is_complex_number(v->dtype);
		element_put(v->dtype, clast_tensor_data(out->tensor), i,
			    real ? (double)(bits >> 11) * 0x1p-53 : bits >> 63);
	}
	return s;
}
