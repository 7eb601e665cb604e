#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dim.h"
#include "failing.h"

static uint64_t state = 1;

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static int64_t random_in(int64_t lo, int64_t hi)
{
	return lo + (int64_t)(next_random() % (uint64_t)(hi - lo + 1));
}

static mem memory;
static dim_table *t;

static void setup(void)
{
	mem_init(&memory, NULL, 0);
	t = dim_table_create(&memory);
}

static void teardown(void)
{
	dim_table_free(&t);
	cr_assert_null(t);
	cr_assert_eq(memory.used_bytes, 0);
}

TestSuite(dim, .init = setup, .fini = teardown);

static const char *text(dim d)
{
	static char buffer[4][512];
	static int at;
	at = (at + 1) % 4;
	dim_format(t, d, buffer[at], sizeof(buffer[at]));
	return buffer[at];
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b && (a < 0) != (b < 0));
}

/* ---- Random expressions, computed beside on numbers for several values of the symbols ---- */

enum { SYMBOLS = 6, SAMPLES = 12, POOL = 40 };

static const int64_t ranges[SYMBOLS][2] = { { 1, 9 }, { 1, 7 }, { 0, 5 }, { -4, 4 }, { 2, 6 }, { 3, 3 } };

/* An expression and its values; valid is false where the direct computation divided by 0. */
typedef struct sample {
	dim d;
	int64_t value[SAMPLES];
	bool valid[SAMPLES];
} sample;

static int64_t symbol_values[SAMPLES][4096];

static void complete_all(void)
{
	cr_assert_leq(dim_symbol_count(t), 4096);
	for (int s = 0; s < SAMPLES; s++) {
		for (size_t i = SYMBOLS; i < dim_symbol_count(t); i++)
			symbol_values[s][i] = DIM_UNKNOWN;
		dim_complete(t, symbol_values[s]);
	}
}

static sample symbol_sample(int i)
{
	static const char *const names[SYMBOLS] = { "a", "b", "c", "d", "e", "f" };
	sample r = { .d = dim_symbol(t, names[i], ranges[i][0], ranges[i][1]) };
	for (int s = 0; s < SAMPLES; s++) {
		r.value[s] = symbol_values[s][i] = random_in(ranges[i][0], ranges[i][1]);
		r.valid[s] = true;
	}
	return r;
}

static sample number_sample(int64_t n)
{
	sample r = { .d = n };
	for (int s = 0; s < SAMPLES; s++) {
		r.value[s] = n;
		r.valid[s] = true;
	}
	return r;
}

enum { ADD, SUB, MUL, FLOOR, CEIL, MOD, MIN, MAX, NEG, OPERATIONS };

static dim apply(int op, dim_table *table, dim a, dim b)
{
	switch (op) {
	case ADD:
		return dim_add(table, a, b);
	case SUB:
		return dim_sub(table, a, b);
	case MUL:
		return dim_mul(table, a, b);
	case FLOOR:
		return dim_floor_div(table, a, b);
	case CEIL:
		return dim_ceil_div(table, a, b);
	case MOD:
		return dim_mod(table, a, b);
	case MIN:
		return dim_min(table, a, b);
	case MAX:
		return dim_max(table, a, b);
	default:
		return dim_neg(table, a);
	}
}

static bool direct(int op, int64_t a, int64_t b, int64_t *r)
{
	if ((op == FLOOR || op == CEIL || op == MOD) && !b)
		return false;
	switch (op) {
	case ADD:
		*r = a + b;
		break;
	case SUB:
		*r = a - b;
		break;
	case MUL:
		*r = a * b;
		break;
	case FLOOR:
		*r = floor_div(a, b);
		break;
	case CEIL:
		*r = -floor_div(-a, b);
		break;
	case MOD:
		*r = a - b * floor_div(a, b);
		break;
	case MIN:
		*r = a < b ? a : b;
		break;
	case MAX:
		*r = a > b ? a : b;
		break;
	default:
		*r = -a;
	}
	return true;
}

