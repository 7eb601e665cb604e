/* What a good file becomes, and what is said of a wrong one. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "build.h"

#define MODEL CLAST_ERROR_MODEL
#define UNSUPPORTED CLAST_ERROR_UNSUPPORTED

static file f;

static void begin(void)
{
	begin_model(&f, 8, 17);
	begin_graph(&f, "main");
}

static void input_x(void)
{
	put_value(&f, 11, "x", 1, "2 3");
}

static void output(const char *name)
{
	put_value(&f, 12, name, 1, NULL);
}

static void finish_bad(clast_status status, const char *a, const char *b)
{
	close_message(&f);
	import_bad(&f, status, a, b, NULL);
	file_free(&f);
}

static clast_model *finish_good(void)
{
	close_message(&f);
	clast_model *m = import_good(&f);
	file_free(&f);
	return m;
}

/* ---- Good models ---- */

Test(import, reads_inputs_nodes_outputs)
{
	begin();
	put_value(&f, 11, "x", 1, "N 3 ? N");
	put_node(&f, "Identity", "x", "y");
	output("y");
	clast_model *m = finish_good();
	const graph *g = &m->graphs[0];
	cr_assert_str_eq(g->name, "main");
	cr_assert_eq(g->input_count, 1);
	cr_assert_eq(g->node_count, 1);
	cr_assert_eq(g->output_count, 1);
	const value *x = &m->values[g->inputs[0]];
	cr_assert_str_eq(x->name, "x");
	cr_assert_eq(x->dtype, CLAST_FLOAT32);
	cr_assert_eq(x->rank, 4);
	cr_assert_eq(x->dims[1], 3);
	cr_assert_eq(x->dims[0], x->dims[3], "one name, one unknown");
	cr_assert(dim_is_expr(x->dims[0]) && dim_is_expr(x->dims[2]));
	cr_assert_neq(x->dims[0], x->dims[2]);
	cr_assert_str_eq(m->values[g->outputs[0]].name, "y");
	cr_assert_str_eq(m->nodes[g->nodes[0]].op->name, "Identity");
	model_release(m);
}

Test(import, mixed_model)
{
	put_mixed_model(&f);
	cr_assert_leq(f.size, 4096);
	clast_model *m = import_good(&f);
	cr_assert_eq(m->graphs[0].input_count, 2);
	cr_assert_eq(m->graph_count, 3);
	/* Identity, two of the function, If; and one in either branch. */
	cr_assert_eq(m->graphs[0].node_count, 4);
	cr_assert_eq(m->graphs[1].node_count, 1);
	const value *w = find_value(m, "w"), *sparse = find_value(m, "sparse"), *text = find_value(m, "text");
	cr_assert(w->constant && sparse->constant && text->constant);
	cr_assert_float_eq(((const float *)w->constant->data)[3], 8, 0);
	cr_assert_eq(((const int64_t *)sparse->constant->data)[2], 1);
	cr_assert_eq(((const int64_t *)sparse->constant->data)[3], 0);
	cr_assert_eq(((const clast_string *)text->constant->data)[0].length, 3);
	cr_assert_eq(((const clast_string *)text->constant->data)[1].length, 0);
	cr_assert_eq(((const uint8_t *)find_value(m, "bytes")->constant->data)[1], 2);
	/* The constant of the function, made of the call's attribute, has the call's name in front. */
	const value *s = find_value(m, "Twice/s");
	cr_assert(s && s->constant);
	cr_assert_eq(s->constant->dims[0], 2);
	cr_assert_eq(((const int64_t *)s->constant->data)[1], 4);
	/* The function's output is the call's. */
	cr_assert_neq(find_value(m, "y2")->producer, NO_ID);
	cr_assert_null(find_value(m, "Twice/b"));
	/* The branch captures. */
	cr_assert_eq(m->nodes[m->graphs[1].nodes[0]].in[0], find_id(m, "y2"));
	file_free(&f);
	model_release(m);
}

Test(import, old_files_list_initializers_as_inputs)
{
	begin_model(&f, 3, 9);
	begin_graph(&f, "g");
	input_x();
	put_value(&f, 11, "w", 1, "1");
	begin_tensor(&f, 5, "w", 1, "1");
	put_float(&f, 4, 2.5f);
	close_message(&f);
	put_node(&f, "Identity", "w", "y");
	output("y");
	clast_model *m = finish_good();
	cr_assert_eq(m->graphs[0].input_count, 1);
	cr_assert(find_value(m, "w")->constant);
	model_release(m);
}

