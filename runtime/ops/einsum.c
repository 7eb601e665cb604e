/* ONNX Einsum: y[output labels] = sum over all other labels of the product of the operands, each indexed by
 * its own labels. A label that an operand repeats takes its diagonal; extents of 1 broadcast; "..." stands
 * for further axes, aligned from the right. */
#include "einsum.h"

#include <string.h>

#include "offsets.h"
#include "product.h"

typedef struct attrs {
	const char *equation;
} attrs;

/* ---- The equation ---- */

static int label_of(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1;
}

static clast_status bad(const char *equation, clast_diag *d, const char *why)
{
	return fail(d, CLAST_ERROR_MODEL, "attribute equation \"%s\": %s", quote(equation).text, why);
}

/* A term as written: letters before and after its ellipsis. */
typedef struct written {
	int n, ellipsis; /* number of letters; letters in front of the ellipsis, -1: there is none */
	uint8_t letters[CLAST_MAX_RANK];
} written;

/* Reads up to ',', '-' or the end; *at is left there. */
static clast_status read_term(const char *equation, const char **at, written *w, clast_diag *d)
{
	*w = (written){ .ellipsis = -1 };
	for (;; ++*at) {
		const char c = **at;
		if (c == ' ')
			continue;
		if (c == '.') {
			if (strncmp(*at, "...", 3) || w->ellipsis >= 0)
				return bad(equation, d,
					   "a dot that is no ellipsis, or a second ellipsis in a term");
			w->ellipsis = w->n;
			*at += 2;
			continue;
		}
		if (label_of(c) < 0)
			return CLAST_OK;
		if (w->n == CLAST_MAX_RANK)
			return bad(equation, d, "a term has too many labels");
		w->letters[w->n++] = (uint8_t)label_of(c);
	}
}

static void place(const written *w, int axes, einsum_term *t)
{
	t->n = 0;
	for (int i = 0; i <= w->n; i++) {
		for (int k = axes; i == w->ellipsis && k > 0; k--)
			t->labels[t->n++] = (uint8_t)(EINSUM_LETTERS + k - 1);
		if (i < w->n)
			t->labels[t->n++] = w->letters[i];
	}
}

static clast_status read_inputs(const char *equation, const char **at, size_t n, const int *ranks,
				einsum_term *terms, int *ellipsis, clast_diag *d)
{
	*ellipsis = 0;
	for (size_t i = 0; i < n; i++) {
		written w;
		const clast_status s = read_term(equation, at, &w, d);
		if (s)
			return s;
		const int axes = ranks[i] - w.n;
		if (axes < 0 || (axes && w.ellipsis < 0))
			return fail(
				d, CLAST_ERROR_MODEL,
				"attribute equation \"%s\": term %zu has %d labels, the input has rank %d",
				quote(equation).text, i, w.n, ranks[i]);
		*ellipsis = axes > *ellipsis ? axes : *ellipsis;
		place(&w, axes, &terms[i]);
		if (i + 1 < n && *(*at)++ != ',')
			return bad(equation, d, "fewer terms than inputs, or a character that is no label");
	}
	return CLAST_OK;
}

static clast_status implicit_output(const char *equation, size_t n, const einsum_term *terms, int ellipsis,
				    einsum_term *out, clast_diag *d)
{
	int uses[EINSUM_LABELS] = { 0 };
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < terms[i].n; k++)
			uses[terms[i].labels[k]]++;
	out->n = 0;
	for (int k = ellipsis; k > 0; k--)
		out->labels[out->n++] = (uint8_t)(EINSUM_LETTERS + k - 1);
	for (int k = 0; k < EINSUM_LETTERS; k++)
		if (uses[k] == 1) {
			if (out->n == CLAST_MAX_RANK)
				return bad(equation, d, "the output has too many axes");
			out->labels[out->n++] = (uint8_t)k;
		}
	return CLAST_OK;
}