/* Small, and worth a number for most samples: fit to be part of further expressions. */
static bool fit(const sample *x)
{
	int valid = 0;
	for (int s = 0; s < SAMPLES; s++) {
		valid += x->valid[s];
		if (x->valid[s] && (x->value[s] > 5000 || x->value[s] < -5000))
			return false;
	}
	return x->d != DIM_ERROR && valid > SAMPLES / 2;
}

static sample combine(int op, const sample *a, const sample *b)
{
	sample r = { .d = apply(op, t, a->d, b->d) };
	for (int s = 0; s < SAMPLES; s++)
		r.valid[s] = a->valid[s] && b->valid[s] && direct(op, a->value[s], b->value[s], &r.value[s]);
	return r;
}

/* The value, the range and the divisor are right for each sample; returns how many were compared. */
static int check_sample(const sample *x)
{
	int64_t lo, hi;
	int compared = 0;
	if (x->d == DIM_ERROR) {
		/* Only where the divisor is the number 0. */
		for (int s = 0; s < SAMPLES; s++)
			cr_assert_not(x->valid[s]);
		return 0;
	}
	cr_assert(dim_range(t, x->d, &lo, &hi));
	const int64_t divisor = dim_divisor(t, x->d);
	for (int s = 0; s < SAMPLES; s++) {
		if (!x->valid[s])
			continue;
		int64_t value = 0;
		cr_assert_eq(dim_eval(t, x->d, symbol_values[s], &value), CLAST_OK, "%s", text(x->d));
		cr_assert_eq(value, x->value[s], "%s is %ld, not %ld", text(x->d), (long)value,
			     (long)x->value[s]);
		cr_assert(lo <= value && value <= hi, "%s: %ld outside [%ld, %ld]", text(x->d), (long)value,
			  (long)lo, (long)hi);
		cr_assert(divisor ? value % divisor == 0 : value == 0, "%s: %ld %% %ld", text(x->d),
			  (long)value, (long)divisor);
		compared++;
	}
	return compared;
}

static void check_relations(const sample *a, const sample *b)
{
	const bool less = dim_known_less(t, a->d, b->d), le = dim_known_le(t, a->d, b->d);
	dim q;
	const bool divides = dim_divide(t, a->d, b->d, &q);
	cr_assert(le || !less);
	if (a->d != DIM_ERROR)
		cr_assert(dim_known_le(t, a->d, a->d));
	complete_all();
	for (int s = 0; s < SAMPLES; s++) {
		if (!a->valid[s] || !b->valid[s])
			continue;
		cr_assert(!less || a->value[s] < b->value[s], "%s < %s", text(a->d), text(b->d));
		cr_assert(!le || a->value[s] <= b->value[s], "%s <= %s", text(a->d), text(b->d));
		int64_t quotient;
		if (!divides)
			continue;
		cr_assert_eq(dim_eval(t, q, symbol_values[s], &quotient), CLAST_OK);
		cr_assert_eq(quotient * b->value[s], a->value[s], "%s / %s = %s", text(a->d), text(b->d),
			     text(q));
	}
}

static void random_table(uint64_t seed)
{
	state = seed;
	setup();
	sample pool[POOL];
	int compared = 0;
	for (int i = 0; i < SYMBOLS; i++)
		pool[i] = symbol_sample(i);
	for (int i = SYMBOLS; i < POOL; i++)
		pool[i] = number_sample(random_in(-6, 9));
	for (int step = 0; step < 300; step++) {
		const sample a = pool[random_in(0, POOL - 1)], b = pool[random_in(0, POOL - 1)];
		const sample r = combine((int)random_in(0, OPERATIONS - 1), &a, &b);
		complete_all();
		compared += check_sample(&r);
		check_relations(&a, &b);
		if (fit(&r))
			pool[random_in(SYMBOLS, POOL - 1)] = r;
	}
	cr_assert_gt(compared, 1000);
	teardown();
}

Test(dim_random, expressions_are_worth_what_arithmetic_gives)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		random_table(seed);
}

/* ---- Equal polynomials ---- */

/* A polynomial as coefficients of the monomials x^i y^j z^k with i, j, k < 4. */
typedef struct cube {
	int64_t at[4][4][4];
} cube;

