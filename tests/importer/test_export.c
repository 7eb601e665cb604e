/* What is written is what was read. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build.h"
#include "export.h"

static char folder[] = "/tmp/clast-export-XXXXXX";
static char path[64], data_path[80];

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/model.onnx", folder);
	snprintf(data_path, sizeof(data_path), "%s.data", path);
}

static void remove_folder(void)
{
	unlink(path);
	unlink(data_path);
	cr_expect_eq(rmdir(folder), 0, "something was left behind in %s", folder);
}

TestSuite(export, .init = make_folder, .fini = remove_folder);

static clast_model *import_path(void)
{
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(model_create(NULL, &m, &d), CLAST_OK);
	cr_assert_eq(import_file(m, path, NULL, &d), CLAST_OK, "%s", d.message);
	return m;
}

static void export_good(const clast_model *m, bool external)
{
	const export_options o = { .external_data = external };
	clast_diag d = { 0 };
	cr_assert_eq(export_file(m, path, &o, &d), CLAST_OK, "%s", d.message);
}

/* ---- Comparing graphs ---- */

static void expect_same_constant(const tensor_view *a, const tensor_view *b, const char *name)
{
	cr_assert_eq(a->dtype, b->dtype, "%s", name);
	cr_assert_eq(a->rank, b->rank, "%s", name);
	cr_assert_eq(memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(*a->dims)), 0, "%s", name);
	for (iter it = iter_over(a); iter_next(&it);) {
		const int64_t i = iter_offset(a, &it), k = iter_offset(b, &it);
		if (a->dtype == CLAST_STRING) {
			const clast_string *x = (const clast_string *)a->data + i,
					   *y = (const clast_string *)b->data + k;
			cr_assert(x->length == y->length && !memcmp(x->bytes, y->bytes, x->length), "%s",
				  name);
		} else {
			cr_assert_eq(load_real(a, i), load_real(b, k), "%s", name);
		}
	}
}

static void expect_same_value(const clast_model *m, value_id a, const clast_model *n, value_id b, bool names)
{
	if (a == NO_ID || b == NO_ID) {
		cr_assert_eq(a, b);
		return;
	}
	const value *x = &m->values[a], *y = &n->values[b];
	if (names)
		cr_assert_str_eq(x->name, y->name);
	cr_assert_eq(!x->constant, !y->constant, "%s", x->name);
	if (x->constant)
		expect_same_constant(x->constant, y->constant, x->name);
}

static void expect_same_graph(const clast_model *m, graph_id a, const clast_model *n, graph_id b)
{
	const graph *g = &m->graphs[a], *h = &n->graphs[b];
	cr_assert_eq(g->node_count, h->node_count);
	cr_assert_eq(g->input_count, h->input_count);
	cr_assert_eq(g->output_count, h->output_count);
	for (size_t i = 0; i < g->node_count; i++) {
		const node *x = &m->nodes[g->nodes[i]], *y = &n->nodes[h->nodes[i]];
		cr_assert_eq(x->op, y->op);
		cr_assert_eq(x->version, y->version);
		cr_assert_eq(x->n_in, y->n_in);
		cr_assert_eq(x->n_out, y->n_out);
		cr_assert_eq(x->n_bodies, y->n_bodies);
		for (uint32_t j = 0; j < x->n_in; j++)
			expect_same_value(m, x->in[j], n, y->in[j], !a);
		for (uint32_t j = 0; j < x->n_bodies; j++)
			expect_same_graph(m, x->bodies[j], n, y->bodies[j]);
	}
}

static void expect_same_interface(const clast_model *m, const clast_model *n)
{
	const graph *g = &m->graphs[0], *h = &n->graphs[0];
	for (size_t i = 0; i < g->output_count; i++)
		cr_assert_str_eq(g->output_names[i], h->output_names[i]);
	for (size_t i = 0; i < g->input_count; i++) {
		const value *x = &m->values[g->inputs[i]], *y = &n->values[h->inputs[i]];
		cr_assert_str_eq(x->name, y->name);
		cr_assert_eq(x->dtype, y->dtype);
		cr_assert_eq(x->rank, y->rank);
		for (int a = 0; a < x->rank; a++)
			cr_assert_eq(dim_is_number(x->dims[a]), dim_is_number(y->dims[a]));
	}
}

/* ---- Tests ---- */

Test(export, a_model_is_read_as_it_was_written)
{
	file f = { 0 };
	put_mixed_model(&f);
	clast_model *first = import_good(&f);
	export_good(first, false);
	clast_model *second = import_path(); /* functions are inlined now, the constant output is a copy */
	expect_same_interface(first, second);
	cr_assert_eq(second->graphs[0].node_count, first->graphs[0].node_count + 1);
	export_good(second, false);
	clast_model *third = import_path();
	expect_same_interface(second, third);
	expect_same_graph(second, 0, third, 0);
	cr_expect_eq(third->ir_version, 8);
	cr_expect_eq(third->opsets[0].version, 17);
	model_release(first);
	model_release(second);
	model_release(third);
	file_free(&f);
}

