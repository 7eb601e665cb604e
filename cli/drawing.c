#include "drawing.h"

#include <stdlib.h>
#include <string.h>

#include "layers.h"

#define ROW 52.0
#define BOX 30.0
#define MARGIN 24.0
#define COLOURS 12
#define LEGEND_ROW 20.0
#define LEGEND_WIDTH 200.0

/* By order of what a step makes; the first two belong to the usual ones, the others are given out as orders turn up. */
static const char *const fills[COLOURS] = { "#dce3ea", "#bfe3c3", "#ffe0a3", "#c9d3f7", "#f3c6d9", "#c4ebe8",
					     "#e6d3b8", "#dcc6ef", "#e9eda6", "#bcd9ee", "#f2cdb8", "#d0d0d0" };

typedef struct legend {
	const char *order[COLOURS];
	bool used[COLOURS];
	size_t count;
} legend;

typedef struct picture {
	FILE *f;
	const clast_step_info *steps;
	size_t step_count;
	const clast_transpose_info **transpose; /* by step, or NULL */
	const char **inputs; /* names: the first nodes of the graph, before the steps */
	size_t input_count;
	legend legend;
	layers g;
	double top; /* of the first layer */
} picture;

void drawing_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
		}
	}
}

/* ---- Colours ---- */

static bool among(const char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

static const char first_name[] = "row-major (N C H W)", last_name[] = "channels last (N H W C)";

/* Row-major and channels-last orders of all ranks share a colour. */
static const char *family_of(const char *order)
{
	static const char *const first[] = { "", "d0", "d0 d1", "N C W", "N C H W", "N C D H W", "d0 d1 d2 d3 d4 d5" };
	static const char *const last[] = { "N W C", "N H W C", "N D H W C" };
	if (among(first, sizeof(first) / sizeof(*first), order))
		return first_name;
	return among(last, sizeof(last) / sizeof(*last), order) ? last_name : order;
}

static size_t colour_of(legend *l, const char *order)
{
	const char *family = family_of(order);
	size_t i = 0;
	while (i < l->count && strcmp(l->order[i], family) != 0)
		i++;
	if (i >= COLOURS - 1) {
		i = COLOURS - 1;
		family = "other orders";
	}
	if (i >= l->count)
		l->order[l->count++] = family;
	l->used[i] = true;
	return i;
}

/* ---- Where things go ---- */

static const char *short_name(const char *name)
{
	const size_t n = strlen(name);
	return n > 26 ? name + n - 26 : name;
}

static size_t label_length(const picture *p, size_t i)
{
	const clast_step_info *s = &p->steps[i];
	const size_t top = strlen(s->op) + (*s->fused ? strlen(s->fused) + 2 : 0), below = strlen(short_name(s->output));
	const clast_transpose_info *t = p->transpose[i];
	const size_t moved = t ? strlen(t->from) + strlen(t->to) + 3 : 0;
	const size_t longest = top > below ? top : below;
	return longest > moved ? longest : moved;
}

/* The node of operand k of a step. */
static uint32_t source_of(picture *p, const clast_step_info *s, size_t k)
{
	size_t i = 0;
	if (s->sources[k] != SIZE_MAX)
		return (uint32_t)(p->input_count + s->sources[k]);
	while (i < p->input_count && strcmp(p->inputs[i], s->operands[k]) != 0)
		i++;
	return (uint32_t)i;
}

/* Values that no step makes: inputs of the model and of bodies. */
static bool find_inputs(picture *p, size_t operands)
{
	p->inputs = calloc(operands + 1, sizeof(*p->inputs));
	for (size_t i = 0; p->inputs && i < p->step_count; i++)
		for (size_t k = 0; k < p->steps[i].operand_count; k++)
			if (p->steps[i].sources[k] == SIZE_MAX && source_of(p, &p->steps[i], k) == p->input_count)
				p->inputs[p->input_count++] = p->steps[i].operands[k];
	return p->inputs != NULL;
}

static void add_edges(picture *p)
{
	layers *g = &p->g;
	for (size_t i = 0; i < p->step_count; i++)
		for (size_t k = 0; k < p->steps[i].operand_count; k++) {
			const uint32_t from = source_of(p, &p->steps[i], k), to = (uint32_t)(p->input_count + i);
			if (from < to)
				g->edges[g->edge_count++] = (layer_edge){ .from = from, .to = to };
		}
}

static double width_for(size_t letters)
{
	return 6.2 * (double)(letters > 40 ? 40 : letters < 8 ? 8 : letters) + 34;
}

static bool place(picture *p)
{
	layers *g = &p->g;
	size_t n = 0;
	for (size_t i = 0; i < p->step_count; i++)
		n += p->steps[i].operand_count;
	if (!find_inputs(p, n))
		return false;
	g->nodes = p->input_count + p->step_count;
	g->edges = calloc(n + 1, sizeof(*g->edges));
	g->width = calloc(g->nodes + 1, sizeof(*g->width));
	if (!g->edges || !g->width)
		return false;
	for (size_t i = 0; i < g->nodes; i++)
		g->width[i] = width_for(i < p->input_count ? strlen(short_name(p->inputs[i])) : label_length(p, i - p->input_count));
	add_edges(p);
	return layers_place(g);
}

static double y_of(const picture *p, uint32_t at)
{
	return p->top + p->g.layer[at] * ROW;
}

static double x_of(const picture *p, uint32_t at)
{
	return MARGIN + p->g.x[at];
}

/* ---- Drawing ---- */

static void curve(const picture *p, double x0, double y0, double x1, double y1)
{
	const double middle = (y0 + y1) / 2;
	if (x0 - x1 < 0.5 && x1 - x0 < 0.5)
		fprintf(p->f, "L%.1f %.1f", x1, y1);
	else
		fprintf(p->f, "C%.1f %.1f %.1f %.1f %.1f %.1f", x0, middle, x1, middle, x1, y1);
}

static void draw_edge(const picture *p, const layer_edge *e)
{
	double x = x_of(p, e->from), y = y_of(p, e->from) + BOX;
	fprintf(p->f, "<path d=\"M%.1f %.1f", x, y);
	for (uint32_t k = 0; k < e->point_count; k++) {
		const double px = x_of(p, e->first_point + k), py = y_of(p, e->first_point + k);
		curve(p, x, y, px, py);
		fprintf(p->f, "L%.1f %.1f", px, py + BOX);
		x = px;
		y = py + BOX;
	}
	curve(p, x, y, x_of(p, e->to), y_of(p, e->to) - 1);
	fputs("\"/>\n", p->f);
}

static void cut_text(FILE *f, const char *text, size_t most)
{
	char part[128];
	size_t n = strlen(text) > most ? most - 1 : most;
	while (n && strlen(text) > most && ((unsigned char)text[n] & 0xc0) == 0x80) /* not within a character */
		n--;
	snprintf(part, sizeof(part), "%.*s%s", (int)n, text, strlen(text) > most ? "\xE2\x80\xA6" : "");
	drawing_text(f, part);
}

static void title(const picture *p, size_t i)
{
	const clast_step_info *s = &p->steps[i];
	const clast_transpose_info *t = p->transpose[i];
	fprintf(p->f, "<title>step %zu: ", i);
	drawing_text(p->f, s->op);
	if (*s->fused)
		fputs(" with ", p->f);
	drawing_text(p->f, s->fused);
	fputs("\n", p->f);
	drawing_text(p->f, s->node);
	fputs("\nmakes ", p->f);
	drawing_text(p->f, s->output);
	fprintf(p->f, " in %s by kernel ", s->order);
	drawing_text(p->f, s->kernel);
	if (t) {
		fprintf(p->f, "\n%zu bytes from %s to %s: ", t->bytes, t->from, t->to);
		drawing_text(p->f, t->reason);
		fputs("\nneedless with ", p->f);
		drawing_text(p->f, t->remedy);
	}
	fputs("</title>", p->f);
}

static void draw_box(const picture *p, uint32_t at, int radius, const char *fill, const char *class)
{
	const double w = p->g.width[at] - 14;
	fprintf(p->f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" rx=\"%d\" fill=\"%s\" class=\"%s\"/>", x_of(p, at) - w / 2,
		y_of(p, at), w, BOX, radius, fill, class);
}

static void draw_label(const picture *p, uint32_t at, double down, const char *class, const char *text)
{
	fprintf(p->f, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x_of(p, at), y_of(p, at) + down);
	cut_text(p->f, text, 40);
	fputs("</text>", p->f);
}

static void draw_step(picture *p, size_t i)
{
	const clast_step_info *s = &p->steps[i];
	const clast_transpose_info *t = p->transpose[i];
	const uint32_t at = (uint32_t)(p->input_count + i);
	const bool view = !strcmp(s->kernel, "view") && !t;
	char text[256];
	fputs("<g>", p->f);
	title(p, i);
	draw_box(p, at, t ? 15 : 4, fills[colour_of(&p->legend, s->order)], t ? "t" : view ? "v" : "k");
	snprintf(text, sizeof(text), "%s%s%s", s->op, *s->fused ? " + " : "", s->fused);
	draw_label(p, at, 13, "k", text);
	if (t)
		snprintf(text, sizeof(text), "%s \xE2\x86\x92 %s", t->from, t->to);
	draw_label(p, at, 24, "s", t ? text : short_name(s->output));
	fputs("</g>\n", p->f);
}

static void draw_input(const picture *p, uint32_t i)
{
	draw_box(p, i, 15, "#fff", "k");
	draw_label(p, i, 19, "k", short_name(p->inputs[i]));
	fputs("\n", p->f);
}

static void draw_legend_row(const picture *p, double y, const char *fill, const char *class, const char *text)
{
	fprintf(p->f, "<rect class=\"%s\" x=\"%.0f\" y=\"%.0f\" width=\"26\" height=\"14\" rx=\"4\" fill=\"%s\"/>", class, MARGIN, y, fill);
	fprintf(p->f, "<text class=\"l\" x=\"%.0f\" y=\"%.0f\">", MARGIN + 34, y + 11);
	drawing_text(p->f, text);
	fputs("</text>\n", p->f);
}

static void draw_legend(const picture *p)
{
	double y = MARGIN;
	for (size_t i = 0; i < p->legend.count; i++)
		if (p->legend.used[i]) {
			draw_legend_row(p, y, fills[i], "k", p->legend.order[i]);
			y += LEGEND_ROW;
		}
	draw_legend_row(p, y, "#fff", "t", "a conversion of order");
	draw_legend_row(p, y + LEGEND_ROW, "#fff", "v", "a view: nothing moves");
}

static const char style[] =
	"<style>.clast rect{stroke:#66707a;stroke-width:1}.clast rect.t{stroke:#d0331f;stroke-width:2.5}"
	".clast rect.v{stroke-dasharray:3 2}.clast path{fill:none;stroke:#8a949e;stroke-width:1.1}"
	".clast text{font:11px sans-serif;text-anchor:middle;fill:#1b2126}.clast text.s{font-size:8.5px;fill:#55606a}"
	".clast text.l{text-anchor:start}</style>\n";

static void draw(picture *p, bool standalone)
{
	p->legend = (legend){ .order = { first_name, last_name }, .count = 2 };
	for (size_t i = 0; i < p->step_count; i++) /* the legend is complete before its height is used */
		colour_of(&p->legend, p->steps[i].order);
	p->top = MARGIN * 2 + LEGEND_ROW * (double)(p->legend.count + 2);
	const double least = LEGEND_WIDTH + 2 * MARGIN, wanted = p->g.total_width + 2 * MARGIN;
	const double width = wanted > least ? wanted : least, height = p->top + p->g.layer_count * ROW + MARGIN;
	if (standalone)
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", p->f);
	fprintf(p->f, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"clast\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n",
		width, height, width, height);
	fputs(style, p->f);
	fprintf(p->f, "<rect x=\"0\" y=\"0\" width=\"%.0f\" height=\"%.0f\" fill=\"#fff\" style=\"stroke:none\"/>\n", width, height);
	draw_legend(p);
	for (size_t i = 0; i < p->g.edge_count; i++)
		draw_edge(p, &p->g.edges[i]);
	for (uint32_t i = 0; i < p->input_count; i++)
		draw_input(p, i);
	for (size_t i = 0; i < p->step_count; i++)
		draw_step(p, i);
	fputs("</svg>\n", p->f);
}

bool drawing_write(FILE *f, const clast_step_info *steps, size_t step_count, const clast_transpose_info *transposes,
		   size_t transpose_count, bool standalone)
{
	picture p = { .f = f, .steps = steps, .step_count = step_count };
	p.transpose = calloc(step_count + 1, sizeof(*p.transpose));
	const bool fine = p.transpose != NULL;
	for (size_t i = 0; fine && i < transpose_count; i++)
		p.transpose[transposes[i].step] = &transposes[i];
	const bool placed = fine && place(&p);
	if (placed)
		draw(&p, standalone);
	layers_free(&p.g);
	free(p.g.edges);
	free(p.g.width);
	free(p.inputs);
	free(p.transpose);
	return placed;
}