static clast_status check_output(const char *equation, size_t n, const einsum_term *terms,
				 const einsum_term *out, clast_diag *d)
{
	bool known[EINSUM_LABELS] = { false };
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < terms[i].n; k++)
			known[terms[i].labels[k]] = true;
	for (int k = 0; k < out->n; k++) {
		if (!known[out->labels[k]])
			return bad(equation, d, "an output label is repeated or belongs to no input");
		known[out->labels[k]] = false;
	}
	return CLAST_OK;
}

clast_status einsum_parse(const char *equation, size_t n, const int *ranks, einsum_term *terms,
			  einsum_term *output, clast_diag *d)
{
	const char *at = equation;
	int ellipsis;
	clast_status s = read_inputs(equation, &at, n, ranks, terms, &ellipsis, d);
	if (s)
		return s;
	if (strncmp(at, "->", 2)) {
		s = *at ? bad(equation, d, "more terms than inputs, or a character that is no label")
			: CLAST_OK;
		return s ? s : implicit_output(equation, n, terms, ellipsis, output, d);
	}
	at += 2;
	written w;
	s = read_term(equation, &at, &w, d);
	if (s)
		return s;
	if (*at)
		return bad(equation, d, "a character that is no label behind \"->\"");
	if (w.n + (w.ellipsis >= 0 ? ellipsis : 0) > CLAST_MAX_RANK)
		return bad(equation, d, "the output has too many axes");
	place(&w, ellipsis, output);
	return check_output(equation, n, terms, output, d);
}

/* ---- Inference ---- */

static clast_status label_extents(const infer_in *in, const einsum_term *terms, dim *extents, clast_diag *d)
{
	for (int i = 0; i < EINSUM_LABELS; i++)
		extents[i] = 1;
	for (size_t i = 0; i < in->n_in; i++)
		for (int k = 0; k < terms[i].n; k++) {
			bool impossible = false;
			dim *e = &extents[terms[i].labels[k]];
			const dim merged = dim_broadcast(in->dims, *e, in->in[i].shape.dims[k], &impossible);
			if (impossible)
				return fail(d, CLAST_ERROR_MODEL,
					    "input %zu: axis %d does not agree with others of its label", i,
					    k);
			*e = merged;
		}
	return CLAST_OK;
}

static clast_status infer(const infer_in *in, infer_out *out, clast_diag *d)
{
	const char *equation = ((const attrs *)in->attrs)->equation;
	bool known = true;
	shape y = { .rank = -1 };
	clast_status s = CLAST_OK;
	int *ranks = bump_array(in->memory, in->n_in, sizeof *ranks);
	einsum_term *terms = bump_array(in->memory, in->n_in, sizeof *terms), output;
	if (!ranks || !terms)
		return fail_memory(d, 0);
	for (size_t i = 0; !s && i < in->n_in; i++) {
		s = has_input(in, i) ? infer_same_dtype(in, 0, i, d)
				     : fail(d, CLAST_ERROR_MODEL, "input %zu is absent", i);
		ranks[i] = in->in[i].shape.rank;
		known = known && ranks[i] >= 0;
	}
	if (!s && known) {
		dim extents[EINSUM_LABELS];
		s = einsum_parse(equation, in->n_in, ranks, terms, &output, d);
		if (!s)
			s = label_extents(in, terms, extents, d);
		y.rank = s ? -1 : output.n;
		for (int k = 0; k < y.rank; k++)
			y.dims[k] = extents[output.labels[k]];
	}
	if (!s)
		infer_set(out, 0, in->in[0].dtype, &y);
	return s;
}

/* ---- Reference ---- */

typedef struct work {
	call *c;
	bump memory;
	size_t n;
	einsum_term *terms, output;
	int64_t extents[EINSUM_LABELS];
	uint8_t uses[EINSUM_LABELS]; /* bit 0: output, bit 1 + i: operand i of the first two */
} work;

/* Labels in an order; their combinations are numbered row-major. */
typedef struct labels {
	int n;
	uint8_t label[EINSUM_LABELS];
} labels;