static dim power(dim x, int n)
{
	dim r = 1;
	while (n--)
		r = dim_mul(t, r, x);
	return r;
}

/* Adds up the monomials, starting anywhere and striding by an odd number. */
static dim sum_of(const cube *c, const dim *x)
{
	dim r = 0;
	const int start = (int)random_in(0, 63), stride = (int)random_in(0, 31) * 2 + 1;
	for (int n = 0; n < 64; n++) {
		const int at = (start + n * stride) % 64, i = at / 16, j = at / 4 % 4, k = at % 4;
		if (!c->at[i][j][k])
			continue;
		dim m = dim_mul(t, power(x[2], k), dim_mul(t, power(x[0], i), power(x[1], j)));
		r = dim_add(t, r, dim_mul(t, m, c->at[i][j][k]));
	}
	return r;
}

/* By Horner's scheme in a variable of choice. */
static dim horner(const cube *c, const dim *x, int variable)
{
	dim r = 0;
	for (int n = 3; n >= 0; n--) {
		cube slice = { 0 };
		for (int i = 0; i < 4; i++)
			for (int j = 0; j < 4; j++) {
				if (variable == 0)
					slice.at[0][i][j] = c->at[n][i][j];
				else if (variable == 1)
					slice.at[i][0][j] = c->at[i][n][j];
				else
					slice.at[i][j][0] = c->at[i][j][n];
			}
		r = dim_add(t, dim_mul(t, r, x[variable]), sum_of(&slice, x));
	}
	return r;
}

Test(dim, equal_polynomials_have_equal_ids)
{
	const dim x[] = { dim_symbol(t, "x", 0, 100), dim_symbol(t, "y", -5, 100), dim_symbol(t, "z", 1, 3) };
	for (int round = 0; round < 300; round++) {
		cube c = { 0 };
		for (int64_t n = random_in(1, 12); n > 0; n--)
			c.at[random_in(0, 3)][random_in(0, 3)][random_in(0, 3)] = random_in(-9, 9);
		const dim d = sum_of(&c, x);
		cr_assert_eq(sum_of(&c, x), d, "%s", text(d));
		for (int variable = 0; variable < 3; variable++)
			cr_assert_eq(horner(&c, x, variable), d, "%s", text(d));
		cr_assert_eq(dim_sub(t, d, d), 0);
		cr_assert_eq(dim_neg(t, dim_neg(t, d)), d);
		cube other = c;
		other.at[1][1][1] += 1;
		cr_assert_neq(sum_of(&other, x), d);
	}
}

/* a * b for polynomials of few terms; the coefficients of b are positive. */
static dim random_product(const dim x[3], dim *a, dim *b)
{
	cube c = { 0 }, f = { 0 };
	for (int n = 0; n < 3; n++) {
		c.at[random_in(0, 1)][random_in(0, 1)][random_in(0, 1)] = random_in(-9, 9);
		f.at[random_in(0, 2)][random_in(0, 1)][random_in(0, 1)] = random_in(1, 9);
	}
	*a = sum_of(&c, x);
	*b = sum_of(&f, x);
	return dim_mul(t, *a, *b);
}

Test(dim, a_product_divided_by_a_factor_is_the_other_factor)
{
	const dim x[] = { dim_symbol(t, "x", 1, 100), dim_symbol(t, "y", 1, 100), dim_symbol(t, "z", 1, 3) };
	for (int round = 0; round < 300; round++) {
		dim a, b, q = 0;
		const dim product = random_product(x, &a, &b);
		cr_assert(dim_divide(t, product, b, &q), "(%s) / (%s)", text(product), text(b));
		cr_assert_eq(q, a);
		cr_assert_eq(dim_floor_div(t, product, b), a);
		cr_assert_eq(dim_ceil_div(t, product, b), a);
		cr_assert_eq(dim_mod(t, product, b), 0);
	}
}

