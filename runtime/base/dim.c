#include "dim_table.h"

#include <string.h>

#include "checked.h"

/* What an operation gives when one of its operands is no value: an error wins over an unknown. */
static bool poisoned(const dim_table *t, dim a, dim b, dim *result)
{
	const bool a_ok = dim_is_number(a) || (t && dim_is_expr(a)),
		   b_ok = dim_is_number(b) || (t && dim_is_expr(b));
	if (a_ok && b_ok)
		return false;
	*result = (a_ok || a == DIM_UNKNOWN) && (b_ok || b == DIM_UNKNOWN) ? DIM_UNKNOWN : DIM_ERROR;
	return true;
}

static bool numbers(dim a, dim b)
{
	return dim_is_number(a) && dim_is_number(b);
}

/* a + scale * b */
static dim add_scaled(dim_table *t, dim a, dim b, int64_t scale)
{
	dim r;
	if (poisoned(t, a, b, &r))
		return r;
	if (numbers(a, b)) {
		int64_t product, sum;
		return int64_mul(b, scale, &product) && int64_add(a, product, &sum) ? dim_number(sum)
										    : DIM_ERROR;
	}
	dim_poly p, q;
	dim_poly_of(t, a, &p);
	dim_poly_of(t, b, &q);
	return dim_poly_add(&p, &q, scale) ? dim_poly_intern(t, &p) : DIM_ERROR;
}

dim dim_add(dim_table *t, dim a, dim b)
{
	return add_scaled(t, a, b, 1);
}

dim dim_sub(dim_table *t, dim a, dim b)
{
	return add_scaled(t, a, b, -1);
}

dim dim_neg(dim_table *t, dim a)
{
	return add_scaled(t, 0, a, -1);
}

/* ---- Products ---- */

/* The atoms of an atom or product. */
static size_t atoms_of(const dim_table *t, const dim *product, const dim **atoms)
{
	if (dim_at(t, *product)->kind == DIM_PRODUCT) {
		*atoms = dim_words(t, *product);
		return dim_at(t, *product)->word_count;
	}
	*atoms = product;
	return 1;
}

static dim multiply_products(dim_table *t, dim a, dim b)
{
	const dim *x, *y;
	const size_t nx = atoms_of(t, &a, &x), ny = atoms_of(t, &b, &y);
	dim merged[DIM_MAX_DEGREE];
	size_t i = 0, j = 0, n = 0;
	while (i < nx || j < ny)
		merged[n++] = j == ny || (i < nx && x[i] <= y[j]) ? x[i++] : y[j++];
	return dim_intern(t, DIM_PRODUCT, merged, n);
}

/* The product without one occurrence of each atom of `by`; 1 if nothing is left, DIM_UNKNOWN if `by` is no
 * part. */
static dim divide_product(dim_table *t, dim a, dim by)
{
	const dim *x, *y;
	const size_t nx = atoms_of(t, &a, &x), ny = atoms_of(t, &by, &y);
	dim left[DIM_MAX_DEGREE];
	size_t n = 0, j = 0;
	for (size_t i = 0; i < nx; i++) {
		if (j < ny && x[i] == y[j])
			j++;
		else
			left[n++] = x[i];
	}
	if (j < ny)
		return DIM_UNKNOWN;
	return n == 0 ? 1 : n == 1 ? left[0] : dim_intern(t, DIM_PRODUCT, left, n);
}

/* p += coefficient * a * b, where a and b are atoms, products or 1. */
static bool add_product(dim_table *t, dim_poly *p, int64_t coefficient, dim a, dim b)
{
	if (a == 1 && b == 1)
		return int64_add(p->constant, coefficient, &p->constant);
	const dim product = a == 1 ? b : b == 1 ? a : multiply_products(t, a, b);
	return product != DIM_ERROR && dim_poly_add_term(p, coefficient, product);
}

