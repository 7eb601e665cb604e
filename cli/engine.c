#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "elements.h"
#include "value_orders.h"

double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static bool keep_going(void *context, double fraction)
{
	(void)context;
	(void)fraction;
	return !interrupted();
}

void value_text(const clast_value_info *v, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "%s ", clast_dtype_name(v->dtype));
	if (n < size && v->rank <= 0)
		snprintf(text + n, size - n, v->rank ? "of unknown rank" : "scalar");
	for (int a = 0; a < v->rank && n < size; a++) {
		const char *cross = a ? "x" : "";
		if (v->dims[a] >= 0)
			n += (size_t)snprintf(text + n, size - n, "%s%lld", cross, (long long)v->dims[a]);
		else
			n += (size_t)snprintf(text + n, size - n, "%s%s", cross,
					      v->dim_names[a] && *v->dim_names[a] ? v->dim_names[a] : "?");
	}
}

const char *engine_strategy(const options *o)
{
	return o->strategy.count ? o->strategy.text : value_orders_given(o) ? "manual" : "min";
}

/* ---- --shape NAME=1x3xHxW ---- */

static bool parse_dims(const char *text, clast_input_shape *s, int64_t *dims)
{
	s->dims = dims;
	s->rank = 0;
	while (*text) {
		if (s->rank == CLAST_MAX_RANK)
			return false;
		if (*text >= '0' && *text <= '9') {
			char *end;
			errno = 0;
			dims[s->rank] = strtoll(text, &end, 10);
			if (errno)
				return false;
			text = end;
		} else { /* a name or a question mark: the dim stays open */
			dims[s->rank] = -1;
			text += strcspn(text, "x,");
		}
		s->rank++;
		if (*text && *text != 'x' && *text != ',')
			return false;
		text += *text && text[1];
	}
	return true;
}

static clast_status parse_shapes(engine *e, const options *o, problem *p)
{
	const size_t n = o->shape.count;
	e->shapes = calloc(n + 1, sizeof(*e->shapes));
	e->shape_dims = calloc(n + 1, sizeof(*e->shape_dims));
	if (!e->shapes || !e->shape_dims)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *text = o->shape.texts[i], *equals = strrchr(text, '=');
		char *name = equals ? strndup(text, (size_t)(equals - text)) : NULL;
		e->shapes[i].name = name;
		if (!name || !parse_dims(equals + 1, &e->shapes[i], e->shape_dims[i]))
			return problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--shape %s: expected NAME=1x3xHxW",
					   text);
	}
	return CLAST_OK;
}

/* ---- Model, plan, session ---- */

static clast_status read_interface(engine *e, problem *p)
{
	e->input_count = clast_model_input_count(e->model);
	e->output_count = clast_model_output_count(e->model);
	e->inputs = calloc(e->input_count + 1, sizeof(*e->inputs));
	e->outputs = calloc(e->output_count + 1, sizeof(*e->outputs));
	if (!e->inputs || !e->outputs)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	clast_status s = CLAST_OK;
	for (size_t i = 0; !s && i < e->input_count; i++)
		s = clast_model_input(e->model, i, &e->inputs[i]);
	for (size_t i = 0; !s && i < e->output_count; i++)
		s = clast_model_output(e->model, i, &e->outputs[i]);
	return s;
}

clast_status engine_adopt(engine *e, const options *o, clast_model *m, const char *name, problem *p)
{
	*e = (engine){ .path = name,
		       .model = m,
		       .last_inputs = o->input_layout.count && !strcmp(o->input_layout.text, "last") };
	return problem_in(p, name, read_interface(e, p));
}

clast_status engine_model_options(engine *e, const options *o, const char *path, clast_model_options *mo,
				  problem *p)
{
	*e = (engine){ .path = path };
	const clast_status s = parse_shapes(e, o, p);
	*mo = (clast_model_options){
		.struct_size = sizeof(*mo),
		.limits.memory_bytes = o->max_memory.number,
		.progress = keep_going,
		.shape_count = o->shape.count,
		.shapes = e->shapes,
		.low_memory = o->low_memory.count,
	};
	return s;
}