Test(dim, a_product_of_extents_is_divided_by_a_factor_that_may_be_zero)
{
	const dim x[] = { dim_symbol(t, "x", 0, 100), dim_floor_div(t, dim_symbol(t, "y", 0, 100), 2), dim_symbol(t, "z", 0, 3) };
	for (int round = 0; round < 300; round++) {
		dim a, b, q = 0;
		const dim product = random_product(x, &a, &b);
		cr_assert(dim_divide_extents(t, product, b, &q), "(%s) / (%s)", text(product), text(b));
		cr_assert_eq(q, a);
		if (!dim_is_number(b))
			cr_assert_not(dim_divide_extents(t, dim_add(t, product, 1), b, &q), "(%s) / (%s)", text(product), text(b));
	}
}

/* ---- Rules one by one ---- */

#define CHECK_TEXT(d, expected) cr_assert_str_eq(text(d), expected)

Test(dim, floor_divisions_have_a_normal_form)
{
	const dim x = dim_symbol(t, "x", 0, INT64_MAX), y = dim_symbol(t, "y", 1, 100);
	const dim z = dim_symbol(t, "z", 0, 9);
	cr_assert_eq(dim_floor_div(t, dim_mul(t, 2, x), 2), x);
	cr_assert_eq(dim_floor_div(t, dim_mul(t, x, y), y), x);
	cr_assert_neq(dim_floor_div(t, dim_mul(t, x, z), z), x); /* z may be 0 */
	cr_assert_eq(dim_floor_div(t, x, 1), x);
	cr_assert_eq(dim_floor_div(t, x, -1), dim_neg(t, x));
	cr_assert_eq(dim_floor_div(t, dim_floor_div(t, x, 2), 3), dim_floor_div(t, x, 6));
	cr_assert_eq(dim_floor_div(t, dim_add(t, dim_mul(t, 6, x), 13), 6), dim_add(t, x, 2));
	cr_assert_eq(dim_floor_div(t, dim_add(t, dim_mul(t, 4, x), 2), 6),
		     dim_floor_div(t, dim_add(t, dim_mul(t, 2, x), 1), 3));
	cr_assert_eq(dim_ceil_div(t, x, 4), dim_floor_div(t, dim_add(t, x, 3), 4));
	cr_assert_eq(dim_floor_div(t, z, 10), 0);
	cr_assert_eq(dim_floor_div(t, dim_sub(t, y, 101), y), dim_add(t, 1, dim_floor_div(t, -101, y)));
	cr_assert_eq(dim_floor_div(t, dim_neg(t, x), dim_neg(t, y)), dim_floor_div(t, x, y));
	cr_assert_eq(dim_floor_div(t, dim_mul(t, dim_mul(t, x, y), 6), dim_mul(t, y, 4)),
		     dim_floor_div(t, dim_mul(t, 3, x), 2));
	cr_assert_eq(dim_floor_div(t, x, 0), DIM_ERROR);
	cr_assert_eq(dim_mod(t, x, 0), DIM_ERROR);
	cr_assert_eq(dim_mod(t, dim_add(t, z, dim_mul(t, x, 10)), 10), z);
}

Test(dim, two_convolutions_of_stride_two_divide_once_by_four)
{
	const dim w = dim_symbol(t, "w", 1, INT64_MAX);
	dim d = w;
	for (int i = 0; i < 2; i++) /* kernel 3, pads 1 and 1 */
		d = dim_add(t, dim_floor_div(t, dim_sub(t, dim_add(t, d, 2), 3), 2), 1);
	CHECK_TEXT(d, "floor((w + 3)/4)");
}

Test(dim, reshapes_that_cancel_give_the_same_dims)
{
	const dim n = dim_symbol(t, "n", 1, INT64_MAX), h = dim_symbol(t, "h", 1, INT64_MAX);
	const dim c = dim_symbol(t, "c", 1, INT64_MAX);
	const dim all = dim_product(t, 4, (dim[]){ n, 64, h, c });
	cr_assert_eq(dim_floor_div(t, all, dim_product(t, 3, (dim[]){ n, c, 8 })), dim_mul(t, 8, h));
	dim q;
	cr_assert_not(dim_divide(t, all, 128, &q));
	cr_assert(dim_divide(t, dim_mul(t, all, dim_add(t, h, 1)), dim_add(t, h, 1), &q));
	cr_assert_eq(q, all);
	cr_assert_eq(dim_divisor(t, all), 64);
}

