/* Kernel selection by timing. For each layer whose family knows several ways that are accurate enough, the whole network is run with the
 * family's own choices and, in turn with it, with another choice in every layer: so each way is timed where it will run, with the caches as
 * its neighbours leave them. Processor time of one thread is compared, and only what is clearly faster is taken. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "session.h"
#include "trial.h"
#include "tune_cache.h"

/* A way must take less than this much of the time of the family's own. */
#define CLEARLY 0.97

/* Runs of each plan: at least FEWEST, more as long as they take less than ENOUGH nanoseconds together. */
enum { FEWEST = 4, MOST = 24 };
#define ENOUGH 5e8

typedef struct layer {
	uint32_t step;
	node_id node;
	uint64_t key[2];
	size_t count; /* of choices */
	lower_choice choice[LOWER_MAX_CHOICES];
	size_t best;
	double ratio; /* of the best one's time to that of the own */
	bool known;
} layer;

typedef struct tuner {
	clast_plan *p;
	const clast_plan_options *o;
	layer *layers;
	size_t count, capacity;
	tune_list cache;
} tuner;

static bool same_choice(const lower_choice *a, const lower_choice *b)
{
	return a->tile == b->tile && a->hint.size == b->hint.size && a->hint.pass == b->hint.pass;
}

/* What the cache says of a layer counts only if it is one of its choices. */
static void look_up(const tuner *t, layer *l)
{
	const tune_entry *e = tune_list_find(&t->cache, l->key);
	for (size_t i = 0; e && !l->known && i < l->count; i++)
		if (same_choice(&l->choice[i], &e->choice)) {
			l->best = i;
			l->known = true;
		}
}

static clast_status list_layers(tuner *t, clast_diag *d)
{
	clast_plan *p = t->p;
	const plan_block *b = &p->blocks[0];
	for (uint32_t i = 0; i < b->step_count; i++) {
		const plan_step *step = &p->steps[b->first_step + i];
		layer l = { .step = b->first_step + i, .node = step->node, .ratio = CLEARLY };
		l.count = plan_choices(p, step, l.choice, l.key);
		if (!l.count)
			continue;
		look_up(t, &l);
		if (!grow(&p->memory, &t->layers, &t->capacity, t->count + 1, sizeof *t->layers))
			return fail_memory(d, 0);
		t->layers[t->count++] = l;
	}
	return CLAST_OK;
}

/* Gives the plan what is known, and what is not its choice number `which`, or the own one where there are not so many. */
static clast_status set_choices(const tuner *t, clast_plan *p, size_t which, clast_diag *d)
{
	p->choices = bump_array(&p->region, p->model->node_count + 1, sizeof *p->choices);
	if (!p->choices)
		return fail_memory(d, 0);
	for (size_t i = 0; i < t->count; i++) {
		const layer *l = &t->layers[i];
		const size_t own = which < l->count ? which : 0;
		p->choices[l->node] = (node_choice){ true, l->choice[l->known ? l->best : own] };
	}
	return CLAST_OK;
}

static clast_status open_trial(const tuner *t, size_t which, trial *out, clast_diag *d)
{
	clast_plan *p;
	*out = (trial){ 0 };
	clast_status s = plan_create(t->p->model, t->o, NULL, &p, d);
	if (s)
		return s;
	s = set_choices(t, p, which, d);
	if (!s)
		s = trial_open(p, out, d);
	if (s)
		plan_release(p);
	return s;
}

static void close_trial(trial *x)
{
	clast_plan *p = x->plan;
	trial_close(x);
	plan_release(p);
}

static double total(const trial *x)
{
	double sum = 0;
	for (size_t i = 0; i < x->plan->step_count; i++)
		sum += x->least[i];
	return sum;
}

/* Runs both in turn. */
static clast_status compare(trial *own, trial *other, clast_diag *d)
{
	clast_status s = trial_run(own, d);
	if (!s)
		s = trial_run(other, d);
	const double each = total(own) + total(other), more = ENOUGH / (each + 1);
	const size_t runs = more < FEWEST ? FEWEST : more > MOST ? MOST : (size_t)more;
	memset(own->least, 0, own->plan->step_count * sizeof *own->least); /* the first run made the specialisation */
	memset(other->least, 0, other->plan->step_count * sizeof *other->least);
	for (size_t i = 0; !s && i < runs; i++) {
		s = trial_run(own, d);
		if (!s)
			s = trial_run(other, d);
	}
	return s;
}

static void take_ratios(tuner *t, size_t which, const trial *own, const trial *other)
{
	for (size_t i = 0; i < t->count; i++) {
		layer *l = &t->layers[i];
		const double before = own->least[l->step], after = other->least[l->step];
		if (l->known || which >= l->count || before <= 0 || after <= 0 || after / before >= l->ratio)
			continue;
		l->ratio = after / before;
		l->best = which;
	}
}