clast_status engine_load(engine *e, const options *o, const char *path, problem *p)
{
	clast_model_options mo;
	clast_status s = engine_model_options(e, o, path, &mo, p);
	if (s)
		return s;
	e->last_inputs = o->input_layout.count && !strcmp(o->input_layout.text, "last");
	s = problem_in(p, path, clast_model_load(path, &mo, &e->model, &p->diag));
	if (!s)
		s = problem_in(p, path, read_interface(e, p));
	for (size_t i = 0; !s && i < o->shape.count; i++)
		if (engine_find_input(e, e->shapes[i].name) == SIZE_MAX)
			s = problem_set(p, CLAST_ERROR_ARGUMENT, path,
					"--shape: the model has no input \"%s\"", e->shapes[i].name);
	return s;
}

static clast_precision precision_of(const options *o)
{
	static const char *const names[] = { [CLAST_PRECISION_DEFAULT] = "default",
					     [CLAST_PRECISION_FAST] = "fast",
					     [CLAST_PRECISION_EXACT] = "exact",
					     [CLAST_PRECISION_REFERENCE] = "reference" };
	for (int i = 0; o->precision.count && i < 4; i++)
		if (!strcmp(names[i], o->precision.text))
			return (clast_precision)i;
	return CLAST_PRECISION_DEFAULT;
}

clast_status engine_plan(engine *e, const options *o, const char *strategy, clast_plan **plan, problem *p)
{
	value_orders given = { 0 };
	clast_status s = CLAST_OK;
	if (!strategy)
		strategy = engine_strategy(o);
	const bool manual = !strcmp(strategy, "manual");
	if (manual && !value_orders_given(o))
		s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "strategy manual needs orders: give --order VALUE=ORDER or --orders FILE");
	else if (manual)
		s = value_orders_read(o, &given, p);
	else if (value_orders_given(o) && o->strategy.count && strcmp(o->strategy.text, "manual") != 0)
		s = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--order and --orders are for --strategy manual, not %s", o->strategy.text);
	const clast_plan_options po = {
		.struct_size = sizeof(po),
		.strategy = strategy,
		.objective = o->objective.text,
		.input_layout = o->input_layout.text,
		.output_layout = o->output_layout.text,
		.device = o->device.text,
		.precision = precision_of(o),
		.order_count = given.count,
		.orders = given.list,
		.tune = o->tune.count,
	};
	if (!s)
		s = problem_in(p, e->path, clast_plan_create(e->model, &po, plan, &p->diag));
	value_orders_free(&given);
	return s;
}

clast_status engine_start(const engine *e, const options *o, clast_plan *plan, size_t threads,
			  engine_activity activity, void *context, clast_session **session, problem *p)
{
	const clast_session_options so = {
		.struct_size = sizeof(so),
		.threads = o->threads.count ? o->threads.number : threads,
		.limits.memory_bytes = o->max_memory.number,
		.progress = keep_going,
		.activity = activity,
		.activity_context = context,
		.balance = activity && o->balance.count,
	};
	return problem_in(p, e->path, clast_session_create(plan, &so, session, &p->diag));
}

clast_status engine_open(engine *e, const options *o, const char *path, size_t threads,
			 engine_activity activity, void *context, problem *p)
{
	clast_status s = engine_load(e, o, path, p);
	if (!s)
		s = engine_plan(e, o, NULL, &e->plan, p);
	if (!s)
		s = engine_start(e, o, e->plan, threads, activity, context, &e->session, p);
	return s;
}

void engine_close(engine *e)
{
	clast_session_free(&e->session);
	clast_plan_free(&e->plan);
	clast_model_free(&e->model);
	for (clast_input_shape *s = e->shapes; s && s->name; s++)
		free((char *)s->name);
	free(e->shapes);
	free(e->shape_dims);
	free(e->inputs);
	free(e->outputs);
	*e = (engine){ 0 };
}

/* ---- Inputs and running ---- */

static size_t find(const clast_value_info *values, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(values[i].name, name))
			return i;
	return SIZE_MAX;
}

size_t engine_find_input(const engine *e, const char *name)
{
	return find(e->inputs, e->input_count, name);
}

size_t engine_find_output(const engine *e, const char *name)
{
	return find(e->outputs, e->output_count, name);
}

/* Copies row-major elements so that axis 1 lies innermost. */
static void copy_last(size_t rank, const int64_t *dims, size_t width, const char *from, char *to)
{
	const size_t channels = (size_t)dims[1];
	size_t images = (size_t)dims[0], pixels = 1;
	for (size_t a = 2; a < rank; a++)
		pixels *= (size_t)dims[a];
	for (size_t n = 0; n < images; n++)
		for (size_t c = 0; c < channels; c++)
			for (size_t i = 0; i < pixels; i++)
				memcpy(to + ((n * pixels + i) * channels + c) * width,
				       from + ((n * channels + c) * pixels + i) * width, width);
}