Test(import, initializer_of_another_dtype_than_declared)
{
	begin();
	put_value(&f, 11, "w", 7, "1");
	begin_tensor(&f, 5, "w", 1, "1");
	put_float(&f, 4, 2.5f);
	close_message(&f);
	output("w");
	finish_bad(MODEL, "declared as int64", "float32");
}

Test(import, nodes_in_any_order_are_sorted)
{
	begin();
	input_x();
	put_node(&f, "Identity", "b", "c");
	put_node(&f, "Identity", "a", "b");
	put_node(&f, "Identity", "x", "a");
	output("c");
	clast_model *m = finish_good();
	const graph *g = &m->graphs[0];
	cr_assert_str_eq(m->values[m->nodes[g->nodes[0]].out[0]].name, "a");
	cr_assert_str_eq(m->values[m->nodes[g->nodes[2]].out[0]].name, "c");
	model_release(m);
}

Test(import, constant_forms)
{
	const float floats[] = { 1, 2 };
	begin();
	begin_node(&f, 1, "", "Constant", "", "a");
	begin_attribute(&f, 5, "value_float", 1);
	put_float(&f, 2, 1.5f);
	close_message(&f);
	close_message(&f);
	begin_node(&f, 1, "ai.onnx", "Constant", "", "b");
	begin_attribute(&f, 5, "value_floats", 6);
	put_bytes(&f, 7, floats, sizeof(floats)); /* packed */
	close_message(&f);
	close_message(&f);
	begin_node(&f, 1, "", "Constant", "", "c");
	begin_attribute(&f, 5, "value_strings", 8);
	put_bytes(&f, 9, "p\0q", 3);
	close_message(&f);
	close_message(&f);
	begin_node(&f, 1, "", "Constant", "", "d");
	begin_attribute(&f, 5, "value_int", 2); /* 0 left out, as proto3 writers do */
	close_message(&f);
	close_message(&f);
	begin_node(&f, 1, "", "Constant", "", "e");
	begin_attribute(&f, 5, "value", 4);
	begin_tensor(&f, 5, "t", 11, "");
	put_bytes(&f, 9, &(double){ 0.25 }, 8);
	close_message(&f);
	close_message(&f);
	close_message(&f);
	output("a");
	clast_model *m = finish_good();
	cr_assert_eq(m->node_count, 0);
	const tensor_view *a = find_value(m, "a")->constant, *b = find_value(m, "b")->constant;
	const clast_string *c = find_value(m, "c")->constant->data;
	cr_assert_eq(a->rank, 0);
	cr_assert_eq(*(const float *)a->data, 1.5f);
	cr_assert_eq(b->rank, 1);
	cr_assert_eq(((const float *)b->data)[1], 2);
	cr_assert_eq(c->length, 3);
	cr_assert_eq(memcmp(c->bytes, "p\0q", 4), 0, "and a terminating zero");
	cr_assert_eq(*(const int64_t *)find_value(m, "d")->constant->data, 0);
	cr_assert_eq(*(const double *)find_value(m, "e")->constant->data, 0.25);
	model_release(m);
}

Test(import, value_info_is_a_hint)
{
	begin();
	input_x();
	put_node(&f, "Identity", "x", "y");
	put_value(&f, 13, "y", 7, "5 M");
	put_value(&f, 13, "nowhere", 7, "5");
	output("y");
	clast_model *m = finish_good();
	clast_diag d = { 0 };
	const value *y = find_value(m, "y");
	cr_assert_eq(y->rank, 2);
	cr_assert_eq(y->dims[0], 5);
	cr_assert_eq(graph_infer(m, &d), CLAST_OK);
	cr_assert_eq(y->dims[0], 2, "inference knows better");
	cr_assert_eq(y->dtype, CLAST_FLOAT32);
	model_release(m);
}

Test(import, sequence_input)
{
	begin();
	open_message(&f, 11);
	put_string(&f, 1, "s");
	open_message(&f, 2);
	open_message(&f, 4);
	open_message(&f, 1);
	open_message(&f, 1);
	put_varint(&f, 1, 6);
	close_message(&f);
	close_message(&f);
	close_message(&f);
	close_message(&f);
	close_message(&f);
	put_node(&f, "Identity", "s", "y");
	output("y");
	clast_model *m = finish_good();
	cr_assert_eq(find_value(m, "s")->kind, KIND_SEQUENCE);
	cr_assert_eq(find_value(m, "s")->dtype, CLAST_INT32);
	model_release(m);
}