/* r += coefficient * product * q, where product is an atom, a product or 1. */
static bool add_multiple(dim_table *t, dim_poly *r, int64_t coefficient, dim product, const dim_poly *q)
{
	int64_t c;
	if (q->constant && (!int64_mul(q->constant, coefficient, &c) || !add_product(t, r, c, product, 1)))
		return false;
	for (uint32_t i = 0; i < q->count; i++)
		if (!int64_mul(q->terms[i].coefficient, coefficient, &c) ||
		    !add_product(t, r, c, product, q->terms[i].product))
			return false;
	return true;
}

static bool multiply(dim_table *t, const dim_poly *p, const dim_poly *q, dim_poly *r)
{
	r->constant = 0;
	r->count = 0;
	if (p->constant && !add_multiple(t, r, p->constant, 1, q))
		return false;
	for (uint32_t i = 0; i < p->count; i++)
		if (!add_multiple(t, r, p->terms[i].coefficient, p->terms[i].product, q))
			return false;
	return true;
}

static uint32_t term_count(const dim_poly *p)
{
	return p->count + (p->constant != 0);
}

static unsigned degree(const dim_table *t, dim d)
{
	return dim_is_number(d) ? 0 : dim_at(t, d)->degree;
}

dim dim_mul(dim_table *t, dim a, dim b)
{
	dim r;
	if (poisoned(t, a, b, &r))
		return r;
	if (numbers(a, b)) {
		int64_t product;
		return int64_mul(a, b, &product) ? dim_number(product) : DIM_ERROR;
	}
	for (;;) {
		dim_poly p, q, product;
		dim_poly_of(t, a, &p);
		dim_poly_of(t, b, &q);
		/* What would grow too large is first replaced by a symbol: the factor to blame, then maybe
		 * the other. */
		const bool long_ = (size_t)term_count(&p) * term_count(&q) > DIM_MAX_TERMS;
		const bool high = degree(t, a) + degree(t, b) > DIM_MAX_DEGREE;
		if (!long_ && !high)
			return multiply(t, &p, &q, &product) ? dim_poly_intern(t, &product) : DIM_ERROR;
		const bool first = long_ ? p.count >= q.count : degree(t, a) >= degree(t, b);
		dim *larger = first ? &a : &b;
		*larger = dim_named(t, *larger);
		if (*larger == DIM_ERROR)
			return DIM_ERROR;
	}
}

dim dim_product(dim_table *t, size_t n, const dim *dims)
{
	dim product = 1;
	for (size_t i = 0; i < n; i++)
		product = dim_mul(t, product, dims[i]);
	return product;
}

/* ---- Division ---- */

static bool known_nonzero(const dim_table *t, dim d)
{
	const dim_bounds b = dim_bounds_of(t, d);
	return b.lo > 0 || b.hi < 0;
}

/* Whether a comes before b in the graded lexicographic order of monomials (1 is the number 1). */
static bool monomial_less(const dim_table *t, dim a, dim b)
{
	if (a == 1 || b == 1)
		return b != 1;
	const dim *x, *y;
	const size_t nx = atoms_of(t, &a, &x), ny = atoms_of(t, &b, &y);
	if (nx != ny)
		return nx < ny;
	for (size_t i = nx; i-- > 0;)
		if (x[i] != y[i])
			return x[i] < y[i];
	return false;
}

static dim_term leading(const dim_table *t, const dim_poly *p)
{
	dim_term lead = { p->constant, 1 };
	for (uint32_t i = 0; i < p->count; i++)
		if (monomial_less(t, lead.product, p->terms[i].product))
			lead = p->terms[i];
	return lead;
}

