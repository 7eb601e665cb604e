#include "findings.h"

#include <stdio.h>
#include <string.h>

void findings_init(findings *f, mem *m)
{
	*f = (findings){ 0 };
	bump_init(&f->texts, m);
	map_init(&f->kinds, m);
}

void findings_release(findings *f)
{
	mem *m = f->texts.m;
	mem_free(m, f->list, f->capacity * sizeof(*f->list));
	map_release(&f->kinds);
	bump_release(&f->texts);
	findings_init(f, m);
}

/* What failed has been noted: the diag is free for the failure that stops the import. */
static void clear(clast_diag *d)
{
	if (d)
		*d = (clast_diag){ 0 };
}

clast_status findings_add(findings *f, const char *text, const char *where, clast_diag *d)
{
	uint32_t index;
	if (map_get(&f->kinds, text, &index)) {
		f->list[index].count++;
		clear(d);
		return CLAST_OK;
	}
	if (!grow(f->texts.m, &f->list, &f->capacity, f->count + 1, sizeof(*f->list)))
		return fail_memory(d, 0);
	struct finding *x = &f->list[f->count];
	*x = (struct finding){ .text = bump_string(&f->texts, text, strlen(text)),
			       .first = bump_string(&f->texts, where, strlen(where)),
			       .count = 1 };
	if (!x->text || !x->first || !map_put(&f->kinds, text, (uint32_t)f->count))
		return fail_memory(d, 0);
	f->count++;
	clear(d);
	return CLAST_OK;
}

clast_status findings_report(const findings *f, clast_diag *d)
{
	/* Room for the last line, which says how many did not fit, and for the name of the file in front. */
	enum { TAIL = 48 + 120 };
	char message[sizeof(d->message)];
	if (!f->count)
		return CLAST_OK;
	size_t n = (size_t)snprintf(message, sizeof(message), "not supported:");
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *x = &f->list[i];
		const size_t room = sizeof(message) - TAIL - n;
		const int length = snprintf(message + n, room, "\n  %s: %zu time%s, first in \"%s\"", x->text,
					    x->count, x->count == 1 ? "" : "s", quote(x->first).text);
		if ((size_t)length >= room) {
			snprintf(message + n, sizeof(message) - n, "\n  ... and %zu more kinds",
				 f->count - i);
			break;
		}
		n += (size_t)length;
	}
	return fail(d, CLAST_ERROR_UNSUPPORTED, "%s", message);
}

void message_prefix(clast_diag *d, const char *text)
{
	if (!d)
		return;
	const size_t size = sizeof(d->message);
	size_t n = strlen(text);
	if (n >= size / 2)
		n = size / 2;
	const size_t kept = strnlen(d->message, size - n - 1);
	memmove(d->message + n, d->message, kept);
	memcpy(d->message, text, n);
	d->message[n + kept] = 0;
}
