/* Choices that timing made earlier, on disk: one file for each CPU model and instruction set, clast/tune in the user's cache folder.
 * CLAST_TUNE_CACHE=0 does without. */
#ifndef CLAST_API_TUNE_CACHE_H
#define CLAST_API_TUNE_CACHE_H

#include "lower.h"

typedef struct tune_entry {
	uint64_t key[2]; /* of the layer (plan_choices) */
	lower_choice choice;
	uint8_t unused[5];
} tune_entry;

typedef struct tune_list {
	mem *memory;
	tune_entry *entries; /* oldest first, each layer once */
	size_t count, capacity;
} tune_list;

/* What the file holds: nothing if there is none, or none of this CPU and these kernels. */
void tune_list_read(tune_list *l, mem *m);
/* The layer's entry, or NULL. */
const tune_entry *tune_list_find(const tune_list *l, const uint64_t key[2]);
/* False when memory runs out. */
bool tune_list_add(tune_list *l, const uint64_t key[2], const lower_choice *choice);
/* Adds the entries to those of the file, where the oldest make room if they get too many. What went wrong, or NULL. */
const char *tune_list_write(const tune_list *more);
void tune_list_free(tune_list *l);

#endif
