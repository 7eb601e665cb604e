/* clast inspect --svg and --html: pictures of a plan. */
#include <errno.h>
#include <string.h>

#include "inspection.h"
#include "drawing.h"

static bool draw(FILE *f, const inspection *i, bool standalone)
{
	return drawing_write(f, i->steps, i->step_count, i->transposes, i->transpose_count, standalone);
}

static void cell(FILE *f, const char *text)
{
	fputs("<td>", f);
	drawing_text(f, text);
	fputs("</td>", f);
}

static void number(FILE *f, unsigned long long n)
{
	fprintf(f, "<td class=\"n\">%llu</td>", n);
}

static void write_totals(FILE *f, const options *o, const inspection *i)
{
	const clast_plan_report *r = &i->report;
	fprintf(f, "<p>%zu nodes in %zu steps, %zu by reference. %zu conversions of order inside (%zu bytes), %zu for inputs and outputs; "
		   "%zu bytes copied. By %s the orders cost %llu; proved bound %llu%s.</p>\n",
		r->nodes, r->steps, r->reference_steps, r->transposes, r->transpose_bytes, r->io_transposes, r->copy_bytes,
		engine_objective(o), (unsigned long long)r->layout_cost, (unsigned long long)r->layout_bound,
		r->optimal ? ": none cost less" : "");
}

static void write_transposes(FILE *f, const inspection *i)
{
	if (!i->transpose_count)
		return;
	fputs("<table><tr><th>value</th><th>bytes</th><th>from</th><th>to</th><th>forced by</th><th>needless with</th></tr>\n", f);
	for (size_t k = 0; k < i->transpose_count; k++) {
		const clast_transpose_info *t = &i->transposes[k];
		fputs("<tr>", f);
		cell(f, t->value);
		number(f, t->bytes);
		cell(f, t->from);
		cell(f, t->to);
		fputs("<td>", f);
		drawing_text(f, t->reason);
		fputs(*t->node ? "<br><small>" : "", f);
		drawing_text(f, t->node);
		fputs(*t->node ? "</small></td>" : "</td>", f);
		cell(f, t->remedy);
		fputs("</tr>\n", f);
	}
	fputs("</table>\n", f);
}

static void write_strategies(FILE *f, const inspection *i)
{
	fputs("<table><tr><th>strategy</th><th>conversions</th><th>bytes</th><th>for inputs and outputs</th><th>bytes copied</th></tr>\n", f);
	for (size_t k = 0; k < i->plan_count; k++) {
		const clast_plan_report *r = &i->reports[k];
		fputs("<tr>", f);
		cell(f, i->plans[k].name);
		number(f, r->transposes);
		number(f, r->transpose_bytes);
		number(f, r->io_transposes);
		number(f, r->copy_bytes);
		fputs("</tr>\n", f);
	}
	fputs("</table>\n", f);
}

static bool write_page(FILE *f, const options *o, const inspection *i)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", f);
	drawing_text(f, i->e.path);
	fputs("</title><style>body{font:14px sans-serif;margin:24px;color:#1b2126}table{border-collapse:collapse;margin:16px 0}"
	      "td,th{border:1px solid #c8ced4;padding:3px 9px;text-align:left}td.n{text-align:right}"
	      ".picture{overflow:auto;border:1px solid #c8ced4}</style></head><body>\n<h1>",
	      f);
	drawing_text(f, i->e.path);
	fprintf(f, "</h1>\n<p>Strategy %s.</p>\n", engine_strategy(o));
	write_totals(f, o, i);
	write_transposes(f, i);
	write_strategies(f, i);
	fputs("<div class=\"picture\">\n", f);
	const bool fine = draw(f, i, false);
	fputs("</div>\n</body></html>\n", f);
	return fine;
}

static int write_file(const char *path, const options *o, const inspection *i, bool page)
{
	FILE *f = fopen(path, "w");
	if (!f) {
		report_error(path, "%s", strerror(errno));
		return EXIT_IO;
	}
	const bool drawn = page ? write_page(f, o, i) : draw(f, i, true), failed = ferror(f) != 0;
	if (fclose(f) || failed || !drawn) {
		report_error(path, "%s", drawn ? strerror(errno) : "out of memory");
		return EXIT_IO;
	}
	return EXIT_FINE;
}

int inspection_pictures(const options *o, const inspection *i)
{
	int code = EXIT_FINE;
	if (o->svg.count)
		code = write_file(o->svg.text, o, i, false);
	if (!code && o->html.count)
		code = write_file(o->html.text, o, i, true);
	return code;
}