Test(dim, divisibility_of_what_cannot_be_taken_apart)
{
	const dim x = dim_symbol(t, "x", 1, 1000);
	const dim padded = dim_mul(t, 8, dim_ceil_div(t, x, 8)), m = dim_max(t, padded, 16);
	cr_assert_eq(dim_divisor(t, padded), 8);
	cr_assert_eq(dim_divisor(t, m), 8);
	dim q;
	cr_assert(dim_divide(t, m, 4, &q));
	cr_assert_eq(dim_divisor(t, q), 2);
	cr_assert_not(dim_divide(t, m, 16, &q));
	cr_assert(dim_known_le(t, x, padded));
	cr_assert(dim_known_less(t, padded, dim_add(t, x, 8)));
	cr_assert_not(dim_known_less(t, padded, dim_add(t, x, 7)));
}

Test(dim, minimum_and_maximum)
{
	const dim x = dim_symbol(t, "x", 1, 10), y = dim_symbol(t, "y", 1, 10),
		  z = dim_symbol(t, "z", 20, 30);
	cr_assert_eq(dim_max(t, x, y), dim_max(t, y, x));
	cr_assert_eq(dim_max(t, dim_max(t, x, y), z), z);
	cr_assert_eq(dim_min(t, dim_min(t, y, z), x), dim_min(t, x, y));
	cr_assert_eq(dim_max(t, x, dim_add(t, x, y)), dim_add(t, x, y));
	cr_assert_eq(dim_max(t, dim_max(t, x, 5), dim_max(t, 7, y)), dim_max(t, dim_max(t, x, y), 7));
	cr_assert_eq(dim_max(t, dim_max(t, x, y), x), dim_max(t, x, y));
	cr_assert_eq(dim_min(t, dim_max(t, x, y), x), x);
	cr_assert_eq(dim_max(t, x, 0), x);
	cr_assert_eq(dim_min(t, x, 11), x);
}

Test(dim, broadcasting)
{
	const dim x = dim_symbol(t, "x", 1, 10), y = dim_symbol(t, "y", 1, 10),
		  z = dim_symbol(t, "z", 20, 30);
	bool impossible = false;
	cr_assert_eq(dim_broadcast(t, 1, x, &impossible), x);
	cr_assert_eq(dim_broadcast(t, x, 1, &impossible), x);
	cr_assert_eq(dim_broadcast(t, x, x, &impossible), x);
	cr_assert_eq(dim_broadcast(t, x, 7, &impossible), 7);
	cr_assert_eq(dim_broadcast(t, x, 0, &impossible), 0);
	cr_assert_eq(dim_broadcast(t, x, y, &impossible), dim_max(t, x, y));
	cr_assert_eq(dim_broadcast(t, x, z, &impossible), z);
	cr_assert_eq(dim_broadcast(NULL, 4, 4, &impossible), 4);
	cr_assert_eq(dim_broadcast(NULL, DIM_UNKNOWN, 4, &impossible), DIM_UNKNOWN);
	cr_assert_not(impossible);
	dim_broadcast(NULL, 4, 5, &impossible);
	cr_assert(impossible);
	impossible = false;
	dim_broadcast(t, z, 5, &impossible);
	cr_assert(impossible);
	impossible = false;
	dim_broadcast(NULL, 0, 5, &impossible);
	cr_assert(impossible);
	impossible = false;
	cr_assert_eq(dim_broadcast(NULL, 0, 1, &impossible), 0);
	cr_assert_not(impossible);
}