/* One attribute of every type, given with other values than those that count if it is missing. */
static void put_attributes(file *f)
{
	begin_model(f, 8, 17);
	begin_graph(f, "attributes");
	put_value(f, 11, "x", 1, "1 4 6 6");
	begin_tensor(f, 5, "w", 1, "4 1 3 3");
	float w[36];
	for (int i = 0; i < 36; i++)
		w[i] = (float)i;
	put_bytes(f, 9, w, sizeof(w));
	close_message(f);
	begin_node(f, 1, "", "Conv", "x w", "a");
	begin_attribute(f, 5, "pads", 7);
	for (int i = 0; i < 4; i++)
		put_varint(f, 8, 1);
	close_message(f);
	begin_attribute(f, 5, "group", 2);
	put_varint(f, 3, 4);
	close_message(f);
	close_message(f);
	begin_node(f, 1, "", "LeakyRelu", "a", "b");
	begin_attribute(f, 5, "alpha", 1);
	put_float(f, 2, 0.25f);
	close_message(f);
	close_message(f);
	begin_node(f, 1, "", "AveragePool", "b", "y");
	begin_attribute(f, 5, "auto_pad", 3);
	put_string(f, 4, "SAME_LOWER");
	close_message(f);
	begin_attribute(f, 5, "kernel_shape", 7);
	put_varint(f, 8, 2);
	put_varint(f, 8, 3);
	close_message(f);
	close_message(f);
	put_value(f, 12, "y", 1, NULL);
	close_message(f);
}

static const int_list *ints_of(const node *n, const char *name)
{
	for (const attr_spec *s = n->op->attrs; s->name; s++)
		if (!strcmp(s->name, name))
			return (const int_list *)((const char *)n->attrs + s->offset);
	return NULL;
}

Test(export, attributes_of_every_type_come_back)
{
	file f = { 0 };
	put_attributes(&f);
	clast_model *first = import_good(&f);
	export_good(first, false);
	clast_model *m = import_path();
	expect_same_graph(first, 0, m, 0);
	for (size_t i = 0; i < 3; i++) {
		const node *x = &first->nodes[first->graphs[0].nodes[i]],
			   *y = &m->nodes[m->graphs[0].nodes[i]];
		for (const attr_spec *s = x->op->attrs; s->name; s++) {
			const char *a = (const char *)x->attrs + s->offset,
				   *b = (const char *)y->attrs + s->offset;
			if (s->type == ATTR_INTS) {
				const int_list *p = ints_of(x, s->name), *q = ints_of(y, s->name);
				cr_assert(p->given == q->given && p->n == q->n);
				cr_assert(!p->n ||
					  !memcmp(p->v, q->v, p->n * sizeof(*p->v)));
			} else if (s->type == ATTR_FLOAT) {
				cr_assert_eq(*(const float *)a, *(const float *)b);
			} else if (s->type == ATTR_INT) {
				cr_assert_eq(*(const int64_t *)a, *(const int64_t *)b);
			} else if (s->type == ATTR_ENUM) {
				cr_assert_eq(*(const int *)a, *(const int *)b);
			}
		}
	}
	model_release(first);
	model_release(m);
	file_free(&f);
}

Test(export, large_constants_go_beside_the_model)
{
	file f = { 0 };
	static float w[1000], small[10];
	for (int i = 0; i < 1000; i++)
		w[i] = (float)i;
	begin_model(&f, 8, 17);
	begin_graph(&f, "large");
	put_value(&f, 11, "x", 1, "1000");
	begin_tensor(&f, 5, "w", 1, "1000");
	put_bytes(&f, 9, w, sizeof(w));
	close_message(&f);
	begin_tensor(&f, 5, "v", 1, "1000");
	put_bytes(&f, 9, w, sizeof(w));
	close_message(&f);
	begin_tensor(&f, 5, "s", 1, "1");
	put_bytes(&f, 9, small, 4);
	close_message(&f);
	put_node(&f, "Add", "x w", "a");
	put_node(&f, "Mul", "a v", "b");
	put_node(&f, "Sub", "b s", "y");
	put_value(&f, 12, "y", 1, NULL);
	close_message(&f);
	clast_model *first = import_good(&f);
	export_good(first, true);
	struct stat model, data;
	cr_assert_eq(stat(path, &model), 0);
	cr_assert_eq(stat(data_path, &data), 0);
	cr_expect_lt(model.st_size, 1000);
	cr_expect_eq(data.st_size, 4032 + 4000); /* the second one starts at a multiple of 64 */
	clast_model *second = import_path();
	expect_same_graph(first, 0, second, 0);
	model_release(first);
	model_release(second);
	file_free(&f);
}

Test(export, a_failure_leaves_the_old_file_alone)
{
	file f = { 0 };
	clast_diag d = { 0 };
	char missing[80];
	put_mixed_model(&f);
	clast_model *m = import_good(&f);
	snprintf(missing, sizeof(missing), "%s/none/model.onnx", folder);
	cr_expect_eq(export_file(m, missing, NULL, &d), CLAST_ERROR_IO);
	cr_expect_not_null(strstr(d.message, missing), "%s", d.message);
	FILE *old = fopen(path, "w");
	fputs("old", old);
	fclose(old);
	/* A folder cannot be replaced by a file. */
	cr_expect_eq(export_file(m, folder, NULL, &d), CLAST_ERROR_IO);
	char text[8] = "";
	old = fopen(path, "r");
	cr_expect_not_null(fgets(text, sizeof(text), old));
	fclose(old);
	cr_expect_str_eq(text, "old");
	model_release(m);
	file_free(&f);
}