/* Polynomial division: true if a = q * b. Gives up where that would take long. */
static bool divide_exactly(dim_table *t, dim_poly a, const dim_poly *b, dim_poly *q)
{
	const dim_term by = leading(t, b);
	*q = (dim_poly){ 0 };
	for (int steps = 0; a.constant || a.count; steps++) {
		const dim_term top = leading(t, &a);
		const dim part = by.product == 1    ? top.product
				 : top.product == 1 ? DIM_UNKNOWN
						    : divide_product(t, top.product, by.product);
		if (steps == DIM_MAX_TERMS || part == DIM_UNKNOWN || part == DIM_ERROR ||
		    (by.coefficient == -1 && top.coefficient == INT64_MIN) ||
		    top.coefficient % by.coefficient || a.count + b->count > 2 * DIM_MAX_TERMS)
			return false;
		/* By the order of monomials no product here exceeds the degree of a. */
		const int64_t c = top.coefficient / by.coefficient;
		if (c == INT64_MIN || !add_product(t, q, c, part, 1) || !add_multiple(t, &a, -c, part, b))
			return false;
	}
	return true;
}

/* The atom floor(a / b), or a number if its bounds leave but one. */
static dim floor_atom(dim_table *t, dim a, dim b)
{
	if (a == DIM_ERROR || b == DIM_ERROR)
		return DIM_ERROR;
	const int64_t words[] = { a, b };
	const dim d = dim_intern(t, DIM_FLOOR, words, 2);
	if (d == DIM_ERROR || !known_nonzero(t, b))
		return d;
	const dim_bounds bounds = dim_bounds_of(t, d);
	return bounds.lo == bounds.hi ? dim_number(bounds.lo) : d;
}

/* floor(p / c) for c > 1, in normal form: whole multiples of c leave the floor, which keeps coefficients and
 * constant in [0, c), common factors cancel, and floor(floor(x / k) / c) = floor(x / (k * c)). */
static dim divide_by_number(dim_table *t, const dim_poly *p, int64_t c)
{
	dim_poly q = { .constant = floor_div64(p->constant, c) }, r = { 0 };
	uint64_t common = (uint64_t)c;
	for (uint32_t i = 0; i < p->count; i++) {
		const dim_term *term = &p->terms[i];
		const int64_t whole = floor_div64(term->coefficient, c),
			      rest = floor_mod64(term->coefficient, c);
		if (whole)
			q.terms[q.count++] = (dim_term){ whole, term->product };
		if (rest)
			r.terms[r.count++] = (dim_term){ rest, term->product };
		common = gcd64(common, (uint64_t)rest);
	}
	if (!r.count)
		return dim_poly_intern(t, &q);
	/* floor((g*x + k) / (g*c)) = floor((x + floor(k/g)) / c) */
	r.constant = floor_mod64(p->constant, c) / (int64_t)common;
	c /= (int64_t)common;
	for (uint32_t i = 0; i < r.count; i++)
		r.terms[i].coefficient /= (int64_t)common;

	const dim_bounds b = dim_poly_bounds(t, &r);
	dim_poly inner = { .constant = 0, .count = 1 };
	const dim first = r.terms[0].product;
	int64_t k, whole;
	if (b.lo != INT64_MIN && b.hi != INT64_MAX && floor_div64(b.lo, c) == floor_div64(b.hi, c)) {
		inner.constant = floor_div64(b.lo, c);
		inner.count = 0;
	} else if (r.count == 1 && r.terms[0].coefficient == 1 && dim_has_kind(t, first, DIM_FLOOR) &&
		   dim_is_number(dim_words(t, first)[1]) && int64_mul(dim_words(t, first)[1], c, &whole) &&
		   int64_mul(dim_words(t, first)[1], r.constant, &k)) {
		const dim merged = dim_floor_div(t, dim_add(t, dim_words(t, first)[0], k), whole);
		if (merged == DIM_ERROR)
			return DIM_ERROR;
		dim_poly_of(t, merged, &inner);
	} else {
		const dim atom = floor_atom(t, dim_poly_intern(t, &r), c);
		if (atom == DIM_ERROR)
			return DIM_ERROR;
		dim_poly_of(t, atom, &inner);
	}
	return dim_poly_add(&q, &inner, 1) ? dim_poly_intern(t, &q) : DIM_ERROR;
}

