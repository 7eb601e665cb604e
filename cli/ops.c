/* clast ops: what is implemented. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "options.h"
#include "report.h"

static int by_name(const void *a, const void *b)
{
	const clast_op_info *x = a, *y = b;
	const int domain = strcmp(x->domain, y->domain);
	return domain ? domain : strcmp(x->name, y->name);
}

static bool is_onnx(const clast_op_info *i)
{
	return !*i->domain || !strcmp(i->domain, "ai.onnx");
}

static void print_text(const clast_op_info *ops, size_t count)
{
	printf("%-34s %-6s %-7s %-9s %-11s %s\n", "operator", "since", "latest", "layout", "devices", "domain");
	for (size_t i = 0; i < count; i++)
		printf("%-34s %-6d %-7d %-9s %-11s %s\n", ops[i].name, ops[i].since, ops[i].latest,
		       ops[i].layout_rule, ops[i].devices, is_onnx(&ops[i]) ? "ai.onnx" : ops[i].domain);
	printf("%zu operators\n", count);
}

static bool print_json(const options *o, const clast_op_info *ops, size_t count)
{
	emitter j;
	if (!emit_open(&j, o))
		return false;
	emit_object(&j, NULL);
	emit_array(&j, "ops");
	for (size_t i = 0; i < count; i++) {
		emit_object(&j, NULL);
		emit_string(&j, "name", ops[i].name);
		emit_string(&j, "domain", is_onnx(&ops[i]) ? "ai.onnx" : ops[i].domain);
		emit_integer(&j, "since", ops[i].since);
		emit_integer(&j, "latest", ops[i].latest);
		emit_string(&j, "layout_rule", ops[i].layout_rule);
		emit_array(&j, "devices");
		emit_string(&j, NULL, "cpu");
		if (strstr(ops[i].devices, "opencl"))
			emit_string(&j, NULL, "opencl");
		emit_end_array(&j);
		emit_end_object(&j);
	}
	emit_end_array(&j);
	emit_end_object(&j);
	return emit_close(&j);
}

int command_ops(const options *o)
{
	const size_t count = clast_op_count();
	clast_op_info *ops = calloc(count + 1, sizeof(*ops));
	int code = EXIT_FINE;
	if (!arguments_expected(o, 0)) {
		free(ops);
		return EXIT_USAGE;
	}
	for (size_t i = 0; ops && i < count; i++)
		if (clast_op(i, &ops[i])) {
			free(ops);
			ops = NULL;
		}
	if (!ops) {
		report_error(NULL, "the list of operators cannot be read");
		return EXIT_IO;
	}
	qsort(ops, count, sizeof(*ops), by_name);
	if (!o->json.count)
		print_text(ops, count);
	else if (!print_json(o, ops, count))
		code = EXIT_IO;
	free(ops);
	return code;
}
