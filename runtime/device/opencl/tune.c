/* Variants of kernels chosen by timing.
 *
 * A queue that tunes runs each call that has variants in every one of them before the call itself, on the operands at hand, and notes the
 * fastest. Calls made afterwards for a plan that asks for it are made in that variant. What was found is kept on disk beside the
 * programs: a file a device and driver, an entry a call, whose key covers the sources too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_file.h"
#include "opencl.h"

enum { MOST_CHOICES = 4096, TRIES = 3 };
/* A variant has to be this much faster than the guess. */
#define CLEARLY 0.95

static bool file_of(const opencl_device *x, cache_file *f)
{
	const char *off = getenv("CLAST_OPENCL_CACHE");
	char name[48];
	*f = (cache_file){ .magic = "clasttn1", .most_bytes = MOST_CHOICES * sizeof(opencl_choice) };
	cache_key_begin(f->key);
	cache_key_add(f->key, &x->info, sizeof x->info);
	snprintf(name, sizeof name, "tune-%016llx.bin", (unsigned long long)f->key[0]);
	return !(off && !strcmp(off, "0")) && cache_file_at(f, "opencl", name);
}

/* The list that a file holds; nothing where there is none or it is damaged. */
static size_t read_file(opencl_device *x, opencl_choice **list, size_t *bytes)
{
	cache_file f;
	void *content = NULL;
	*list = NULL;
	if (!file_of(x, &f) || !cache_file_read(&f, &x->memory, &content, bytes))
		return 0;
	if (!*bytes || *bytes % sizeof **list) {
		mem_free(&x->memory, content, *bytes);
		return 0;
	}
	*list = content;
	return *bytes / sizeof **list;
}

static opencl_choice *find(opencl_device *x, const uint64_t key[2])
{
	for (size_t i = 0; i < x->choice_count; i++)
		if (x->choices[i].key[0] == key[0] && x->choices[i].key[1] == key[1])
			return &x->choices[i];
	return NULL;
}

static bool add(opencl_device *x, const opencl_choice *c)
{
	if (x->choice_count >= MOST_CHOICES || !grow(&x->memory, &x->choices, &x->choice_capacity, x->choice_count + 1, sizeof *c))
		return false;
	x->choices[x->choice_count++] = *c;
	return true;
}

/* Under the device's lock. */
static void read_choices(opencl_device *x)
{
	opencl_choice *list;
	size_t bytes;
	if (x->choices_read)
		return;
	x->choices_read = true;
	const size_t count = read_file(x, &list, &bytes);
	for (size_t i = 0; i < count; i++) {
		list[i].text[sizeof list[i].text - 1] = 0;
		if (!find(x, list[i].key))
			(void)add(x, &list[i]);
	}
	if (count)
		mem_free(&x->memory, list, bytes);
}

/* What other processes have written meanwhile is kept. */
void opencl_save_choices(opencl_device *x)
{
	cache_file f;
	opencl_choice *list;
	size_t bytes;
	if (x->choices_fresh && file_of(x, &f)) {
		const size_t count = read_file(x, &list, &bytes);
		for (size_t i = 0; i < count; i++)
			if (!find(x, list[i].key))
				(void)add(x, &list[i]);
		if (count)
			mem_free(&x->memory, list, bytes);
		(void)cache_file_write(&f, x->choices, x->choice_count * sizeof *x->choices);
	}
	mem_free(&x->memory, x->choices, x->choice_capacity * sizeof *x->choices);
	x->choices = NULL;
	x->choice_count = x->choice_capacity = 0;
}

/* The kernel as it is without a choice, the extents and strides of the call, and which operands there are. */
void opencl_call_key(const opencl_work *w, kernel_id kernel, uint32_t present, uint64_t key[2])
{
	const uint32_t ids[2] = { (uint32_t)kernel, present };
	cache_key_begin(key);
	cache_key_add(key, ids, sizeof ids);
	cache_key_add(key, w->text, w->text_length);
	for (size_t i = 0; i < sizeof w->library / sizeof *w->library; i++)
		if (w->library[i])
			cache_key_add(key, w->library[i], strlen(w->library[i]));
	cache_key_add(key, w->body, strlen(w->body));
	cache_key_add(key, w->args, w->args_bytes);
	cache_key_add(key, w->global, sizeof w->global);
}

