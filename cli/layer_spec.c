/* The language of --layer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer.h"
#include "layer_kinds.h"

static const char *const key_names[LAYER_KEYS] = { [KEY_N] = "n",	   [KEY_C] = "c",
						   [KEY_H] = "h",	   [KEY_W] = "w",
						   [KEY_K] = "k",	   [KEY_M] = "m",
						   [KEY_STRIDE] = "stride", [KEY_DILATION] = "dilation",
						   [KEY_GROUP] = "group",  [KEY_PAD] = "pad",
						   [KEY_PARTS] = "parts",  [KEY_SCALE] = "scale",
						   [KEY_LINEAR] = "linear" };

enum { MOST_COMBINATIONS = 10000, MOST_VALUES = 1000 };
/* Keeps all products of extents within 64 bits. */
#define MOST_EXTENT 1000000

/* ---- Help ---- */

static void kinds_text(char *text, size_t size)
{
	size_t n = 0;
	text[0] = 0;
	for (const layer_kind *k = layer_kinds; k->name && n < size; k++)
		n += (size_t)snprintf(text + n, size - n, "%s%s", k == layer_kinds ? "" : ", ", k->name);
}

/* "n=1 c=64 h=56 w=h": the keys of a kind with their defaults. */
static void keys_text(const layer_kind *k, char *text, size_t size)
{
	size_t n = 0;
	text[0] = 0;
	for (const layer_default *d = k->keys; d->text && n < size; d++)
		n += (size_t)snprintf(text + n, size - n, "%s%s=%s", d == k->keys ? "" : " ", key_names[d->key], d->text);
}

void layer_help(void)
{
	puts("--layer KIND,KEY=VALUE,... times a single layer; keys that are left out have the values shown.\n");
	for (const layer_kind *k = layer_kinds; k->name; k++) {
		char keys[200];
		keys_text(k, keys, sizeof(keys));
		printf("  %-10s %s\n  %-10s %s\n", k->name, keys, "", k->what);
	}
	puts("\nA value is a number, a list 16/32/64, or a range: 1..4 counts by 1, 8..64+8 by 8, 7..224*2 doubles.\n"
	     "With several of them every combination is timed. For example:\n\n"
	     "  clast bench --layer conv,c=64,h=56,k=3 --strategies all\n"
	     "  clast bench --layer conv,c=16..256*2,h=14/28/56,k=1/3 --layer-orders first,last --csv conv.csv\n"
	     "  clast bench --layer depthwise,c=144,h=56,stride=1/2 --isas all --threads 1");
}

/* ---- Values ---- */

static bool read_number(const char **at, int64_t *out)
{
	char *end;
	errno = 0;
	if (**at < '0' || **at > '9')
		return false;
	*out = strtoll(*at, &end, 10);
	*at = end;
	return !errno && *out <= MOST_EXTENT;
}

static bool add(layer_sweep *s, int key, int64_t value)
{
	if (s->counts[key] == MOST_VALUES)
		return false;
	int64_t *more = realloc(s->values[key], (s->counts[key] + 1) * sizeof(*more));
	if (!more)
		return false;
	s->values[key] = more;
	more[s->counts[key]++] = value;
	return true;
}

/* One number or range up to '/' or the end. */
static bool read_range(layer_sweep *s, int key, const char **at)
{
	int64_t first, last, step = 1;
	bool product = false;
	if (!read_number(at, &first))
		return false;
	last = first;
	if (!strncmp(*at, "..", 2)) {
		*at += 2;
		if (!read_number(at, &last) || last < first)
			return false;
		if (**at == '+' || **at == '*') {
			product = *(*at)++ == '*';
			if (!read_number(at, &step) || step < 1 + product)
				return false;
		}
	}
	if (product && !first)
		return false;
	for (int64_t x = first; x <= last; x = product ? x * step : x + step)
		if (!add(s, key, x))
			return false;
	return true;
}

static bool read_values(layer_sweep *s, int key, const char *text)
{
	for (const char *at = text;; at++) {
		if (!read_range(s, key, &at))
			return false;
		if (!*at)
			return true;
		if (*at != '/')
			return false;
	}
}

/* ---- The whole ---- */

static int find_key(const layer_kind *k, const char *name)
{
	for (const layer_default *d = k->keys; d->text; d++)
		if (!strcmp(name, key_names[d->key]))
			return (int)d->key;
	return -1;
}

