#include "dim_table.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"

dim_table *dim_table_create(mem *m)
{
	dim_table *t = mem_calloc(m, sizeof(*t));
	if (!t)
		return NULL;
	t->m = m;
	bump_init(&t->strings, m);
	map_init(&t->names, m);
	index_set_init(&t->set, m);
	return t;
}

void dim_table_free(dim_table **table)
{
	dim_table *t = *table;
	*table = NULL;
	if (!t)
		return;
	bump_release(&t->strings);
	map_release(&t->names);
	index_set_release(&t->set);
	mem_free(t->m, t->entries, t->entry_capacity * sizeof(*t->entries));
	mem_free(t->m, t->words, t->word_capacity * sizeof(*t->words));
	mem_free(t->m, t->symbols, t->symbol_capacity * sizeof(*t->symbols));
	mem_free(t->m, t, sizeof(*t));
}

uint64_t gcd64(uint64_t a, uint64_t b)
{
	while (b) {
		const uint64_t r = a % b;
		a = b;
		b = r;
	}
	return a;
}

/* ---- Bounds. INT64_MIN as lo and INT64_MAX as hi mean none; finite bounds never take these values. ---- */

static int64_t clamp_lo(__int128 x)
{
	return x < INT64_MIN ? INT64_MIN : x >= INT64_MAX ? INT64_MAX - 1 : (int64_t)x;
}

static int64_t clamp_hi(__int128 x)
{
	return x > INT64_MAX ? INT64_MAX : x <= INT64_MIN ? INT64_MIN + 1 : (int64_t)x;
}

/* A product of two bounds; infinity times 0 is 0. Infinite results lie beyond int64. */
static __int128 bound_mul(int64_t a, int64_t b)
{
	const bool infinite = a == INT64_MIN || a == INT64_MAX || b == INT64_MIN || b == INT64_MAX;
	if (!a || !b)
		return 0;
	if (infinite)
		return (__int128)((a < 0) != (b < 0) ? INT64_MIN : INT64_MAX) * 4;
	return (__int128)a * b;
}

static dim_bounds bounds_mul(dim_bounds a, dim_bounds b)
{
	const __int128 corner[] = { bound_mul(a.lo, b.lo), bound_mul(a.lo, b.hi), bound_mul(a.hi, b.lo),
				    bound_mul(a.hi, b.hi) };
	__int128 lo = corner[0], hi = corner[0];
	for (int i = 1; i < 4; i++) {
		lo = corner[i] < lo ? corner[i] : lo;
		hi = corner[i] > hi ? corner[i] : hi;
	}
	return (dim_bounds){ clamp_lo(lo), clamp_hi(hi) };
}

static dim_bounds bounds_add(dim_bounds a, dim_bounds b)
{
	return (dim_bounds){
		a.lo == INT64_MIN || b.lo == INT64_MIN ? INT64_MIN : clamp_lo((__int128)a.lo + b.lo),
		a.hi == INT64_MAX || b.hi == INT64_MAX ? INT64_MAX : clamp_hi((__int128)a.hi + b.hi)
	};
}

/* a / b rounded down for b >= 1, where either may be infinite. */
static int64_t bound_floor_div(int64_t a, int64_t b)
{
	if (a == INT64_MIN || a == INT64_MAX)
		return a;
	return b == INT64_MAX ? -(a < 0) : floor_div64(a, b);
}

static dim_bounds bounds_floor_div(dim_bounds a, dim_bounds b)
{
	if (b.lo >= 1)
		return (dim_bounds){ bound_floor_div(a.lo, a.lo < 0 ? b.lo : b.hi),
				     bound_floor_div(a.hi, a.hi < 0 ? b.hi : b.lo) };
	/* The magnitude of a quotient is at most that of the dividend. */
	if (a.lo == INT64_MIN || a.hi == INT64_MAX)
		return (dim_bounds){ INT64_MIN, INT64_MAX };
	const int64_t most = -a.lo > a.hi ? -a.lo : a.hi;
	return (dim_bounds){ -most, most };
}