Test(dim, symbols_are_found_by_name_and_fresh_ones_are_not)
{
	const dim x = dim_symbol(t, "x", 0, 100);
	cr_assert_eq(dim_symbol(t, "x", 5, 200), x);
	int64_t lo, hi;
	cr_assert(dim_range(t, x, &lo, &hi));
	cr_assert(lo == 5 && hi == 100);
	cr_assert_eq(dim_symbol(t, "x", 300, 400), x); /* contradicts: ignored */
	cr_assert(dim_range(t, x, &lo, &hi) && lo == 5 && hi == 100);
	const dim a = dim_fresh(t, "nonzero", 0, INT64_MAX), b = dim_fresh(t, "nonzero", 0, INT64_MAX);
	cr_assert_neq(a, b);
	cr_assert_str_eq(dim_symbol_name(t, 1), "nonzero#1");
	cr_assert_eq(dim_symbol_count(t), 3);
	cr_assert_eq(dim_symbol_at(t, 0), x);
	cr_assert_eq(dim_symbol_at(t, 2), b);
	cr_assert_eq(dim_symbol(NULL, "x", 0, 1), DIM_UNKNOWN);
	cr_assert_eq(dim_fresh(NULL, "x", 0, 1), DIM_UNKNOWN);
	int64_t out;
	cr_assert_eq(dim_eval(t, dim_add(t, x, a), (int64_t[]){ 7, DIM_UNKNOWN, 1 }, &out), CLAST_ERROR_DATA);
	cr_assert_eq(dim_eval(t, dim_add(t, x, b), (int64_t[]){ 7, DIM_UNKNOWN, 1 }, &out), CLAST_OK);
	cr_assert_eq(out, 8);
}

Test(dim, text)
{
	const dim h = dim_symbol(t, "h", 1, 100), w = dim_symbol(t, "w", 1, 100),
		  evil = dim_symbol(t, "\n\x1b[m", 0, 1);
	CHECK_TEXT(-12, "-12");
	CHECK_TEXT(DIM_UNKNOWN, "?");
	CHECK_TEXT(DIM_ERROR, "error");
	CHECK_TEXT(evil, "\\x0a\\x1b[m");
	CHECK_TEXT(dim_sub(t, dim_add(t, dim_mul(t, 2, h), dim_floor_div(t, w, 2)), 1),
		   "2*h + floor(w/2) - 1");
	CHECK_TEXT(dim_sub(t, 3, dim_mul(t, h, w)), "-h*w + 3");
	CHECK_TEXT(dim_floor_div(t, dim_add(t, h, 1), dim_mul(t, h, w)), "floor((h + 1)/(h*w))");
	CHECK_TEXT(dim_min(t, h, dim_mul(t, 3, w)), "min(h, 3*w)");
	char small[6];
	const dim sum = dim_add(t, h, w);
	cr_assert_eq(dim_format(t, sum, small, sizeof(small)), 5);
	cr_assert_str_eq(small, "h + w");
	cr_assert_eq(dim_format(t, sum, small, 3), 5);
	cr_assert_str_eq(small, "h ");
	cr_assert_eq(dim_format(t, sum, NULL, 0), 5);
}

/* ---- Numbers, errors, limits ---- */

Test(dim, numeric_mode_is_plain_arithmetic)
{
	for (int i = 0; i < 20000; i++) {
		const int op = (int)random_in(0, OPERATIONS - 1);
		const int64_t a = random_in(-30, 30), b = random_in(-7, 7);
		int64_t expected = DIM_ERROR;
		direct(op, a, b, &expected);
		cr_assert_eq(apply(op, NULL, a, b), expected, "%d: %d %d", op, (int)a, (int)b);
		dim q = 99;
		const bool divides = b && a % b == 0;
		cr_assert_eq(dim_divide(NULL, a, b, &q), divides);
		cr_assert_eq(q, divides ? a / b : 99);
		cr_assert_eq(dim_known_less(NULL, a, b), a < b);
		cr_assert_eq(dim_known_le(NULL, a, b), a <= b);
	}
	cr_assert_eq(dim_product(NULL, 0, NULL), 1);
	cr_assert_eq(dim_product(NULL, 3, (dim[]){ 2, 3, 4 }), 24);
}