static bool fits(const clast_value_info *v, const int64_t *dims)
{
	for (int a = 0; a < v->rank; a++)
		if (v->dims[a] >= 0 && v->dims[a] != dims[a])
			return false;
	return true;
}

/* The shape as the model declares it, of a file that holds channels last, and what the file would declare. */
static void last_to_first(size_t rank, const int64_t *last, int64_t *first)
{
	first[0] = last[0];
	first[1] = last[rank - 1];
	for (size_t a = 2; a < rank; a++)
		first[a] = last[a - 1];
}

static void first_to_last(const clast_value_info *v, clast_value_info *last)
{
	*last = *v;
	for (int a = 1; a + 1 < v->rank; a++) {
		last->dims[a] = v->dims[a + 1];
		last->dim_names[a] = v->dim_names[a + 1];
	}
	last->dims[v->rank - 1] = v->dims[1];
	last->dim_names[v->rank - 1] = v->dim_names[1];
}

static clast_status misfit(const clast_value_info *v, size_t rank, const int64_t *dims, problem *p)
{
	char declared[300], last[300], found[100];
	clast_value_info other;
	first_to_last(v, &other);
	value_text(v, declared, sizeof(declared));
	value_text(&other, last, sizeof(last));
	shape_text(rank, dims, found, sizeof(found));
	return problem_set(p, CLAST_ERROR_ARGUMENT, NULL,
			   "input \"%s\": expected %s, or channels-last %s, found %s", v->name, declared, last, found);
}

clast_status engine_arrange(const engine *e, size_t input, file_tensor *t, problem *p)
{
	const clast_value_info *v = &e->inputs[input];
	const size_t rank = clast_tensor_rank(t->tensor), count = clast_tensor_count(t->tensor);
	const clast_dtype dtype = clast_tensor_dtype(t->tensor);
	const int64_t *found = clast_tensor_dims(t->tensor);
	/* Another rank is for the session to refuse. */
	if (!e->last_inputs || rank < 3 || !count || dtype == CLAST_STRING || v->rank != (int)rank)
		return CLAST_OK;
	int64_t dims[CLAST_MAX_RANK], strides[CLAST_MAX_RANK];
	const bool declared = fits(v, found);
	if (declared)
		memcpy(dims, found, rank * sizeof(*dims));
	else
		last_to_first(rank, found, dims);
	if (!fits(v, dims))
		return misfit(v, rank, found, p);
	int64_t stride = dims[1];
	for (size_t a = rank; a-- > 2; stride *= dims[a])
		strides[a] = stride;
	strides[0] = stride;
	strides[1] = 1;
	void *copy;
	const size_t width = clast_dtype_bytes(dtype);
	const void *from = elements_of(t->tensor, &copy);
	file_tensor out = { .memory = malloc(count * width) };
	clast_status s =
		from && out.memory ? CLAST_OK : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	if (!s)
		s = clast_tensor_wrap(dtype, rank, dims, strides, out.memory, &out.tensor, &p->diag);
	if (!s && declared)
		copy_last(rank, dims, width, from, out.memory);
	else if (!s)
		memcpy(out.memory, from, count * width);
	free(copy);
	file_tensor *gone = s ? &out : t;
	file_tensor_free(gone);
	if (!s)
		*t = out;
	return s;
}

clast_status engine_run(const engine *e, const file_tensor *inputs, clast_tensor **outputs, problem *p)
{
	const clast_tensor **given = calloc(e->input_count + 1, sizeof(*given));
	clast_status s = given ? CLAST_OK : problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	for (size_t i = 0; !s && i < e->input_count; i++) {
		char text[300];
		given[i] = inputs[i].tensor;
		value_text(&e->inputs[i], text, sizeof(text));
		if (!given[i])
			s = problem_set(p, CLAST_ERROR_ARGUMENT, e->path,
					"the input \"%s\" (%s) is missing: give --input %s=FILE",
					e->inputs[i].name, text, e->inputs[i].name);
	}
	memset(outputs, 0, e->output_count * sizeof(*outputs));
	if (!s)
		s = problem_in(p, e->path,
			       clast_session_run(e->session, e->input_count, given, e->output_count, outputs,
						 &p->diag));
	free(given);
	return s;
}
