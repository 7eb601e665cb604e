/* What of a model is not supported, gathered so that all of it is reported at once. */
#ifndef CLAST_IMPORTER_FINDINGS_H
#define CLAST_IMPORTER_FINDINGS_H

#include "diag.h"
#include "map.h"

typedef struct findings {
	bump texts;
	map kinds; /* text -> index */
	struct finding {
		const char *text, *first;
		size_t count;
	} * list;
	size_t count, capacity;
} findings;

void findings_init(findings *f, mem *m);
void findings_release(findings *f);
/* Counts one more thing of the kind that text names; where is the node or value. Both are copied. */
clast_status findings_add(findings *f, const char *text, const char *where, clast_diag *d);
/* CLAST_ERROR_UNSUPPORTED and a line for each kind; CLAST_OK if there is none. */
clast_status findings_report(const findings *f, clast_diag *d);

/* Puts text in front of the message of a failure. d may be NULL. */
void message_prefix(clast_diag *d, const char *text);

#endif