dim_bounds dim_bounds_of(const dim_table *t, dim d)
{
	if (dim_is_number(d))
		return (dim_bounds){ clamp_lo(d), clamp_hi(d) };
	return (dim_bounds){ dim_at(t, d)->lo, dim_at(t, d)->hi };
}

static dim_bounds sum_of_bounds(const dim_table *t, const dim_poly *p)
{
	dim_bounds sum = { clamp_lo(p->constant), clamp_hi(p->constant) };
	for (uint32_t i = 0; i < p->count; i++) {
		const int64_t c = p->terms[i].coefficient;
		const dim_bounds scale = { clamp_lo(c), clamp_hi(c) };
		sum = bounds_add(sum, bounds_mul(scale, dim_bounds_of(t, p->terms[i].product)));
	}
	return sum;
}

/* p with `times` multiples of `other` and the constant `extra` in place of term i, if they fit. */
static bool substitute(const dim_table *t, const dim_poly *p, uint32_t i, int64_t times, dim other,
		       int64_t extra, dim_poly *out)
{
	dim_poly q;
	dim_poly_of(t, other, &q);
	if (p->count - 1 + q.count > 2 * DIM_MAX_TERMS)
		return false;
	*out = *p;
	out->count--;
	memmove(out->terms + i, out->terms + i + 1, (out->count - i) * sizeof(*out->terms));
	return dim_poly_add(out, &q, times) && int64_add(out->constant, extra, &out->constant);
}

/* The next sum, below p, that has something simpler in place of term i; `choice` counts what can be put
 * there: m*floor(u/k) >= (m/k)*(u-k+1) for m > 0, and >= (m/k)*u for m < 0, if k divides m; m*max(..) >=
 * m*(any operand) for m > 0, m*min(..) >= m*(any operand) for m < 0. */
static bool lower(const dim_table *t, const dim_poly *p, uint32_t i, uint32_t choice, dim_poly *out)
{
	const int64_t m = p->terms[i].coefficient;
	const dim_entry *e = dim_at(t, p->terms[i].product);
	const int64_t *words = t->words + e->first_word;
	if (e->kind == (m > 0 ? DIM_MAX : DIM_MIN))
		return choice < e->word_count && substitute(t, p, i, m, words[choice], 0, out);
	if (e->kind != DIM_FLOOR || choice || !dim_is_number(words[1]) || words[1] < 1 || m % words[1])
		return false;
	const int64_t k = words[1], times = m / k;
	int64_t extra = 0;
	return (m < 0 || int64_mul(-times, k - 1, &extra)) &&
	       substitute(t, p, i, times, words[0], extra, out);
}

/* A lower bound: replaces terms as long as that makes it no worse, a bounded number of times. */
static int64_t lower_bound(const dim_table *t, const dim_poly *p)
{
	int64_t best = sum_of_bounds(t, p).lo;
	dim_poly current = *p, next;
	int budget = 16;
	for (uint32_t i = 0; i < current.count; i++) {
		for (uint32_t choice = 0; budget && lower(t, &current, i, choice, &next); choice++) {
			budget--;
			const int64_t bound = sum_of_bounds(t, &next).lo;
			if (bound < best)
				continue;
			best = bound;
			current = next;
			i = UINT32_MAX; /* start over: the terms have moved */
			break;
		}
	}
	return best;
}

static bool can_lower(const dim_table *t, const dim_poly *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		const int kind = dim_at(t, p->terms[i].product)->kind;
		if (kind == DIM_FLOOR || kind == DIM_MIN || kind == DIM_MAX)
			return true;
	}
	return false;
}

dim_bounds dim_poly_bounds(const dim_table *t, const dim_poly *p)
{
	dim_bounds b = sum_of_bounds(t, p);
	dim_poly negative = { 0 };
	if (!can_lower(t, p) || !dim_poly_add(&negative, p, -1))
		return b;
	const int64_t lo = lower_bound(t, p), minus_hi = lower_bound(t, &negative);
	b.lo = lo > b.lo ? lo : b.lo;
	if (minus_hi != INT64_MIN && -minus_hi < b.hi)
		b.hi = -minus_hi;
	return b;
}

/* ---- Sums ---- */