static clast_status read_pair(layer_sweep *s, char *pair, problem *p)
{
	char *equals = strchr(pair, '='), keys[200];
	keys_text(s->kind, keys, sizeof(keys));
	if (!equals)
		return problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer %s: \"%s\": expected KEY=VALUE with a key of %s",
				   s->kind->name, pair, keys);
	*equals = 0;
	const int key = find_key(s->kind, pair);
	if (key < 0)
		return problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer %s has no key \"%s\"; its keys are %s",
				   s->kind->name, pair, keys);
	if (s->counts[key])
		return problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer %s: %s is given twice; a list is %s=1/2",
				   s->kind->name, pair, pair);
	if (!read_values(s, key, equals + 1))
		return problem_set(p, CLAST_ERROR_ARGUMENT, NULL,
				   "--layer %s: %s=%s: expected numbers up to %d such as 64, 16/32, 8..64+8 or 7..224*2",
				   s->kind->name, pair, equals + 1, MOST_EXTENT);
	return CLAST_OK;
}

static clast_status find_kind(layer_sweep *s, const char *name, problem *p)
{
	char kinds[200];
	for (const layer_kind *k = layer_kinds; k->name; k++)
		if (!strcmp(k->name, name))
			s->kind = k;
	kinds_text(kinds, sizeof(kinds));
	return s->kind ? CLAST_OK
		       : problem_set(p, CLAST_ERROR_ARGUMENT, NULL,
				     "--layer %s: there is no such kind of layer; there are %s (--layer help says more)", name, kinds);
}

clast_status layer_sweep_parse(layer_sweep *s, const char *text, problem *p)
{
	*s = (layer_sweep){ .total = 1 };
	char *copy = strdup(text), *rest = copy;
	if (!copy)
		return problem_set(p, CLAST_ERROR_MEMORY, NULL, "out of memory");
	clast_status status = find_kind(s, strsep(&rest, ","), p);
	while (!status && rest)
		status = read_pair(s, strsep(&rest, ","), p);
	for (int key = 0; !status && key < LAYER_KEYS; key++) {
		s->total *= s->counts[key] ? s->counts[key] : 1;
		if (s->total > MOST_COMBINATIONS)
			status = problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer %s: more than %d combinations", text,
					     MOST_COMBINATIONS);
	}
	free(copy);
	return status;
}

void layer_sweep_free(layer_sweep *s)
{
	for (int key = 0; key < LAYER_KEYS; key++)
		free(s->values[key]);
	*s = (layer_sweep){ 0 };
}

/* Defaults are numbers or the name of a key that comes before. */
static void set_default(layer *l, const layer_default *d)
{
	const int other = find_key(l->kind, d->text);
	l->value[d->key] = other >= 0 ? l->value[other] : strcmp(d->text, "same") ? strtoll(d->text, NULL, 10)
			 : l->value[KEY_DILATION] * (l->value[KEY_K] - 1) / 2;
}

clast_status layer_at(const layer_sweep *s, size_t index, layer *out, problem *p)
{
	*out = (layer){ .kind = s->kind };
	for (const layer_default *d = s->kind->keys; d->text; d++) {
		const size_t n = s->counts[d->key];
		if (!n) {
			set_default(out, d);
			continue;
		}
		out->value[d->key] = s->values[d->key][index % n];
		index /= n;
	}
	for (const layer_default *d = s->kind->keys; d->text; d++)
		if (out->value[d->key] < (d->key != KEY_PAD && d->key != KEY_LINEAR))
			return problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer %s: %s has to be at least 1", s->kind->name,
					   key_names[d->key]);
	const char *wrong = s->kind->check ? s->kind->check(out) : NULL;
	char text[200];
	layer_text(out, text, sizeof(text));
	return wrong ? problem_set(p, CLAST_ERROR_ARGUMENT, NULL, "--layer %s: %s", text, wrong) : CLAST_OK;
}

void layer_text(const layer *l, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "%s", l->kind->name);
	for (const layer_default *d = l->kind->keys; d->text && n < size; d++)
		n += (size_t)snprintf(text + n, size - n, ",%s=%lld", key_names[d->key], (long long)l->value[d->key]);
}