/* Removes from a and b the integer and the non-zero atoms that divide all of their terms. b has one term. */
static bool cancel(dim_table *t, dim_poly *a, dim_poly *b)
{
	uint64_t common = gcd64(magnitude64(a->constant), magnitude64(b->terms[0].coefficient));
	for (uint32_t i = 0; i < a->count; i++)
		common = gcd64(common, magnitude64(a->terms[i].coefficient));
	if (common > 1 && common <= INT64_MAX) {
		const int64_t g = (int64_t)common;
		a->constant /= g;
		b->terms[0].coefficient /= g;
		for (uint32_t i = 0; i < a->count; i++)
			a->terms[i].coefficient /= g;
	}
	if (a->constant)
		return common > 1;
	bool changed = common > 1;
	dim atoms[DIM_MAX_DEGREE];
	const dim *found;
	const size_t n = atoms_of(t, &b->terms[0].product, &found);
	memcpy(atoms, found, n * sizeof(*atoms));
	for (size_t i = 0; i < n && b->count; i++) {
		dim_poly rest = { 0 }, by = { .count = 1, .terms = { { 1, atoms[i] } } };
		if (!known_nonzero(t, atoms[i]) || !divide_exactly(t, *a, &by, &rest))
			continue;
		*a = rest;
		rest = *b;
		divide_exactly(t, rest, &by, b);
		changed = true;
	}
	return changed;
}

/* floor(a / b) for b of one term, known not to be 0: terms of a that are multiples of b leave the floor. */
static dim divide_by_term(dim_table *t, const dim_poly *a, const dim_poly *by)
{
	dim_poly q = { 0 }, r = { .constant = a->constant }, b = *by;
	const int64_t c = b.terms[0].coefficient;
	for (uint32_t i = 0; i < a->count; i++) {
		const dim_term *term = &a->terms[i];
		const dim part = divide_product(t, term->product, b.terms[0].product);
		if (part == DIM_ERROR)
			return DIM_ERROR;
		const bool multiple = part != DIM_UNKNOWN;
		const int64_t whole = multiple ? floor_div64(term->coefficient, c) : 0;
		const int64_t rest = multiple ? floor_mod64(term->coefficient, c) : term->coefficient;
		if ((whole && !add_product(t, &q, whole, part, 1)) ||
		    !dim_poly_add_term(&r, rest, term->product))
			return DIM_ERROR;
	}
	dim quotient = 0;
	if (r.constant || r.count) {
		const bool changed = cancel(t, &r, &b);
		const dim dividend = dim_poly_intern(t, &r), divisor = dim_poly_intern(t, &b);
		if (dividend == DIM_ERROR || divisor == DIM_ERROR)
			return DIM_ERROR;
		if (changed)
			quotient = dim_floor_div(t, dividend, divisor);
		else if (dim_bounds_of(t, dividend).lo >= 0 && dim_known_less(t, dividend, divisor))
			quotient = 0;
		else
			quotient = floor_atom(t, dividend, divisor);
	}
	const dim whole = dim_poly_intern(t, &q);
	return dim_add(t, whole, quotient);
}

/* floor(a / b) for an expression b. */
static dim divide_by_expression(dim_table *t, dim a, dim b)
{
	dim_poly p, by, q;
	dim_poly_of(t, a, &p);
	dim_poly_of(t, b, &by);
	/* One sign for the divisor: floor(a / b) = floor(-a / -b). */
	if (by.terms[0].coefficient < 0) {
		dim_poly minus_p = { 0 }, minus_by = { 0 };
		if (!dim_poly_add(&minus_p, &p, -1) || !dim_poly_add(&minus_by, &by, -1))
			return DIM_ERROR;
		p = minus_p;
		by = minus_by;
		a = dim_poly_intern(t, &p);
		b = dim_poly_intern(t, &by);
		if (a == DIM_ERROR || b == DIM_ERROR)
			return DIM_ERROR;
	}
	if (known_nonzero(t, b)) {
		if (divide_exactly(t, p, &by, &q))
			return dim_poly_intern(t, &q);
		if (by.count == 1 && !by.constant)
			return divide_by_term(t, &p, &by);
		if (dim_bounds_of(t, a).lo >= 0 && dim_known_less(t, a, b))
			return 0;
	}
	return floor_atom(t, a, b);
}