void dim_poly_of(const dim_table *t, dim d, dim_poly *p)
{
	p->constant = 0;
	p->count = 0;
	if (dim_is_number(d)) {
		p->constant = d;
	} else if (dim_at(t, d)->kind == DIM_SUM) {
		const int64_t *words = dim_words(t, d);
		p->constant = words[0];
		p->count = dim_at(t, d)->word_count / 2;
		for (uint32_t i = 0; i < p->count; i++)
			p->terms[i] = (dim_term){ words[1 + 2 * i], words[2 + 2 * i] };
	} else {
		p->terms[p->count++] = (dim_term){ 1, d };
	}
}

bool dim_poly_add_term(dim_poly *p, int64_t coefficient, dim product)
{
	uint32_t at = p->count;
	while (at && p->terms[at - 1].product >= product)
		at--;
	dim_term *term = p->terms + at;
	if (at < p->count && term->product == product) {
		if (!int64_add(term->coefficient, coefficient, &term->coefficient))
			return false;
		if (!term->coefficient)
			memmove(term, term + 1, (--p->count - at) * sizeof(*term));
	} else if (coefficient) {
		if (p->count == 2 * DIM_MAX_TERMS)
			return false;
		memmove(term + 1, term, (p->count++ - at) * sizeof(*term));
		*term = (dim_term){ coefficient, product };
	}
	return true;
}

bool dim_poly_add(dim_poly *p, const dim_poly *q, int64_t scale)
{
	int64_t scaled;
	if (!int64_mul(q->constant, scale, &scaled) || !int64_add(p->constant, scaled, &p->constant))
		return false;
	for (uint32_t i = 0; i < q->count; i++)
		if (!int64_mul(q->terms[i].coefficient, scale, &scaled) ||
		    !dim_poly_add_term(p, scaled, q->terms[i].product))
			return false;
	return true;
}

static size_t poly_words(const dim_poly *p, int64_t *words)
{
	size_t n = 0;
	words[n++] = p->constant;
	for (uint32_t i = 0; i < p->count; i++) {
		words[n++] = p->terms[i].coefficient;
		words[n++] = p->terms[i].product;
	}
	return n;
}

dim dim_poly_intern(dim_table *t, const dim_poly *p)
{
	if (!p->count)
		return dim_number(p->constant);
	if (p->count == 1 && p->terms[0].coefficient == 1 && !p->constant)
		return p->terms[0].product;
	int64_t words[1 + 4 * DIM_MAX_TERMS];
	const size_t n = poly_words(p, words);
	return dim_intern(t, DIM_SUM, words, n);
}

/* ---- Entries ---- */

typedef struct lookup {
	const dim_table *t;
	dim_kind kind;
	const int64_t *words;
	size_t count;
} lookup;

static bool same_entry(const void *context, uint32_t index)
{
	const lookup *l = context;
	const dim_entry *e = &l->t->entries[index];
	return e->kind == l->kind && e->word_count == l->count &&
	       !memcmp(l->t->words + e->first_word, l->words, l->count * sizeof(*l->words));
}

static uint64_t hash_entry(const lookup *l)
{
	return hash_bytes(l->words, l->count * sizeof(*l->words)) + l->kind * UINT64_C(0x9e3779b97f4a7c15);
}

static uint32_t leaves_of(const dim_table *t, dim d)
{
	return dim_is_number(d) ? 1 : dim_at(t, d)->leaves;
}

static void describe_product(const dim_table *t, dim_entry *e, const int64_t *words)
{
	dim_bounds b = { 1, 1 };
	e->divisor = 1;
	e->degree = e->word_count;
	for (size_t i = 0; i < e->word_count; i++) {
		b = bounds_mul(b, dim_bounds_of(t, words[i]));
		e->leaves += leaves_of(t, words[i]);
		int64_mul(e->divisor, dim_at(t, words[i])->divisor, &e->divisor);
	}
	e->lo = b.lo;
	e->hi = b.hi;
}