Test(dim, errors_win_over_unknowns_and_both_stay)
{
	const dim x = dim_symbol(t, "x", 0, 10), values[] = { 3, x };
	for (int op = 0; op < NEG; op++)
		for (int i = 0; i < 2; i++) {
			cr_assert_eq(apply(op, t, DIM_UNKNOWN, values[i]), DIM_UNKNOWN);
			cr_assert_eq(apply(op, t, values[i], DIM_UNKNOWN), DIM_UNKNOWN);
			cr_assert_eq(apply(op, t, DIM_ERROR, values[i]), DIM_ERROR);
			cr_assert_eq(apply(op, t, values[i], DIM_ERROR), DIM_ERROR);
			cr_assert_eq(apply(op, t, DIM_UNKNOWN, DIM_ERROR), DIM_ERROR);
			cr_assert_eq(apply(op, t, DIM_ERROR, DIM_UNKNOWN), DIM_ERROR);
		}
	cr_assert_eq(dim_neg(t, DIM_UNKNOWN), DIM_UNKNOWN);
	cr_assert_eq(dim_neg(t, DIM_ERROR), DIM_ERROR);
	int64_t lo, hi;
	dim q;
	cr_assert_not(dim_range(t, DIM_UNKNOWN, &lo, &hi));
	cr_assert_not(dim_known_le(t, DIM_UNKNOWN, DIM_UNKNOWN));
	cr_assert_not(dim_divide(t, DIM_UNKNOWN, 1, &q));
}

Test(dim, overflow_is_an_error)
{
	const dim x = dim_symbol(t, "x", 1, INT64_MAX), big = INT64_MAX;
	cr_assert_eq(dim_add(NULL, big, 1), DIM_ERROR);
	cr_assert_eq(dim_sub(NULL, -2, big), DIM_ERROR); /* would look like an id */
	cr_assert_eq(dim_mul(NULL, (int64_t)1 << 40, (int64_t)1 << 40), DIM_ERROR);
	cr_assert_eq(dim_mul(NULL, INT64_MIN / 2, 2), DIM_ERROR);
	cr_assert_eq(dim_add(t, dim_add(t, x, big), 1), DIM_ERROR);
	cr_assert_eq(dim_mul(t, dim_mul(t, x, big), 2), DIM_ERROR);
	const dim scaled = dim_mul(t, x, (int64_t)1 << 62);
	cr_assert_neq(scaled, DIM_ERROR);
	int64_t lo, hi, out;
	cr_assert(dim_range(t, scaled, &lo, &hi));
	cr_assert(lo == (int64_t)1 << 62 && hi == INT64_MAX);
	cr_assert_eq(dim_eval(t, scaled, (int64_t[]){ 2 }, &out), CLAST_ERROR_DATA);
	cr_assert_eq(dim_eval(t, scaled, (int64_t[]){ 1 }, &out), CLAST_OK);
	const dim y = dim_symbol(t, "y", 0, 5), ratio = dim_floor_div(t, x, y);
	cr_assert_eq(dim_eval(t, ratio, (int64_t[]){ 1, 0 }, &out), CLAST_ERROR_DATA);
}

/* Extremes of int64 in every place: nothing overflows on the way (the sanitizer watches), and bounds hold. */
Test(dim, extreme_ranges_and_coefficients)
{
	const int64_t extreme[] = { DIM_END_ID,    DIM_END_ID + 1, INT64_MIN / 2, -3,       -1, 0, 1, 2, 3, 7,
				    INT64_MAX / 3, INT64_MAX / 2,  INT64_MAX - 1, INT64_MAX };
	enum { N = sizeof(extreme) / sizeof(*extreme) };
	dim pool[100];
	for (int i = 0; i < 100; i++) {
		if (i < N) {
			pool[i] = extreme[i];
		} else {
			int64_t a = extreme[random_in(0, N - 1)], b = extreme[random_in(0, N - 1)];
			pool[i] = dim_fresh(t, "s", a < b ? a : b, a < b ? b : a);
		}
	}
	for (int step = 0; step < 100000; step++) {
		const dim a = pool[random_in(0, 99)], b = pool[random_in(0, 99)];
		const dim r = apply((int)random_in(0, OPERATIONS - 1), t, a, b);
		dim q;
		int64_t lo, hi;
		dim_divide(t, a, b, &q);
		dim_known_less(t, a, b);
		if (dim_range(t, r, &lo, &hi)) {
			cr_assert_leq(lo, hi);
			pool[random_in(N + 50, 99)] = r;
		}
	}
}