dim dim_floor_div(dim_table *t, dim a, dim b)
{
	dim r;
	if (poisoned(t, a, b, &r))
		return r;
	if (b == 0)
		return DIM_ERROR;
	if (numbers(a, b))
		return dim_number(floor_div64(a, b));
	if (!dim_is_number(b))
		return divide_by_expression(t, a, b);
	if (b < 0) {
		a = dim_neg(t, a);
		b = -b;
	}
	if (b == 1 || a == DIM_ERROR)
		return a;
	dim_poly p;
	dim_poly_of(t, a, &p);
	return divide_by_number(t, &p, b);
}

dim dim_ceil_div(dim_table *t, dim a, dim b)
{
	dim q;
	if (dim_divide(t, a, b, &q))
		return q;
	/* For numbers and where the sign of b is unknown; elsewhere in the form that a convolution's extent
	 * has. */
	if (poisoned(t, a, b, &q) || numbers(a, b) || dim_bounds_of(t, b).lo < 1)
		return dim_neg(t, dim_floor_div(t, dim_neg(t, a), b));
	return dim_floor_div(t, dim_add(t, a, dim_sub(t, b, 1)), b);
}

dim dim_mod(dim_table *t, dim a, dim b)
{
	const dim r = dim_sub(t, a, dim_mul(t, b, dim_floor_div(t, a, b)));
	if (!dim_is_expr(r))
		return r;
	const dim_bounds divisor = dim_bounds_of(t, b);
	if (divisor.lo > 0)
		dim_refine(t, r, 0, divisor.hi == DIM_NO_MAX ? DIM_NO_MAX : divisor.hi - 1);
	return r;
}

bool dim_divide(dim_table *t, dim a, dim b, dim *quotient)
{
	dim ignored;
	if (poisoned(t, a, b, &ignored) || !known_nonzero(t, b))
		return false;
	const dim q = dim_floor_div(t, a, b);
	if (q == DIM_ERROR)
		return false;
	const bool divisible = dim_is_number(b) && dim_divisor(t, a) % b == 0;
	if (!divisible && dim_mul(t, q, b) != a)
		return false;
	*quotient = q;
	return true;
}

bool dim_divide_extents(dim_table *t, dim a, dim b, dim *quotient)
{
	dim_poly p, by, q;
	dim ignored;
	if (dim_divide(t, a, b, quotient))
		return true;
	if (poisoned(t, a, b, &ignored) || dim_is_number(b))
		return false;
	dim_poly_of(t, a, &p);
	dim_poly_of(t, b, &by);
	if (!divide_exactly(t, p, &by, &q))
		return false;
	const dim whole = dim_poly_intern(t, &q);
	if (whole == DIM_ERROR)
		return false;
	*quotient = whole;
	return true;
}

/* ---- Order ---- */

/* Lower bound of b - a. */
static int64_t least_difference(dim_table *t, dim a, dim b)
{
	dim_poly p, q;
	dim_poly_of(t, b, &p);
	dim_poly_of(t, a, &q);
	return dim_poly_add(&p, &q, -1) ? dim_poly_bounds(t, &p).lo : DIM_NO_MIN;
}

static bool difference_at_least(dim_table *t, dim a, dim b, int64_t least)
{
	dim ignored;
	if (poisoned(t, a, b, &ignored))
		return false;
	if (numbers(a, b))
		return a <= b - least;
	return least_difference(t, a, b) >= least;
}

bool dim_known_less(dim_table *t, dim a, dim b)
{
	return difference_at_least(t, a, b, 1);
}

bool dim_known_le(dim_table *t, dim a, dim b)
{
	return difference_at_least(t, a, b, 0);
}