static void describe_sum(const dim_table *t, dim_entry *e, const int64_t *words)
{
	dim_poly p = { .constant = words[0], .count = e->word_count / 2 };
	uint64_t divisor = magnitude64(words[0]);
	for (uint32_t i = 0; i < p.count; i++) {
		const int64_t coefficient = words[1 + 2 * i];
		const dim_entry *term = dim_at(t, words[2 + 2 * i]);
		p.terms[i] = (dim_term){ coefficient, words[2 + 2 * i] };
		uint64_t d = magnitude64(coefficient);
		/* At overflow the coefficient alone is a divisor still. */
		(void)(!__builtin_mul_overflow(d, (uint64_t)term->divisor, &d) ||
		       (d = magnitude64(coefficient)));
		divisor = gcd64(divisor, d);
		e->degree = term->degree > e->degree ? term->degree : e->degree;
		e->leaves += term->leaves;
	}
	e->divisor = divisor <= INT64_MAX ? (int64_t)divisor : 1;
	const dim_bounds b = dim_poly_bounds(t, &p);
	e->lo = b.lo;
	e->hi = b.hi;
}

static void describe_floor(const dim_table *t, dim_entry *e, const int64_t *words)
{
	const dim_bounds b = bounds_floor_div(dim_bounds_of(t, words[0]), dim_bounds_of(t, words[1]));
	e->lo = b.lo;
	e->hi = b.hi;
	e->degree = 1;
	e->leaves = leaves_of(t, words[0]) + leaves_of(t, words[1]);
	e->divisor = 1;
	if (dim_is_number(words[1]) && words[1] && dim_is_expr(words[0]) &&
	    dim_at(t, words[0])->divisor % words[1] == 0)
		e->divisor = (int64_t)magnitude64(dim_at(t, words[0])->divisor / words[1]);
}

static void describe_choice(const dim_table *t, dim_entry *e, const int64_t *words)
{
	const bool max = e->kind == DIM_MAX;
	dim_bounds b = dim_bounds_of(t, words[0]);
	uint64_t divisor = 0;
	for (size_t i = 0; i < e->word_count; i++) {
		const dim_bounds o = dim_bounds_of(t, words[i]);
		b.lo = (o.lo > b.lo) == max ? o.lo : b.lo;
		b.hi = (o.hi > b.hi) == max ? o.hi : b.hi;
		divisor = gcd64(divisor, dim_is_number(words[i]) ? magnitude64(words[i])
								 : (uint64_t)dim_at(t, words[i])->divisor);
		e->leaves += leaves_of(t, words[i]);
	}
	e->lo = b.lo;
	e->hi = b.hi;
	e->degree = 1;
	e->divisor = divisor && divisor <= INT64_MAX ? (int64_t)divisor : 1;
}

static void describe(const dim_table *t, dim_entry *e, const int64_t *words)
{
	switch ((dim_kind)e->kind) {
	case DIM_SYMBOL: /* bounds are the caller's */
		e->degree = 1;
		e->leaves = 1;
		e->divisor = 1;
		break;
	case DIM_PRODUCT:
		describe_product(t, e, words);
		break;
	case DIM_SUM:
		describe_sum(t, e, words);
		break;
	case DIM_FLOOR:
		describe_floor(t, e, words);
		break;
	case DIM_MIN:
	case DIM_MAX:
		describe_choice(t, e, words);
		break;
	}
}

/* Stores a new entry; DIM_ERROR when there is no more room. */
static dim append(dim_table *t, const lookup *l, uint64_t hash)
{
	const size_t ids = (size_t)(DIM_END_ID - DIM_FIRST_ID) - 1;
	if (t->entry_count >= ids ||
	    !grow(t->m, &t->entries, &t->entry_capacity, (size_t)t->entry_count + 1, sizeof(*t->entries)) ||
	    !grow(t->m, &t->words, &t->word_capacity, t->word_count + l->count, sizeof(*t->words)) ||
	    !index_set_add(&t->set, hash, t->entry_count))
		return DIM_ERROR;
	dim_entry *e = &t->entries[t->entry_count];
	*e = (dim_entry){ .kind = (uint8_t)l->kind,
			  .word_count = (uint16_t)l->count,
			  .symbol = INDEX_NONE,
			  .first_word = t->word_count,
			  .lo = DIM_NO_MIN,
			  .hi = DIM_NO_MAX };
	memcpy(t->words + t->word_count, l->words, l->count * sizeof(*l->words));
	describe(t, e, t->words + t->word_count);
	t->word_count += l->count;
	return DIM_FIRST_ID + t->entry_count++;
}