static int64_t combinations(const work *w, const labels *l)
{
	int64_t n = 1;
	for (int i = 0; i < l->n; i++)
		n *= w->extents[l->label[i]];
	return n;
}

/* Offset in a view of index i of one label. */
static int64_t label_offset(const tensor_view *v, const einsum_term *t, int label, int64_t i)
{
	int64_t offset = 0;
	for (int k = 0; k < t->n; k++)
		if (t->labels[k] == label && v->dims[k] != 1)
			offset += axis_offset(v, k, i);
	return offset;
}

/* Offsets of all combinations of labels. */
static int64_t *label_table(work *w, const tensor_view *v, const einsum_term *t, const labels *l)
{
	const int64_t total = combinations(w, l);
	int64_t *table = bump_array(&w->memory, (size_t)total + 1, sizeof *table), have = 1;
	for (int i = l->n - 1; table && i >= 0 && total; i--) {
		const int64_t extent = w->extents[l->label[i]];
		for (int64_t j = extent - 1; j >= 0; j--) {
			const int64_t at = label_offset(v, t, l->label[i], j);
			for (int64_t k = 0; k < have; k++)
				table[j * have + k] = table[k] + at;
		}
		have *= extent;
	}
	return table;
}

/* Labels in use whose `uses` are exactly these; output labels in the order of the output. */
static void select_labels(const work *w, uint8_t uses, labels *l)
{
	l->n = 0;
	for (int k = 0; k < w->output.n; k++)
		if (w->uses[w->output.labels[k]] == uses)
			l->label[l->n++] = w->output.labels[k];
	for (int k = 0; !(uses & 1) && k < EINSUM_LABELS; k++)
		if (w->uses[k] == uses)
			l->label[l->n++] = (uint8_t)k;
}

/* Two operands are one matrix product for each combination of the labels that both and the output have. */
static clast_status contract_two(work *w)
{
	const tensor_view *va = w->c->in[0], *vb = w->c->in[1], *vy = w->c->out[0];
	const einsum_term *ta = &w->terms[0], *tb = &w->terms[1], *ty = &w->output;
	labels batch, rows, columns, summed, more;
	select_labels(w, 7, &batch);
	select_labels(w, 3, &rows);
	select_labels(w, 5, &columns);
	select_labels(w, 6, &summed);
	for (uint8_t uses = 2; uses <= 4; uses += 2) {
		select_labels(w, uses, &more);
		memcpy(summed.label + summed.n, more.label, (size_t)more.n);
		summed.n += more.n;
	}
	operand a = { va, 0, label_table(w, va, ta, &rows), label_table(w, va, ta, &summed) };
	operand b = { vb, 0, label_table(w, vb, tb, &summed), label_table(w, vb, tb, &columns) };
	operand y = { vy, 0, label_table(w, vy, ty, &rows), label_table(w, vy, ty, &columns) };
	const int64_t *a_batch = label_table(w, va, ta, &batch), *b_batch = label_table(w, vb, tb, &batch),
		      *y_batch = label_table(w, vy, ty, &batch);
	if (!a.rows || !a.columns || !b.rows || !b.columns || !y.rows || !y.columns || !a_batch || !b_batch ||
	    !y_batch)
		return fail_memory(w->c->diag, 0);
	clast_status s = CLAST_OK;
	for (int64_t i = 0; !s && i < combinations(w, &batch); i++) {
		a.base = a_batch[i];
		b.base = b_batch[i];
		y.base = y_batch[i];
		s = product_of_tables(w->c, combinations(w, &rows), combinations(w, &columns),
				      combinations(w, &summed), &a, &b, NULL, &y, 1, 0);
	}
	return s;
}

