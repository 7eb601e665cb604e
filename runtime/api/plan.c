/* The public functions on plans, and what this build can do. */
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "api.h"
#include "session.h"

clast_status clast_plan_create(clast_model *model, const clast_plan_options *options, clast_plan **plan, clast_diag *d)
{
	clast_plan_options o;
	if (!model || !plan)
		return fail(d, CLAST_ERROR_ARGUMENT, "clast_plan_create: model or plan is NULL");
	memset(&o, 0, sizeof o);
	if (options)
		memcpy(&o, options, options->struct_size && options->struct_size < sizeof o ? options->struct_size : sizeof o);
	*plan = NULL;
	clast_status s = CLAST_OK;
	plan_times times = { 0 };
	const bool measured = o.objective && !strcmp(o.objective, "measured");
	if (measured)
		s = measure_ways(model, &o, &times, d);
	if (!s)
		s = plan_create(model, &o, measured ? &times : NULL, plan, d);
	measure_free(model, &times);
	if (!s && o.tune)
		s = tune_plan(*plan, &o, d);
	if (s)
		clast_plan_free(plan);
	if (d)
		d->status = s;
	return s;
}

void clast_plan_free(clast_plan **plan)
{
	if (!plan || !*plan)
		return;
	plan_release(*plan);
	*plan = NULL;
}

size_t clast_plan_step_count(const clast_plan *p)
{
	return p ? p->step_count : 0;
}

const char *clast_version(void)
{
	return "0.1.0";
}

size_t clast_op_count(void)
{
	return op_count();
}

static bool runs_on_devices(const op *o)
{
	static const char *const names[] = {
#define DEVICE_OP(name) #name,
#include "device_ops.def"
#undef DEVICE_OP
	};
	for (size_t i = 0; !o->domain[0] && i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], o->name))
			return true;
	return false;
}

clast_status clast_op(size_t index, clast_op_info *info)
{
	static const char *const rules[] = { [RULE_FIXED] = "fixed",       [RULE_ANY] = "any",         [RULE_AXIS] = "axis",
		                             [RULE_CHANNELS] = "channels", [RULE_PERMUTE] = "permute", [RULE_REGROUP] = "regroup",
		                             [RULE_CONTRACT] = "contract" };
	const op *o = op_at(index);
	if (!o || !info)
		return CLAST_ERROR_ARGUMENT;
	const op_version *last = op_resolve(o, NEWEST_OPSET);
	*info = (clast_op_info){ o->name, o->domain, o->versions[0].since, last ? last->since : o->versions[0].since, rules[o->rule],
		                 runs_on_devices(o) ? "cpu,opencl" : "cpu" };
	return CLAST_OK;
}

size_t clast_device_count(clast_diag *diag)
{
	return device_count(diag);
}

clast_status clast_device(size_t index, clast_device_info *info)
{
	device_info x;
	if (!info)
		return CLAST_ERROR_ARGUMENT;
	const clast_status s = device_describe(index, &x);
	if (s)
		return s;
	*info = (clast_device_info){ .compute_units = x.compute_units, .memory_bytes = x.memory_bytes, .host_memory = x.host_memory };
	memcpy(info->name, x.name, sizeof info->name);
	memcpy(info->platform, x.platform, sizeof info->platform);
	memcpy(info->driver, x.driver, sizeof info->driver);
	memcpy(info->type, x.type, sizeof info->type);
	return CLAST_OK;
}

clast_status clast_device_measure(const char *name, clast_device_speed *speed, clast_diag *diag)
{
	device *dev = NULL;
	if (!speed)
		return fail(diag, CLAST_ERROR_ARGUMENT, "clast_device_measure: speed is NULL");
	clast_status s = device_open(name, &dev, diag);
	if (!s && !dev)
		s = fail(diag, CLAST_ERROR_ARGUMENT, "clast_device_measure: the CPU is no device of this kind");
	if (!s)
		s = device_measure(dev, &speed->gflops, &speed->gbytes, diag);
	device_close(&dev);
	return s;
}

const char *clast_cpu_isa(void)
{
	return cpu_kernels_get()->isa;
}

const char *clast_cpu_features(void)
{
	return cpu_features_text();
}

const char *clast_blas(void)
{
	return "";
}
