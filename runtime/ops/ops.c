#include <string.h>

#include "op.h"

#define OP(symbol) extern const op symbol;
#include "ops.def"
#undef OP

static const op *const list[] = {
#define OP(symbol) &symbol,
#include "ops.def"
#undef OP
};

size_t op_count(void)
{
	return sizeof list / sizeof *list;
}

const op *op_at(size_t index)
{
	return index < op_count() ? list[index] : NULL;
}

/* ops.def is kept in strcmp order of the operators' names within a domain; a test checks it. */
static int compare(const op *o, const char *domain, const char *name)
{
	const int d = strcmp(o->domain, domain);
	return d ? d : strcmp(o->name, name);
}

const op *op_find(const char *domain, const char *name)
{
	if (!strcmp(domain, "ai.onnx"))
		domain = "";
	for (size_t lo = 0, hi = op_count(); lo < hi;) {
		const size_t middle = lo + (hi - lo) / 2;
		const int c = compare(list[middle], domain, name);
		if (!c)
			return list[middle];
		if (c < 0)
			lo = middle + 1;
		else
			hi = middle;
	}
	return NULL;
}

const op_version *op_resolve(const op *o, int64_t opset)
{
	const op_version *best = NULL;
	for (const op_version *v = o->versions; v->since; v++)
		if (v->since <= opset)
			best = v;
	return best;
}
