/* Inside of dims: how expressions are stored. For dim*.c alone. */
#ifndef CLAST_BASE_DIM_TABLE_H
#define CLAST_BASE_DIM_TABLE_H

#include "dim.h"
#include "map.h"

/* Bounds that keep every operation within a constant time. An expression beyond them gets a symbol of its
 * own. */
enum {
	DIM_MAX_TERMS = 32,   /* of a sum */
	DIM_MAX_DEGREE = 16,  /* atoms of a product */
	DIM_MAX_CHOICES = 8,  /* operands of a minimum or maximum */
	DIM_MAX_LEAVES = 128, /* symbols met when an expression is walked, shared parts counted each time */
};

/* What an expression is, and its words:
 * symbol    its index
 * product   two atoms or more, sorted; an atom is anything but a product or a sum
 * sum       the constant, then pairs of a coefficient (not 0) and an atom or product, sorted by the latter;
 *           never a single one with coefficient 1 and no constant
 * floor     dividend, divisor
 * min, max  two dims or more, sorted, none of the same kind among them */
typedef enum dim_kind { DIM_SYMBOL, DIM_PRODUCT, DIM_SUM, DIM_FLOOR, DIM_MIN, DIM_MAX } dim_kind;

typedef struct dim_entry {
	uint8_t kind;
	uint8_t degree;
	uint16_t word_count;
	uint32_t leaves;
	uint32_t symbol; /* the symbol that it is, or that stands for it, or INDEX_NONE */
	size_t first_word;
	int64_t lo, hi, divisor;
} dim_entry;

typedef struct dim_symbol_entry {
	const char *name;
	dim id;
	dim definition; /* what it stands for, or DIM_UNKNOWN */
} dim_symbol_entry;

struct dim_table {
	mem *m;
	bump strings;
	map names;     /* to indices of symbols */
	index_set set; /* of entries */
	dim_entry *entries;
	int64_t *words;
	dim_symbol_entry *symbols;
	size_t entry_capacity, word_count, word_capacity, symbol_count, symbol_capacity;
	uint32_t entry_count;
};

typedef struct dim_bounds {
	int64_t lo, hi;
} dim_bounds;

/* A sum taken apart; a sum of two sums still fits. */
typedef struct dim_term {
	int64_t coefficient;
	dim product;
} dim_term;

typedef struct dim_poly {
	int64_t constant;
	uint32_t count;
	dim_term terms[2 * DIM_MAX_TERMS];
} dim_poly;

static inline dim_entry *dim_at(const dim_table *t, dim d)
{
	return &t->entries[d - DIM_FIRST_ID];
}

static inline const int64_t *dim_words(const dim_table *t, dim d)
{
	return t->words + dim_at(t, d)->first_word;
}

static inline bool dim_has_kind(const dim_table *t, dim d, dim_kind kind)
{
	return dim_is_expr(d) && dim_at(t, d)->kind == kind;
}

/* A result of arithmetic on numbers: those that would look like ids count as overflow. */
static inline dim dim_number(int64_t value)
{
	return value >= DIM_END_ID ? value : DIM_ERROR;
}

/* The id of an expression in normal form, or of the symbol that stands for it if it is too large. */
dim dim_intern(dim_table *t, dim_kind kind, const int64_t *words, size_t count);
/* A symbol that stands for d, which is an expression. */
dim dim_named(dim_table *t, dim d);
/* Intersects the stored range with one proved otherwise. */
void dim_refine(dim_table *t, dim d, int64_t lo, int64_t hi);

void dim_poly_of(const dim_table *t, dim d, dim_poly *p);
/* p += coefficient * product. false at overflow. */
bool dim_poly_add_term(dim_poly *p, int64_t coefficient, dim product);
/* p += scale * q; the terms of both together fit. false at overflow. */
bool dim_poly_add(dim_poly *p, const dim_poly *q, int64_t scale);
dim dim_poly_intern(dim_table *t, const dim_poly *p);
/* Bounds of a sum, also by putting bounds in place of floor divisions, minima and maxima. */
dim_bounds dim_poly_bounds(const dim_table *t, const dim_poly *p);
dim_bounds dim_bounds_of(const dim_table *t, dim d);

static inline int64_t floor_div64(int64_t a, int64_t b)
{
	const int64_t q = a / b;
	return q - ((a % b != 0) & ((a < 0) != (b < 0)));
}

/* a - b * floor(a / b), for b > 0. */
static inline int64_t floor_mod64(int64_t a, int64_t b)
{
	const int64_t r = a % b;
	return r < 0 ? r + b : r;
}

uint64_t gcd64(uint64_t a, uint64_t b);

static inline uint64_t magnitude64(int64_t a)
{
	return a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
}

#endif
