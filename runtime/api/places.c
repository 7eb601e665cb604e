/* Where the steps of a plan with a device run, for reports. */
#include "api.h"

/* What a specialisation at representative extents decided, kept with the plan. */
static clast_status find_places(clast_plan *p)
{
	const plan_block *b = &p->blocks[0];
	specialisation *s = NULL;
	pthread_mutex_lock(&p->lock);
	const bool known = p->places != NULL;
	pthread_mutex_unlock(&p->lock);
	if (known)
		return CLAST_OK;
	clast_status status = plan_representative(p, &s);
	if (status)
		return status;
	pthread_mutex_lock(&p->lock);
	if (!p->places && !(p->places = bump_array(&p->region, p->step_count + 1, sizeof *p->places)))
		status = CLAST_ERROR_MEMORY;
	for (size_t i = 0; !status && i < p->step_count; i++) {
		const bool here = s && i >= b->first_step && i - b->first_step < b->step_count;
		const step_why meant = plan_step_why(p, plan_block_of(p, i), &p->steps[i]); /* in a body */
		p->places[i] = here ? s->steps[i - b->first_step].why : (uint8_t)(meant == WHY_DEVICE ? WHY_LATE : meant);
	}
	pthread_mutex_unlock(&p->lock);
	spec_free(&s);
	return status;
}

clast_status plan_place_text(clast_plan *p, size_t step, const char **place, const char **reason)
{
	static const char *const reasons[] = { [WHY_DEVICE] = "",
		                               [WHY_VIEW] = "",
		                               [WHY_NO_DEVICE] = "by references",
		                               [WHY_BODY] = "the CPU goes from round to round; the steps of its bodies are placed when they run",
		                               [WHY_REFERENCE] = "there is no kernel for it, not even on the CPU",
		                               [WHY_DTYPE] = "the device has no kernels for these elements",
		                               [WHY_NO_KERNEL] = "the device has no such kernel",
		                               [WHY_REFUSED] = "the device's kernel does not take these extents or strides",
		                               [WHY_COPIES] = "copying to the device and back would take longer",
		                               [WHY_LATE] = "its shape is known only while running" };
	*place = *reason = "";
	if (!p->device)
		return CLAST_OK;
	const clast_status s = find_places(p);
	if (s)
		return s;
	const step_why why = (step_why)p->places[step];
	*place = why == WHY_DEVICE ? "device" : why == WHY_VIEW ? "" : why == WHY_LATE ? "late" : "cpu";
	*reason = reasons[why];
	return CLAST_OK;
}