static clast_status time_choices(tuner *t, clast_diag *d)
{
	size_t most = 0;
	for (size_t i = 0; i < t->count; i++)
		most = !t->layers[i].known && t->layers[i].count > most ? t->layers[i].count : most;
	if (!most)
		return CLAST_OK;
	trial own, other;
	clast_status s = open_trial(t, 0, &own, d);
	if (s)
		return s;
	for (size_t which = 1; !s && which < most; which++) {
		s = open_trial(t, which, &other, d);
		if (s)
			break;
		s = compare(&own, &other, d);
		if (!s)
			take_ratios(t, which, &own, &other);
		close_trial(&other);
	}
	close_trial(&own);
	return s;
}

static void say(const clast_model *m, const char *what)
{
	if (m->log.write)
		m->log.write(m->log.context, CLAST_LOG_INFO, what);
}

/* Layers that were timed just now; of several alike the first. */
static void keep_results(tuner *t)
{
	tune_list fresh = { .memory = &t->p->memory };
	for (size_t i = 0; i < t->count; i++) {
		const layer *l = &t->layers[i];
		if (!l->known && !tune_list_find(&fresh, l->key) && !tune_list_add(&fresh, l->key, &l->choice[l->best]))
			break;
	}
	const char *wrong = tune_list_write(&fresh);
	tune_list_free(&fresh);
	if (wrong) {
		char text[200];
		snprintf(text, sizeof text, "the results of tuning are not kept for later: %s", wrong);
		say(t->p->model, text);
	}
}

/* Layers that are alike run alike, also when they were timed apart. */
static void agree(tuner *t)
{
	for (size_t i = 0; i < t->count; i++)
		for (size_t j = 0; j < i; j++)
			if (!memcmp(t->layers[i].key, t->layers[j].key, sizeof t->layers[i].key)) {
				t->layers[i].best = t->layers[j].best;
				break;
			}
}

static void count_layers(const tuner *t)
{
	clast_plan *p = t->p;
	p->tuned_layers = t->count;
	for (size_t i = 0; i < t->count; i++) {
		p->tuned_timed += !t->layers[i].known;
		p->tuned_other += t->layers[i].best != 0;
	}
}

/* A model may be one that made up inputs of representative extents do not fit, or too large to exist twice. */
static bool may_go_without(clast_status s)
{
	return s != CLAST_OK && s != CLAST_ERROR_CANCELLED;
}

/* One run in which every kernel of the device that has variants is timed in all of them; what is found is the device's, and kept by it. */
static clast_status tune_device(clast_plan *p, clast_diag *d)
{
	clast_diag unused = { 0 };
	device_tuning found = { 0 };
	trial x;
	p->tuned_device = true;
	clast_status s = trial_open(p, &x, &unused);
	if (!s) {
		device_queue_tune(x.session->queue, true, NULL);
		s = trial_run(&x, &unused);
		device_queue_tune(x.session->queue, false, &found);
		trial_close(&x);
	}
	p->tuned_layers = found.calls;
	p->tuned_timed = found.timed;
	p->tuned_other = found.changed;
	if (may_go_without(s)) {
		say(p->model, unused.message);
		say(p->model, "the model is not tuned, since it could not be run");
		return CLAST_OK;
	}
	if (s && d)
		*d = unused;
	return s;
}

clast_status tune_plan(clast_plan *p, const clast_plan_options *o, clast_diag *d)
{
	clast_plan_options plain = *o;
	clast_diag unused = { 0 };
	plain.tune = false;
	tuner t = { .p = p, .o = &plain };
	if (p->precision == CLAST_PRECISION_REFERENCE)
		return CLAST_OK;
	if (p->device)
		return tune_device(p, d);
	tune_list_read(&t.cache, &p->memory);
	pthread_mutex_lock(&p->model->lock);
	clast_status s = list_layers(&t, d);
	pthread_mutex_unlock(&p->model->lock);
	if (!s) {
		s = time_choices(&t, &unused);
		if (may_go_without(s)) {
			say(p->model, unused.message);
			say(p->model, "the model is not tuned, since it could not be run");
			s = CLAST_OK;
		} else if (!s) {
			agree(&t);
			keep_results(&t);
			count_layers(&t);
			for (size_t i = 0; i < t.count; i++)
				t.layers[i].known = true;
			s = set_choices(&t, p, 0, d);
		} else if (d) {
			*d = unused;
		}
	}
	tune_list_free(&t.cache);
	mem_free(&p->memory, t.layers, t.capacity * sizeof *t.layers);
	return s;
}
