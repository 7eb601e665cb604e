#include "op.h"

clast_status call_output(call *c, size_t index, clast_dtype dtype, int rank, const int64_t *dims)
{
	return c->host->output(c, index, dtype, rank, dims);
}

clast_status call_body(call *c, int graph, size_t n_in, const tensor_view *const *in, size_t n_out, tensor_view *out)
{
	return c->host->body(c, graph, n_in, in, n_out, out);
}

void call_release(call *c, const tensor_view *v)
{
	c->host->release(c, v);
}

bool call_proceed(call *c)
{
	return c->host->proceed(c);
}

clast_status call_give(call *c, size_t index, const tensor_view *v)
{
	if (c->host->give)
		return c->host->give(c, index, v);
	const clast_status s = c->out[index] ? call_output(c, index, v->dtype, v->rank, v->dims) : CLAST_OK;
	if (!s && c->out[index])
		view_copy(c->out[index], v);
	call_release(c, v);
	return s;
}

clast_status call_string(call *c, const char *bytes, size_t length, clast_string *out)
{
	if (!c->host->string)
		return fail(c->diag, CLAST_ERROR_UNSUPPORTED, "new strings cannot be made here");
	return c->host->string(c, bytes, length, out);
}