dim dim_intern(dim_table *t, dim_kind kind, const int64_t *words, size_t count)
{
	const lookup l = { t, kind, words, count };
	const uint64_t hash = hash_entry(&l);
	const uint32_t index = index_set_find(&t->set, hash, same_entry, &l);
	const dim d = index == INDEX_NONE ? append(t, &l, hash) : DIM_FIRST_ID + (int64_t)index;
	if (d == DIM_ERROR)
		return DIM_ERROR;
	const bool large =
		dim_at(t, d)->leaves > DIM_MAX_LEAVES || (kind == DIM_SUM && count > 1 + 2 * DIM_MAX_TERMS);
	return large ? dim_named(t, d) : d;
}

void dim_refine(dim_table *t, dim d, int64_t lo, int64_t hi)
{
	dim_entry *e = dim_at(t, d);
	lo = lo > e->lo ? lo : e->lo;
	hi = hi < e->hi ? hi : e->hi;
	if (lo <= hi) {
		e->lo = lo;
		e->hi = hi;
	}
}

/* ---- Symbols ---- */

static dim new_symbol(dim_table *t, const char *name, dim definition, int64_t lo, int64_t hi)
{
	if (!name || t->symbol_count >= INDEX_NONE - 1 ||
	    !grow(t->m, &t->symbols, &t->symbol_capacity, t->symbol_count + 1, sizeof(*t->symbols)))
		return DIM_ERROR;
	const int64_t word = (int64_t)t->symbol_count;
	const dim d = dim_intern(t, DIM_SYMBOL, &word, 1);
	if (d == DIM_ERROR)
		return DIM_ERROR;
	dim_entry *e = dim_at(t, d);
	e->symbol = (uint32_t)t->symbol_count;
	if (lo <= hi) {
		e->lo = clamp_lo(lo);
		e->hi = clamp_hi(hi);
	}
	t->symbols[t->symbol_count++] = (dim_symbol_entry){ name, d, definition };
	return d;
}

dim dim_symbol(dim_table *t, const char *name, int64_t lo, int64_t hi)
{
	uint32_t index;
	if (!t)
		return DIM_UNKNOWN;
	if (map_get(&t->names, name, &index)) {
		dim_refine(t, t->symbols[index].id, lo, hi);
		return t->symbols[index].id;
	}
	index = (uint32_t)t->symbol_count;
	const dim d = new_symbol(t, bump_string(&t->strings, name, strlen(name)), DIM_UNKNOWN, lo, hi);
	return d != DIM_ERROR && map_put(&t->names, name, index) ? d : DIM_ERROR;
}

/* hint#index: a model may use the same name, which does no harm but to readers. */
static const char *numbered_name(dim_table *t, const char *hint)
{
	hint = hint ? hint : "";
	const size_t bytes = strlen(hint) + 24;
	char *name = bump_alloc(&t->strings, bytes);
	if (name)
		snprintf(name, bytes, "%s#%zu", hint, t->symbol_count);
	return name;
}

dim dim_fresh(dim_table *t, const char *hint, int64_t lo, int64_t hi)
{
	return t ? new_symbol(t, numbered_name(t, hint), DIM_UNKNOWN, lo, hi) : DIM_UNKNOWN;
}

dim dim_named(dim_table *t, dim d)
{
	const dim_entry e = *dim_at(t, d);
	if (e.symbol != INDEX_NONE)
		return t->symbols[e.symbol].id;
	const dim s = new_symbol(t, numbered_name(t, "expression"), d, e.lo, e.hi);
	if (s == DIM_ERROR)
		return DIM_ERROR;
	dim_at(t, d)->symbol = dim_at(t, s)->symbol;
	dim_at(t, s)->divisor = e.divisor;
	return s;
}

size_t dim_symbol_count(const dim_table *t)
{
	return t->symbol_count;
}

dim dim_symbol_at(const dim_table *t, size_t index)
{
	return t->symbols[index].id;
}

const char *dim_symbol_name(const dim_table *t, size_t index)
{
	return t->symbols[index].name;
}
