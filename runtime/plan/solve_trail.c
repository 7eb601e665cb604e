/* Records of eliminated variables. A record: the variable; the number of neighbours; for each neighbour
 * its id, its names and its labels then; the best labels, two a word; the length of the record. */
#include "solve_trail.h"

#define CHUNK_WORDS ((size_t)1 << 16)

bool trail_init(trail *t, mem *m)
{
	*t = (trail){ .m = m };
	if (!grow(m, &t->name, &t->name_capacity, 1, sizeof *t->name))
		return false;
	t->name[t->names++] = (label_names){ .label = NULL };
	return true;
}

void trail_release(trail *t)
{
	if (!t->m)
		return;
	trail_cut(t, 0, 0);
	if (t->chunks > 0)
		mem_free(t->m, t->chunk[0].word, t->chunk[0].capacity * sizeof(uint32_t));
	mem_free(t->m, t->chunk, t->chunk_capacity * sizeof *t->chunk);
	mem_free(t->m, t->name, t->name_capacity * sizeof *t->name);
	*t = (trail){ .m = NULL };
}

/* A chunk with room for a record of so many words. */
static trail_chunk *chunk_for(trail *t, size_t words)
{
	if (t->chunks > 0 && t->chunk[t->chunks - 1].capacity - t->chunk[t->chunks - 1].words >= words)
		return &t->chunk[t->chunks - 1];
	const size_t capacity = words > CHUNK_WORDS ? words : CHUNK_WORDS;
	uint32_t *word = mem_array(t->m, capacity, sizeof *word);
	if (!word || !grow(t->m, &t->chunk, &t->chunk_capacity, t->chunks + 1, sizeof *t->chunk)) {
		mem_free(t->m, word, word ? capacity * sizeof *word : 0);
		return NULL;
	}
	t->chunk[t->chunks] = (trail_chunk){ .start = t->words, .capacity = capacity, .word = word };
	return &t->chunk[t->chunks++];
}

uint32_t *trail_open(trail *t, uint32_t id, uint32_t neighbours, size_t entries)
{
	const size_t words = 2 + 3 * (size_t)neighbours + (entries + 1) / 2 + 1;
	trail_chunk *c = words <= UINT32_MAX ? chunk_for(t, words) : NULL;
	if (!c)
		return NULL;
	uint32_t *record = c->word + c->words;
	record[0] = id;
	record[1] = neighbours;
	record[words - 1] = (uint32_t)words;
	c->words += words;
	t->words += words;
	return record;
}

uint32_t trail_name(trail *t, uint32_t count, uint16_t *label)
{
	if (!grow(t->m, &t->name, &t->name_capacity, t->names + 1, sizeof *t->name)) {
		mem_free(t->m, label, count * sizeof *label);
		return 0;
	}
	t->name[t->names] = (label_names){ count, label };
	return (uint32_t)t->names++;
}

void trail_cut(trail *t, size_t words, size_t names)
{
	/* The first chunk stays for what comes. */
	while (t->chunks > 1 && t->chunk[t->chunks - 1].start >= words) {
		trail_chunk *c = &t->chunk[--t->chunks];
		mem_free(t->m, c->word, c->capacity * sizeof *c->word);
	}
	if (t->chunks > 0)
		t->chunk[t->chunks - 1].words = words - t->chunk[t->chunks - 1].start;
	t->words = words;
	while (t->names > names) {
		label_names *n = &t->name[--t->names];
		mem_free(t->m, n->label, n->label ? n->labels * sizeof *n->label : 0);
	}
}

static uint32_t find_label(const label_names *names, uint16_t label)
{
	if (!names->label)
		return label;
	uint32_t k = 0;
	while (k + 1 < names->labels && names->label[k] != label)
		k++;
	return k;
}

static void replay_record(const trail *t, const uint32_t *record, uint16_t *label)
{
	const uint32_t neighbours = record[1];
	size_t entry = 0;
	for (uint32_t k = 0; k < neighbours; k++) {
		const uint32_t *s = record + 2 + 3 * k;
		entry = entry * s[2] + find_label(&t->name[s[1]], label[s[0]]);
	}
	const uint16_t *best = (const uint16_t *)(record + 2 + 3 * neighbours);
	label[record[0]] = best[entry];
}

void trail_replay(const trail *t, size_t words, uint16_t *label)
{
	for (size_t k = t->chunks; k-- > 0;) {
		const trail_chunk *c = &t->chunk[k];
		for (size_t end = c->words; end > 0 && c->start + end > words;) {
			end -= c->word[end - 1];
			replay_record(t, c->word + end, label);
		}
	}
}
