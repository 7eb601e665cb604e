/* What `clast ops` says of devices is what plans do: each operator alone, on float32 or bool operands that fit it. */
#include <stdlib.h>
#include <string.h>

#include "pair.h"

TestSuite(ops, .timeout = 900);

/* A model of one node with so many inputs of one shape; false if there is no such node. */
static bool make_model(const clast_op_info *o, clast_dtype dtype, size_t inputs, clast_model **m)
{
	static const char *const names[] = { "a", "b", "c" };
	const int64_t dims[4] = { 2, 3, 4, 4 };
	clast_builder *b = NULL;
	*m = NULL;
	clast_status s = clast_builder_create(o->latest > 13 ? o->latest : 13, NULL, &b, NULL);
	for (size_t i = 0; !s && i < inputs; i++)
		s = clast_builder_input(b, names[i], dtype, 4, dims, NULL, NULL);
	if (!s)
		s = clast_builder_node(b, o->name, "", "n", inputs, names, 1, (const char *[]){ "y" }, 0, NULL, NULL);
	if (!s)
		s = clast_builder_output(b, "y", NULL);
	if (!s)
		s = clast_builder_finish(&b, m, NULL);
	clast_builder_free(&b);
	return !s;
}

/* Where the one step runs: 1 on the device, 0 on the CPU, -1 nowhere (it moves nothing, or there is no plan). */
static int place_of(clast_model *m, const char *device_)
{
	clast_diag d = { 0 };
	clast_plan *plan = NULL;
	const clast_plan_options po = { .struct_size = sizeof po, .device = device_ };
	clast_plan_report r = { .struct_size = sizeof r };
	if (clast_plan_create(m, &po, &plan, &d))
		return -1;
	const clast_status s = clast_plan_get_report(plan, &r);
	clast_plan_free(&plan);
	cr_assert(s != CLAST_ERROR_DEVICE);
	return s || !(r.device_steps + r.cpu_steps) ? -1 : r.cpu_steps == 0;
}

Test(ops, the_list_says_where_operators_run)
{
	const char *name = device_or_skip();
	size_t placed = 0;
	for (size_t i = 0; i < clast_op_count(); i++) {
		clast_op_info o;
		cr_assert_eq(clast_op(i, &o), CLAST_OK);
		if (*o.domain || strstr(o.name, "Random") || !strcmp(o.name, "Multinomial") || !strcmp(o.name, "Bernoulli"))
			continue;
		const bool listed = strstr(o.devices, "opencl");
		for (size_t inputs = 1; inputs <= 3; inputs++)
			for (int logic = 0; logic < 2; logic++) {
				clast_model *m;
				if (!make_model(&o, logic ? CLAST_BOOL : CLAST_FLOAT32, inputs, &m))
					continue;
				const int on_device = place_of(m, name);
				cr_expect(on_device != 1 || listed, "%s runs on the device and is not listed", o.name);
				/* Other rules need attributes, or operands that say a shape. */
				const bool plain = !strcmp(o.layout_rule, "any") && !logic;
				cr_expect(on_device != 0 || !listed || !plain, "%s is listed and runs on the CPU (%zu inputs)", o.name, inputs);
				placed += on_device == 1;
				clast_model_free(&m);
			}
	}
	cr_expect_gt(placed, 50);
}