/* ---- Shapes given by the caller ---- */

static void two_inputs(void)
{
	begin();
	put_value(&f, 11, "x", 1, "N 3 ?");
	put_value(&f, 11, "z", 1, "N M");
	put_node(&f, "Identity", "x", "y");
	output("y");
	close_message(&f);
}

static clast_status with_shape(const char *name, size_t rank, const int64_t *dims, clast_model **m,
			       clast_diag *d)
{
	const clast_input_shape shapes[] = { { name, rank, dims } };
	const clast_model_options options = { .struct_size = sizeof(options),
					      .shape_count = 1,
					      .shapes = shapes };
	*d = (clast_diag){ 0 };
	return import_bytes(f.bytes, f.size, &options, m, d);
}

Test(import, caller_fixes_extents)
{
	clast_model *m;
	clast_diag d;
	two_inputs();
	cr_assert_eq(with_shape("x", 3, (int64_t[]){ 4, -1, 7 }, &m, &d), CLAST_OK, "%s", d.message);
	cr_assert_eq(find_value(m, "x")->dims[0], 4);
	cr_assert_eq(find_value(m, "x")->dims[1], 3);
	cr_assert_eq(find_value(m, "x")->dims[2], 7);
	cr_assert_eq(find_value(m, "z")->dims[0], 4, "N is 4 wherever it occurs");
	cr_assert(dim_is_expr(find_value(m, "z")->dims[1]));
	model_release(m);
	cr_assert_eq(with_shape("x", 3, (int64_t[]){ 4, 5, 7 }, &m, &d), CLAST_ERROR_ARGUMENT);
	cr_assert(strstr(d.message, "axis 1 is 3 in the model, not 5"), "%s", d.message);
	cr_assert_eq(with_shape("x", 2, (int64_t[]){ 4, 3 }, &m, &d), CLAST_ERROR_ARGUMENT);
	cr_assert(strstr(d.message, "expected 3 axes, found 2"), "%s", d.message);
	cr_assert_eq(with_shape("q", 1, (int64_t[]){ 4 }, &m, &d), CLAST_ERROR_ARGUMENT);
	cr_assert(strstr(d.message, "\"q\", which is no input"), "%s", d.message);
	cr_assert_eq(with_shape(NULL, 2, (int64_t[]){ 4, 3 }, &m, &d), CLAST_ERROR_ARGUMENT);
	cr_assert_eq(with_shape("z", 2, NULL, &m, &d), CLAST_ERROR_ARGUMENT);
	cr_assert_eq(with_shape("z", 2, (int64_t[]){ 4, -2 }, &m, &d), CLAST_ERROR_ARGUMENT);
	file_free(&f);
}

/* ---- Versions ---- */