static uint32_t variant_of(kernel_id kernel, const char *text)
{
	char name[sizeof((opencl_choice *)0)->text];
	for (uint32_t v = 1; v < opencl_variant_count(kernel); v++) {
		opencl_variant_text(kernel, v, name, sizeof name);
		if (!strcmp(name, text))
			return v;
	}
	return 0;
}

uint32_t opencl_chosen_variant(opencl_device *x, kernel_id kernel, const uint64_t key[2])
{
	pthread_mutex_lock(&x->lock);
	read_choices(x);
	const opencl_choice *c = find(x, key);
	const uint32_t v = c ? variant_of(kernel, c->text) : 0;
	pthread_mutex_unlock(&x->lock);
	return v;
}

/* ---- Timing ---- */

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The least of a few times after one that is not counted; negative if it fails. */
static double time_call(device_queue *q, const device_call *c, size_t n, const device_arg *args)
{
	double least = -1;
	for (int i = 0; i <= TRIES; i++) {
		const double start = now_ns();
		if (opencl_enqueue((opencl_queue *)q, c, n, args, NULL) || opencl_finish(q, NULL))
			return -1;
		const double ns = now_ns() - start;
		if (i && (least < 0 || ns < least))
			least = ns;
	}
	return least;
}

/* Variant v of a call; negative where it does not exist, does not compile or fails. */
static double time_variant(opencl_queue *q, const device_call *c, uint32_t v, opencl_work *w, size_t n, const device_arg *args)
{
	opencl_device *x = q->device;
	opencl_target t = x->target;
	opencl_program *compiled;
	t.variant = v;
	if (!opencl_kernel(c->kernel)(&t, c->params, c->present, w) || w->operands & ~c->present || opencl_compile(x, w, &compiled, NULL))
		return -1;
	device_call *other = mem_alloc(&x->memory, sizeof *other + w->args_bytes);
	if (!other)
		return -1;
	opencl_fill_call(other, w, compiled);
	const double ns = time_call(&q->base, other, n, args);
	mem_free(&x->memory, other, sizeof *other + w->args_bytes);
	return ns;
}

static void note(opencl_queue *q, const device_call *c, uint32_t best)
{
	opencl_device *x = q->device;
	opencl_choice choice = { .key = { c->key[0], c->key[1] } };
	opencl_variant_text(c->kernel, best, choice.text, sizeof choice.text);
	q->tuned.timed++;
	q->tuned.changed += best != 0;
	pthread_mutex_lock(&x->lock);
	x->choices_fresh |= !find(x, c->key) && add(x, &choice);
	pthread_mutex_unlock(&x->lock);
}

void opencl_tune_call(opencl_queue *q, const device_call *c, size_t n, const device_arg *args)
{
	opencl_device *x = q->device;
	uint32_t best = 0;
	q->tuned.calls++;
	pthread_mutex_lock(&x->lock);
	read_choices(x);
	const opencl_choice *known = find(x, c->key);
	q->tuned.changed += known && variant_of(c->kernel, known->text);
	pthread_mutex_unlock(&x->lock);
	if (known)
		return;
	opencl_work *w = mem_alloc(&x->memory, sizeof *w);
	const double own = w ? time_call(&q->base, c, n, args) : -1;
	double least = own * CLEARLY;
	for (uint32_t v = 1; own >= 0 && v < opencl_variant_count(c->kernel); v++) {
		const double ns = time_variant(q, c, v, w, n, args);
		if (ns >= 0 && ns < least) {
			least = ns;
			best = v;
		}
	}
	mem_free(&x->memory, w, sizeof *w);
	if (own >= 0)
		note(q, c, best);
}

void opencl_tune(device_queue *base, bool on, device_tuning *found)
{
	opencl_queue *q = (opencl_queue *)base;
	q->tunes = on;
	if (found)
		*found = q->tuned;
}
