/* How much a step of a session's last run had to do. */
#include <string.h>

#include "run.h"
#include "strips.h"

/* A strip group counts where it runs, at its last step; what lies between its members does not move. */
static void add_strips(const specialisation *s, const strip_group *g, clast_step_work *w)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const plan_step *step = &s->plan->steps[s->block->first_step + g->first_step + i];
		const spec_step *made = &s->steps[g->first_step + i];
		const double operations = spec_step_operations(s, step), executed = spec_step_executed(s, made);
		w->operations += operations;
		w->executed += executed ? executed : operations;
		w->bytes += spec_step_bytes(s, step);
		if (i + 1 < g->count)
			w->bytes -= 2 * (double)(g->member[i].height * g->member[i].row_bytes);
	}
}

clast_status clast_session_get_work(const clast_session *session, size_t index, clast_step_work *work)
{
	clast_step_work w = { .struct_size = work ? work->struct_size : 0 };
	if (!session || !work || !w.struct_size || w.struct_size > sizeof w || index >= session->plan->step_count)
		return CLAST_ERROR_ARGUMENT;
	const run *r = session->last;
	const specialisation *s = r ? run_current(r) : NULL;
	if (s && index >= s->block->first_step && index - s->block->first_step < s->block->step_count) {
		const plan_step *step = &s->plan->steps[index];
		const spec_step *made = &r->spec->steps[index - s->block->first_step];
		if (made->mode == MODE_STRIPS) {
			add_strips(r->spec, made->strips, &w);
		} else if (made->mode != MODE_NOTHING) {
			w.operations = spec_step_operations(s, step);
			w.executed = made->mode == MODE_CALLS ? spec_step_executed(s, made) : 0;
			w.executed = w.executed ? w.executed : w.operations;
			w.bytes = spec_step_bytes(s, step);
		}
		if (made->mode == MODE_STRIPS)
			w.tasks = made->strips->strips;
		for (uint32_t i = 0; made->mode == MODE_CALLS && i < made->call_count; i++)
			w.tasks += s->calls[made->first_call + i].tasks;
		if (r->cached->balance)
			balance_step(r->cached->balance, r->spec, index - s->block->first_step, &w.total_ns, &w.critical_ns);
	}
	memcpy(work, &w, w.struct_size);
	return CLAST_OK;
}