/* Any number of operands: for every output element the sum over all combinations of the other labels. */
static clast_status contract_all(work *w)
{
	call *c = w->c;
	const tensor_view *y = c->out[0];
	labels out, summed = { 0 };
	out.n = w->output.n;
	memcpy(out.label, w->output.labels, (size_t)out.n);
	for (int k = 0; k < EINSUM_LABELS; k++)
		if (w->uses[k] && !(w->uses[k] & 1))
			summed.label[summed.n++] = (uint8_t)k;
	const int64_t *y_out = label_table(w, y, &w->output, &out);
	int64_t **x_out = bump_array(&w->memory, w->n, sizeof *x_out),
		**x_sum = bump_array(&w->memory, w->n, sizeof *x_sum);
	bool ok = y_out && x_out && x_sum;
	for (size_t i = 0; ok && i < w->n; i++)
		ok = (x_out[i] = label_table(w, c->in[i], &w->terms[i], &out)) &&
		     (x_sum[i] = label_table(w, c->in[i], &w->terms[i], &summed));
	if (!ok)
		return fail_memory(c->diag, 0);
	const bool integer = dtype_is_integer(y->dtype);
	for (int64_t o = 0; o < combinations(w, &out); o++) {
		double sum = 0;
		uint64_t exact = 0;
		for (int64_t k = 0; k < combinations(w, &summed); k++) {
			double term = 1;
			uint64_t factor = 1;
			for (size_t i = 0; i < w->n; i++) {
				const int64_t at = x_out[i][o] + x_sum[i][k];
				if (integer)
					factor *= (uint64_t)load_int(c->in[i], at);
				else
					term *= load_real(c->in[i], at);
			}
			sum += term;
			exact += factor;
		}
		if (integer)
			store_int(y, y_out[o], (int64_t)exact);
		else
			store_real(y, y_out[o], sum);
		if (!call_proceed(c))
			return fail(c->diag, CLAST_ERROR_CANCELLED, "cancelled");
	}
	return CLAST_OK;
}

static clast_status prepare(work *w)
{
	call *c = w->c;
	int *ranks = bump_array(&w->memory, c->n_in, sizeof *ranks);
	w->terms = bump_array(&w->memory, c->n_in, sizeof *w->terms);
	if (!ranks || !w->terms)
		return fail_memory(c->diag, 0);
	for (size_t i = 0; i < c->n_in; i++)
		ranks[i] = c->in[i]->rank;
	const clast_status s = einsum_parse(((const attrs *)c->attrs)->equation, c->n_in, ranks, w->terms,
					    &w->output, c->diag);
	for (int k = 0; k < EINSUM_LABELS; k++)
		w->extents[k] = 1;
	for (size_t i = 0; !s && i < c->n_in; i++)
		for (int k = 0; k < w->terms[i].n; k++) {
			const int label = w->terms[i].labels[k];
			w->uses[label] |= (uint8_t)(2u << (i < 2 ? i : 1));
			if (c->in[i]->dims[k] != 1)
				w->extents[label] = c->in[i]->dims[k];
		}
	for (int k = 0; !s && k < w->output.n; k++)
		w->uses[w->output.labels[k]] |= 1;
	return s;
}

static clast_status reference(call *c)
{
	work w = { .c = c, .n = c->n_in };
	bump_init(&w.memory, c->memory);
	clast_status s = prepare(&w);
	if (!s)
		s = w.n == 2 ? contract_two(&w) : contract_all(&w);
	bump_release(&w.memory);
	return s;
}

static const attr_spec spec[] = { { "equation", ATTR_STRING, offsetof(attrs, equation), .required = true },
				  { 0 } };
static const op_version versions[] = { { 12, DTYPES_REAL }, { 28, DTYPES_REAL_BF16 }, { 0 } };
const op op_einsum = { .name = "Einsum",
		       .domain = "",
		       .versions = versions,
		       .attrs = spec,
		       .attrs_bytes = sizeof(attrs),
		       .min_in = 1,
		       .max_in = UINT16_MAX,
		       .min_out = 1,
		       .max_out = 1,
		       .rule = RULE_CONTRACT,
		       .infer = infer,
		       .reference = reference };