Test(import, versions)
{
	static const struct {
		int64_t ir, opset;
		clast_status status;
		const char *say;
	} cases[] = {
		{ 0, 17, MODEL, "no IR version" },
		{ 2, 17, UNSUPPORTED, "IR version 2 is not supported; supported are 3 to 14" },
		{ 15, 17, UNSUPPORTED, "IR version 15" },
		{ 8, 5, UNSUPPORTED, "opset 5 of domain ai.onnx is not supported; supported are 6 to 28" },
		{ 8, 29, UNSUPPORTED, "opset 29" },
		{ 8, 0, MODEL, "0 is no version" },
		{ 8, -1, MODEL, "-1 is no version" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin_model(&f, cases[i].ir, cases[i].opset);
		begin_graph(&f, "g");
		finish_bad(cases[i].status, cases[i].say, NULL);
	}
	for (int64_t opset = 6; opset <= 28; opset++) {
		begin_model(&f, 3 + opset % 12, opset);
		begin_graph(&f, "g");
		input_x();
		put_node(&f, "Identity", "x", "y");
		output("y");
		model_release(finish_good());
	}
}

Test(import, opset_imports)
{
	f = (file){ 0 };
	put_varint(&f, 1, 8);
	begin_graph(&f, "g");
	finish_bad(MODEL, "imports no opset", NULL);
	begin_model(&f, 8, 17);
	put_opset(&f, 8, "ai.onnx", 18);
	begin_graph(&f, "g");
	finish_bad(MODEL, "opsets 17 and 18", NULL);
	f = (file){ 0 };
	put_varint(&f, 1, 8);
	put_opset(&f, 8, "other", 1);
	begin_graph(&f, "g");
	input_x();
	put_node(&f, "Identity", "x", "y");
	output("y");
	finish_bad(MODEL, "imports no opset of the default domain", NULL);
	begin_model(&f, 8, 17);
	import_bad(&f, MODEL, "no graph", NULL);
	file_free(&f);
}

/* ---- What is not supported ---- */

Test(import, all_unsupported_operators_are_listed)
{
	begin_model(&f, 8, 17);
	put_opset(&f, 8, "com.microsoft", 1);
	begin_graph(&f, "g");
	input_x();
	begin_node(&f, 1, "", "NoSuchThing", "x", "a");
	put_string(&f, 3, "first node");
	close_message(&f);
	begin_node(&f, 1, "com.microsoft", "FusedConv", "a", "b");
	close_message(&f);
	put_node(&f, "NoSuchThing", "b", "c");
	begin_node(&f, 1, "nobody", "Identity", "c", "d");
	close_message(&f);
	begin_tensor(&f, 5, "w", 27, "1");
	close_message(&f);
	output("d");
	close_message(&f);
	import_bad(&f, UNSUPPORTED, "operator NoSuchThing (opset 17): 2 times, first in \"first node\"",
		   "operator com.microsoft:FusedConv (opset 1): 1 time, first in \"b\"",
		   "operator nobody:Identity: 1 time", "data_type 27", NULL);
	file_free(&f);
}

Test(import, unsupported_operators_in_subgraphs_and_functions_are_listed)
{
	begin_model(&f, 8, 17);
	begin_graph(&f, "g");
	put_value(&f, 11, "c", 9, "");
	begin_node(&f, 1, "", "Unless", "c", "y");
	begin_attribute(&f, 5, "then_branch", 5);
	open_message(&f, 6);
	put_node(&f, "Inner", "", "t");
	open_message(&f, 12);
	put_string(&f, 1, "t");
	close_message(&f);
	close_message(&f);
	close_message(&f);
	close_message(&f);
	begin_node(&f, 1, "local", "F", "y", "z");
	put_string(&f, 3, "call");
	close_message(&f);
	output("z");
	close_message(&f);
	open_message(&f, 25);
	put_string(&f, 1, "F");
	put_string(&f, 4, "a");
	put_string(&f, 5, "b");
	begin_node(&f, 7, "", "Deeper", "a", "b");
	close_message(&f);
	put_string(&f, 10, "local");
	close_message(&f);
	import_bad(&f, UNSUPPORTED, "operator Inner (opset 17): 1 time, first in \"t\"",
		   "operator Unless (opset 17)", "operator Deeper (opset 17): 1 time, first in \"call/b\"",
		   NULL);
	file_free(&f);
}

Test(import, long_lists_of_findings_say_how_many_are_left)
{
	begin();
	input_x();
	for (int i = 0; i < 200; i++) {
		char missing[32], out[32];
		snprintf(missing, sizeof(missing), "Missing%d", i);
		snprintf(out, sizeof(out), "y%d", i);
		put_node(&f, missing, "x", out);
	}
	output("y0");
	close_message(&f);
	import_bad(&f, UNSUPPORTED, "operator Missing0 ", "operator Missing20 ", "... and ", " more kinds",
		   NULL);
	file_free(&f);
}

/* ---- What contradicts itself ---- */

Test(import, names)
{
	begin();
	input_x();
	put_node(&f, "Identity", "nowhere", "y");
	output("y");
	finish_bad(MODEL, "node \"y\", Identity (opset 17): input 0, \"nowhere\", is defined nowhere", NULL);
	begin();
	input_x();
	put_node(&f, "Identity", "x", "y");
	put_node(&f, "Identity", "x", "y");
	output("y");
	finish_bad(MODEL, "\"y\" is defined twice", NULL);
	begin();
	input_x();
	input_x();
	output("x");
	finish_bad(MODEL, "\"x\" is defined twice", NULL);
	begin();
	input_x();
	put_node(&f, "Identity", "x", "x");
	output("x");
	finish_bad(MODEL, "\"x\" is defined twice", NULL);
	begin();
	put_value(&f, 11, "", 1, "2");
	output("x");
	finish_bad(MODEL, "input 0 of the graph has no name", NULL);
	begin();
	begin_tensor(&f, 5, "", 1, "0");
	close_message(&f);
	finish_bad(MODEL, "empty name", NULL);
	begin();
	input_x();
	put_node(&f, "Identity", "x", "y");
	output("z");
	finish_bad(MODEL, "output 0 of the graph, \"z\", is made by no node", NULL);
	begin();
	input_x();
	put_node(&f, "Identity", "x", "y");
	finish_bad(MODEL, "the graph has no outputs", NULL);
	begin();
	input_x();
	begin_node(&f, 1, "", "", "x", "y");
	close_message(&f);
	output("y");
	finish_bad(MODEL, "no operator", NULL);
	begin();
	put_node(&f, "Identity", "-", "y");
	output("y");
	finish_bad(MODEL, "node \"y\"", "input");
}

Test(import, cycles)
{
	begin();
	put_node(&f, "Identity", "a", "b");
	put_node(&f, "Identity", "b", "a");
	output("a");
	finish_bad(MODEL, "cycle", NULL);
	begin();
	put_node(&f, "Identity", "a", "a");
	output("a");
	finish_bad(MODEL, "cycle", NULL);
}

Test(import, types_of_inputs)
{
	begin();
	put_value(&f, 11, "x", 0, "2");
	finish_bad(MODEL, "input \"x\" has no element type", NULL);
	begin();
	put_value(&f, 11, "x", 1, "-2");
	finish_bad(MODEL, "axis 0 of \"x\" has the extent -2", NULL);
	begin();
	open_message(&f, 11);
	put_string(&f, 1, "x");
	close_message(&f);
	finish_bad(MODEL, "input \"x\": expected one type, found none", NULL);
	begin();
	put_value(&f, 11, "x", 99, "2");
	output("x");
	finish_bad(UNSUPPORTED, "element type 99", NULL);
	begin();
	put_value(&f, 11, "x", 1, "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1");
	finish_bad(UNSUPPORTED, "17 axes", NULL);
	begin();
	put_value(&f, 11, "x", 1, "-1 9223372036854775807 9223372036854775807");
	put_node(&f, "Identity", "x", "y");
	output("y");
	model_release(finish_good());
}

Test(import, attributes)
{
	static const struct {
		int type;
		const char *say;
	} cases[] = { { 2, "declared as int, but holds float" },
		      { 77, "unknown type 77" },
		      { -1, "unknown type -1" } };
	for (size_t i = 0; i < 3; i++) {
		begin();
		input_x();
		begin_node(&f, 1, "", "Identity", "x", "y");
		begin_attribute(&f, 5, "a", cases[i].type);
		put_float(&f, 2, 1);
		close_message(&f);
		close_message(&f);
		output("y");
		finish_bad(MODEL, cases[i].say, "node \"y\", Identity (opset 17)");
	}
	begin();
	input_x();
	begin_node(&f, 1, "", "Identity", "x", "y");
	begin_attribute(&f, 5, "a", 1);
	put_string(&f, 21, "b");
	close_message(&f);
	close_message(&f);
	output("y");
	finish_bad(MODEL, "refers to \"b\"", NULL);
	begin();
	begin_node(&f, 1, "", "Constant", "", "y");
	close_message(&f);
	output("y");
	finish_bad(MODEL, "Constant: expected one attribute, found 0", NULL);
	begin();
	begin_node(&f, 1, "", "Constant", "", "y");
	begin_attribute(&f, 5, "value_int", 7);
	put_varint(&f, 8, 1);
	close_message(&f);
	close_message(&f);
	output("y");
	finish_bad(MODEL, "attribute value_int of Constant: expected int, found ints", NULL);
	begin();
	begin_node(&f, 1, "", "Constant", "", "y");
	begin_attribute(&f, 5, "value", 4);
	close_message(&f);
	close_message(&f);
	output("y");
	finish_bad(MODEL, "declared as tensor, but holds none", NULL);
}

/* ---- Subgraphs ---- */

/* An If whose branch holds the given node. */
static void branch(const char *inputs, const char *name, const char *result)
{
	begin();
	input_x();
	put_value(&f, 11, "c", 9, "");
	put_node(&f, "Identity", "x", "y");
	begin_node(&f, 1, "", "If", "c", "z");
	for (int i = 0; i < 2; i++) {
		begin_attribute(&f, 5, i ? "else_branch" : "then_branch", 5);
		open_message(&f, 6);
		put_node(&f, "Identity", inputs, name);
		open_message(&f, 12);
		put_string(&f, 1, result);
		close_message(&f);
		close_message(&f);
		close_message(&f);
	}
	close_message(&f);
	output("z");
}

Test(import, subgraphs)
{
	branch("y", "t", "t"); /* both branches may use the same name */
	clast_model *m = finish_good();
	cr_assert_eq(m->graph_count, 3);
	cr_assert_eq(m->graphs[1].parent, 0);
	model_release(m);
	branch("y", "x", "x");
	finish_bad(MODEL, "\"x\" of a subgraph hides one of a graph around it", "node \"z\", If (opset 17)");
	branch("q", "t", "t");
	finish_bad(MODEL, "\"q\", is defined nowhere", "node \"t\", Identity");
	branch("y", "t", "u");
	finish_bad(MODEL, "\"u\", is made by no node", NULL);
	branch("y", "t", "y"); /* a branch may give an outer value */
	model_release(finish_good());
	branch("z", "t", "t");
	finish_bad(MODEL, "cycle", NULL);
}

/* ---- Functions ---- */

static void begin_function(const char *name, const char *in, const char *out)
{
	open_message(&f, 25);
	put_string(&f, 1, name);
	put_string(&f, 10, "local");
	put_string(&f, 4, in);
	put_string(&f, 5, out);
}

static void put_call(unsigned field, const char *name, const char *in, const char *out)
{
	begin_node(&f, field, "local", name, in, out);
	close_message(&f);
}

static void begin_caller(const char *type, const char *in, const char *out)
{
	begin();
	input_x();
	put_call(1, type, in, out);
	output("y");
	close_message(&f);
}

static void expect(clast_status status, const char *say)
{
	import_bad(&f, status, say, NULL);
	file_free(&f);
}

Test(import, functions_call_functions)
{
	begin_caller("Outer", "x", "y");
	begin_function("Outer", "a", "b");
	put_call(7, "Inner", "a", "c");
	put_call(7, "Inner", "c", "b");
	close_message(&f);
	begin_function("Inner", "a", "b"); /* its names are its own */
	begin_node(&f, 7, "", "Identity", "a", "c");
	close_message(&f);
	begin_node(&f, 7, "", "Identity", "c", "b");
	close_message(&f);
	close_message(&f);
	clast_model *m = import_good(&f);
	cr_assert_eq(m->graphs[0].node_count, 4);
	cr_assert(find_value(m, "Outer/Inner/c"));
	cr_assert(find_value(m, "Outer/c"));
	cr_assert(find_value(m, "Outer/Inner#2/c") || find_value(m, "Outer/Inner#3/c"),
		  "numbered where not unique");
	model_release(m);
	file_free(&f);
}

Test(import, functions_pass_inputs_through)
{
	begin_caller("Same", "x", "y");
	begin_function("Same", "a", "a");
	close_message(&f);
	clast_model *m = import_good(&f);
	cr_assert_eq(m->graphs[0].node_count, 1);
	cr_assert_eq(m->nodes[m->graphs[0].nodes[0]].in[0], find_id(m, "x"));
	model_release(m);
	file_free(&f);
}

Test(import, function_errors)
{
	begin_caller("Loop", "x", "y");
	begin_function("Loop", "a", "b");
	put_call(7, "Loop", "a", "b");
	close_message(&f);
	expect(MODEL, "the function \"Loop\" calls itself");
	begin_caller("F", "x x", "y");
	begin_function("F", "a", "b");
	close_message(&f);
	expect(MODEL, "the function has 1 inputs and 1 outputs, the call 2 and 1");
	begin_caller("F", "x", "y");
	begin_function("F", "a", "b");
	close_message(&f);
	expect(MODEL, "output \"b\" of the function is made by no node");
	begin_caller("F", "x", "y");
	begin_function("F", "a", "b");
	begin_node(&f, 7, "", "Identity", "x", "b"); /* x is the caller's */
	close_message(&f);
	close_message(&f);
	expect(MODEL, "\"x\", is defined nowhere");
	begin_caller("F", "x", "y");
	begin_function("F", "a", "b");
	close_message(&f);
	begin_function("F", "a", "b");
	close_message(&f);
	expect(MODEL, "the function \"F\" is defined twice");
}

Test(import, function_opsets_and_defaults)
{
	begin_caller("F", "x", "y");
	begin_function("F", "a", "b");
	put_opset(&f, 9, "", 3);
	close_message(&f);
	expect(UNSUPPORTED, "opset 3 of domain ai.onnx");
	/* An attribute with a default that the call does not give. */
	begin_caller("F", "x", "y");
	begin_function("F", "a", "b");
	begin_attribute(&f, 11, "v", 2);
	put_varint(&f, 3, 42);
	close_message(&f);
	begin_node(&f, 7, "", "Constant", "", "k");
	begin_attribute(&f, 5, "value_int", 2);
	put_string(&f, 21, "v");
	close_message(&f);
	close_message(&f);
	begin_node(&f, 7, "", "Identity", "a", "b");
	close_message(&f);
	close_message(&f);
	clast_model *m = import_good(&f);
	cr_assert_eq(*(const int64_t *)find_value(m, "F/k")->constant->data, 42);
	model_release(m);
	file_free(&f);
}

/* 40 functions, each calling the next one twice. */
Test(import, exponential_expansion_is_bounded)
{
	begin_caller("F0", "x", "y");
	for (int i = 0; i < 40; i++) {
		char name[16], next[16];
		snprintf(name, sizeof(name), "F%d", i);
		snprintf(next, sizeof(next), "F%d", i + 1);
		begin_function(name, "a", "b");
		put_call(7, next, "a", "c");
		put_call(7, next, "c", "b");
		close_message(&f);
	}
	begin_function("F40", "a", "a");
	close_message(&f);
	clast_model *m;
	clast_diag d = { 0 };
	const clast_model_options options = { .struct_size = sizeof(options), .limits = { .nodes = 20000 } };
	cr_assert_eq(import_bytes(f.bytes, f.size, &options, &m, &d), CLAST_ERROR_LIMIT, "%s", d.message);
	cr_assert(strstr(d.message, "limit nodes"), "%s", d.message);
	file_free(&f);
}

/* A body with a large attribute, inlined often. */
Test(import, inlined_attributes_are_bounded)
{
	begin();
	input_x();
	for (int i = 0; i < 300; i++) {
		char out[16];
		snprintf(out, sizeof(out), i ? "y%d" : "y", i);
		put_call(1, "F", "x", out);
	}
	output("y");
	close_message(&f);
	begin_function("F", "a", "b");
	begin_node(&f, 7, "", "Constant", "", "k");
	begin_attribute(&f, 5, "value_ints", 7);
	for (int i = 0; i < 10000; i++)
		put_varint(&f, 8, 1);
	close_message(&f);
	close_message(&f);
	begin_node(&f, 7, "", "Identity", "a", "b");
	close_message(&f);
	close_message(&f);
	clast_model *m;
	clast_diag d = { 0 };
	const clast_model_options options = { .struct_size = sizeof(options), .limits = { .nodes = 20000 } };
	cr_assert_eq(import_bytes(f.bytes, f.size, &options, &m, &d), CLAST_ERROR_LIMIT, "%s", d.message);
	cr_assert(strstr(d.message, "inlined functions need more than"), "%s", d.message);
	file_free(&f);
}

/* ---- Large and cancelled ---- */

static void put_chain(int n)
{
	begin();
	input_x();
	for (int i = 0; i < n; i++) {
		char in[16], out[16];
		snprintf(in, sizeof(in), i ? "v%d" : "x", i);
		snprintf(out, sizeof(out), i + 1 < n ? "v%d" : "y", i + 1);
		put_node(&f, "Identity", in, out);
	}
	output("y");
	close_message(&f);
}

Test(import, long_chain)
{
	put_chain(100000);
	clast_model *m = import_good(&f);
	cr_assert_eq(m->graphs[0].node_count, 100000);
	model_release(m);
	file_free(&f);
}

static bool stop_at_second(void *context, double fraction)
{
	cr_assert(fraction >= 0 && fraction <= 1);
	return ++*(int *)context < 2;
}

Test(import, progress_cancels)
{
	int calls = 0;
	clast_model *m;
	clast_diag d = { 0 };
	const clast_model_options options = { .struct_size = sizeof(options),
					      .progress = stop_at_second,
					      .progress_context = &calls };
	put_chain(20000);
	cr_assert_eq(import_bytes(f.bytes, f.size, &options, &m, &d), CLAST_ERROR_CANCELLED);
	cr_assert_eq(calls, 2);
	file_free(&f);
}