Test(dim, expressions_that_grow_get_symbols_and_keep_their_value)
{
	dim x[8];
	char name[16];
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		x[i] = dim_symbol(t, name, -2, 2);
	}
	enum { STEPS = 400 };
	static int64_t values[1 << 16];
	int64_t expected = 1;
	for (int i = 0; i < 8; i++)
		values[i] = i % 5 - 2;
	dim d = 1, before = 1;
	int64_t expected_before = 1;
	for (int i = 0; i < STEPS; i++) {
		const dim sum = dim_add(t, dim_mul(t, d, dim_add(t, x[i % 8], x[(i * 5 + 1) % 8])),
					dim_mul(t, before, x[(i * 3) % 8]));
		const int64_t raw = expected * (values[i % 8] + values[(i * 5 + 1) % 8]) +
				    expected_before * values[i * 3 % 8];
		before = d;
		expected_before = expected;
		/* Kept small, so that only the expression grows. */
		d = dim_mod(t, sum, 101);
		expected = raw - 101 * floor_div(raw, 101);
		cr_assert_neq(d, DIM_ERROR, "step %d", i);
	}
	cr_assert_gt(dim_symbol_count(t), 8);
	cr_assert_lt(dim_symbol_count(t), sizeof(values) / sizeof(*values));
	for (size_t i = 8; i < dim_symbol_count(t); i++)
		values[i] = DIM_UNKNOWN;
	dim_complete(t, values);
	int64_t out;
	cr_assert_eq(dim_eval(t, d, values, &out), CLAST_OK);
	cr_assert_eq(out, expected);
}

/* Of this process, so that others do not disturb. */
static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* What a long model does: the table of 8 times the nodes takes about 8 times as long. */
static double time_of_chain(int nodes)
{
	setup();
	const double start = seconds();
	const dim n = dim_symbol(t, "n", 1, INT64_MAX);
	dim d = dim_symbol(t, "w", 1, INT64_MAX);
	for (int i = 0; i < nodes; i++) {
		d = dim_add(t, dim_floor_div(t, dim_add(t, d, i % 7), 1 + i % 3), dim_mul(t, n, i % 5));
		if (i % 10 == 9)
			d = dim_max(t, d, dim_fresh(t, "k", 1, 1000));
		cr_assert_neq(d, DIM_UNKNOWN);
		if (d == DIM_ERROR)
			d = n;
	}
	const double time = seconds() - start;
	teardown();
	return time;
}

Test(dim_time, is_linear_in_the_number_of_operations)
{
	time_of_chain(1000);
	const double short_chain = time_of_chain(5000), long_chain = time_of_chain(40000);
	cr_assert_lt(long_chain, 24 * short_chain + 0.05, "%g s and %g s", short_chain, long_chain);
}

static dim build_under_failure(dim_table *table)
{
	dim d = dim_symbol(table, "x", 1, 100);
	for (int i = 0; i < 60; i++) {
		const dim s = dim_fresh(table, "s", 1, 9);
		d = dim_add(table, dim_mul(table, dim_floor_div(table, d, 1 + i % 4), s),
			    dim_max(table, s, d));
	}
	return d;
}

Test(dim_memory, each_failing_allocation_gives_an_error_and_no_leak)
{
	failing f = { 0 };
	const clast_allocator allocator = failing_allocator(&f);
	mem m;
	mem_init(&m, &allocator, 0);
	dim_table *table = dim_table_create(&m);
	cr_assert_neq(build_under_failure(table), DIM_ERROR);
	dim_table_free(&table);
	const size_t calls = f.calls;
	for (int for_ever = 0; for_ever < 2; for_ever++)
		for (size_t n = 1; n <= calls; n++) {
			f = (failing){ .fail_at = n, .for_ever = for_ever };
			table = dim_table_create(&m);
			if (table) {
				const dim d = build_under_failure(table);
				cr_assert(d == DIM_ERROR, "allocation %zu of %zu", n, calls);
			}
			dim_table_free(&table);
			cr_assert_eq(f.live_bytes, 0);
			cr_assert_eq(m.used_bytes, 0);
		}
}