/* Puts operands of the same kind in place of one, if there is room; numbers are joined. */
static size_t collect(const dim_table *t, dim_kind kind, dim d, dim *operands, size_t n)
{
	if (dim_has_kind(t, d, kind)) {
		memcpy(operands + n, dim_words(t, d), dim_at(t, d)->word_count * sizeof(dim));
		return n + dim_at(t, d)->word_count;
	}
	operands[n] = d;
	return n + 1;
}

/* Drops the operands that another one makes superfluous and sorts the rest. */
static size_t prune(dim_table *t, dim_kind kind, dim *operands, size_t n)
{
	for (size_t i = 0; i < n;) {
		bool superfluous = false;
		for (size_t j = 0; j < n && !superfluous; j++) {
			const dim less = kind == DIM_MAX ? operands[i] : operands[j];
			const dim more = kind == DIM_MAX ? operands[j] : operands[i];
			superfluous = j != i && dim_known_le(t, less, more);
		}
		if (superfluous)
			operands[i] = operands[--n];
		else
			i++;
	}
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j && operands[j - 1] > operands[j]; j--) {
			const dim swap = operands[j];
			operands[j] = operands[j - 1];
			operands[j - 1] = swap;
		}
	return n;
}

static dim choose(dim_table *t, dim_kind kind, dim a, dim b)
{
	dim r;
	if (poisoned(t, a, b, &r))
		return r;
	if (numbers(a, b))
		return (a > b) == (kind == DIM_MAX) ? a : b;
	dim operands[2 * DIM_MAX_CHOICES];
	size_t n = collect(t, kind, a, operands, 0);
	n = prune(t, kind, operands, collect(t, kind, b, operands, n));
	if (n == 1)
		return operands[0];
	if (n > DIM_MAX_CHOICES) {
		operands[0] = dim_has_kind(t, a, kind) ? dim_named(t, a) : a;
		operands[1] = dim_has_kind(t, b, kind) ? dim_named(t, b) : b;
		if (operands[0] == DIM_ERROR || operands[1] == DIM_ERROR)
			return DIM_ERROR;
		n = prune(t, kind, operands, 2);
	}
	return n == 1 ? operands[0] : dim_intern(t, kind, operands, n);
}

dim dim_min(dim_table *t, dim a, dim b)
{
	return choose(t, DIM_MIN, a, b);
}

dim dim_max(dim_table *t, dim a, dim b)
{
	return choose(t, DIM_MAX, a, b);
}

dim dim_broadcast(dim_table *t, dim a, dim b, bool *impossible)
{
	dim r;
	if (poisoned(t, a, b, &r))
		return r;
	if (a == 1 || a == b)
		return b;
	if (b == 1)
		return a;
	const dim_bounds x = dim_bounds_of(t, a), y = dim_bounds_of(t, b);
	const bool may_be_one = (x.lo <= 1 && x.hi >= 1) || (y.lo <= 1 && y.hi >= 1);
	if (!may_be_one && (x.hi < y.lo || y.hi < x.lo))
		*impossible = true;
	/* A number other than 1 wins: the other axis is 1 or equal. So does an axis that cannot be 1. */
	if (dim_is_number(a) || dim_is_number(b))
		return dim_is_number(a) ? a : b;
	if (x.lo > 1 || y.lo > 1)
		return x.lo > 1 && (y.lo <= 1 || a < b) ? a : b;
	return dim_max(t, a, b);
}

bool dim_range(dim_table *t, dim d, int64_t *lo, int64_t *hi)
{
	if (!dim_is_number(d) && !(t && dim_is_expr(d)))
		return false;
	*lo = dim_is_number(d) ? d : dim_at(t, d)->lo;
	*hi = dim_is_number(d) ? d : dim_at(t, d)->hi;
	return true;
}

int64_t dim_divisor(dim_table *t, dim d)
{
	if (dim_is_number(d))
		return d < 0 ? -d : d;
	return t && dim_is_expr(d) ? dim_at(t, d)->divisor : 1;
}
