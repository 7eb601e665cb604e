/* clast inspect --json. */
#include "emit.h"
#include "inspection.h"

static void write_value(emitter *j, const char *key, const clast_value_info *v)
{
	emit_object(j, key);
	emit_string(j, "name", v->name);
	emit_string(j, "dtype", clast_dtype_name(v->dtype));
	if (v->rank >= 0)
		emit_integers(j, "shape", (size_t)v->rank, v->dims);
	else
		emit_string(j, "shape", NULL);
	emit_end_object(j);
}

static void write_values(emitter *j, const char *key, const clast_value_info *values, size_t count)
{
	emit_array(j, key);
	for (size_t i = 0; i < count; i++)
		write_value(j, NULL, &values[i]);
	emit_end_array(j);
}

static void write_steps(emitter *j, const inspection *i)
{
	emit_array(j, "steps");
	for (size_t k = 0; k < i->step_count; k++) {
		const clast_step_info *s = &i->steps[k];
		emit_object(j, NULL);
		emit_string(j, "node", s->node);
		emit_string(j, "op", s->op);
		emit_string(j, "kernel", s->kernel);
		emit_string(j, "fused", s->fused);
		emit_string(j, "output", s->output);
		emit_string(j, "order", s->order);
		emit_boolean(j, "conversion", s->conversion);
		if (*s->place) {
			emit_string(j, "place", s->place);
			emit_string(j, "place_reason", s->place_reason);
		}
		write_value(j, "value", &s->shape);
		emit_end_object(j);
	}
	emit_end_array(j);
}

/* The cost of the orders in the unit of the objective, and the bound that was proved for it. */
static void write_certificate(emitter *j, const options *o, const clast_plan_report *r)
{
	emit_object(j, "certificate");
	emit_string(j, "objective", engine_objective(o));
	emit_count(j, "cost", r->layout_cost);
	emit_count(j, "lower_bound", r->layout_bound);
	emit_count(j, "gap", r->layout_cost - r->layout_bound);
	emit_boolean(j, "optimal", r->optimal);
	emit_count(j, "left_out", r->left_out);
	emit_string(j, "left_out_at", r->left_out_at);
	emit_end_object(j);
}

static void write_transposes(emitter *j, const inspection *i)
{
	emit_array(j, "surviving");
	for (size_t k = 0; k < i->transpose_count; k++) {
		const clast_transpose_info *t = &i->transposes[k];
		emit_object(j, NULL);
		emit_string(j, "value", t->value);
		emit_count(j, "bytes", t->bytes);
		emit_count(j, "times", t->times);
		emit_string(j, "from", t->from);
		emit_string(j, "to", t->to);
		emit_boolean(j, "io", t->io);
		emit_string(j, "op", t->op);
		emit_string(j, "node", t->node);
		emit_string(j, "reason", t->reason);
		emit_string(j, "remedy", t->remedy);
		emit_end_object(j);
	}
	emit_end_array(j);
}

int inspection_json(const options *o, const inspection *i)
{
	const clast_plan_report *r = &i->report;
	emitter j;
	if (!emit_open(&j, o))
		return EXIT_IO;
	emit_object(&j, NULL);
	write_values(&j, "inputs", i->e.inputs, i->e.input_count);
	write_values(&j, "outputs", i->e.outputs, i->e.output_count);
	emit_string(&j, "strategy", engine_strategy(o));
	emit_count(&j, "nodes", r->nodes);
	emit_count(&j, "plan_steps", r->steps);
	emit_count(&j, "reference_steps", r->reference_steps);
	emit_count(&j, "device_steps", r->device_steps);
	emit_count(&j, "cpu_steps", r->cpu_steps);
	emit_count(&j, "transposes", r->transposes);
	emit_count(&j, "io_transposes", r->io_transposes);
	emit_count(&j, "transpose_bytes", r->transpose_bytes);
	emit_count(&j, "copy_bytes", r->copy_bytes);
	emit_count(&j, "lower_bound_bytes", r->lower_bound_bytes);
	emit_boolean(&j, "optimal", r->optimal);
	emit_object(&j, "strategies");
	for (size_t k = 0; k < i->plan_count; k++) {
		emit_object(&j, i->plans[k].name);
		emit_count(&j, "transposes", i->reports[k].transposes);
		emit_count(&j, "bytes", i->reports[k].transpose_bytes);
		emit_count(&j, "io_transposes", i->reports[k].io_transposes);
		emit_count(&j, "copy_bytes", i->reports[k].copy_bytes);
		emit_count(&j, "cost", i->reports[k].layout_cost);
		emit_end_object(&j);
	}
	emit_end_object(&j);
	write_certificate(&j, o, r);
	write_transposes(&j, i);
	emit_count(&j, "arena_bytes", r->arena_bytes);
	if (r->device_steps || r->cpu_steps) {
		emit_count(&j, "device_steps", r->device_steps);
		emit_count(&j, "cpu_steps", r->cpu_steps);
		emit_count(&j, "device_copies", r->device_copies);
		emit_count(&j, "device_copy_bytes", r->device_copy_bytes);
	}
	emit_count(&j, "arena_bound_bytes", r->arena_bound_bytes);
	emit_count(&j, "tuned_layers", r->tuned_layers);
	emit_count(&j, "timed_layers", r->timed_layers);
	emit_count(&j, "changed_layers", r->changed_layers);
	emit_count(&j, "weights_bytes", r->weights_bytes);
	if (o->layout.count || o->ops_used.count || o->memory.count)
		write_steps(&j, i);
	emit_end_object(&j);
	return emit_close(&j) ? EXIT_FINE : EXIT_IO;
}
