/* clast devices: what this build and machine can use. */
#include <stdio.h>

#include "emit.h"
#include "options.h"
#include "report.h"
#include "resident.h"

static void emit_cpu(emitter *j)
{
	emit_object(j, NULL);
	emit_string(j, "name", "cpu");
	emit_count(j, "threads", resident_cpus());
	emit_string(j, "isa", clast_cpu_isa());
	emit_string(j, "features", clast_cpu_features());
	emit_string(j, "blas", *clast_blas() ? clast_blas() : NULL);
	emit_end_object(j);
}

static void emit_device(emitter *j, size_t index, const clast_device_info *d)
{
	char name[32];
	snprintf(name, sizeof(name), "opencl:%zu", index);
	emit_object(j, NULL);
	emit_string(j, "name", name);
	emit_string(j, "device", d->name);
	emit_string(j, "platform", d->platform);
	emit_string(j, "driver", d->driver);
	emit_string(j, "type", d->type);
	emit_count(j, "compute_units", d->compute_units);
	emit_count(j, "memory_bytes", d->memory_bytes);
	emit_boolean(j, "host_memory", d->host_memory);
	emit_end_object(j);
}

static int print_json(const options *o)
{
	emitter j;
	clast_device_info d;
	if (!emit_open(&j, o))
		return EXIT_IO;
	emit_object(&j, NULL);
	emit_string(&j, "version", clast_version());
	emit_array(&j, "devices");
	emit_cpu(&j);
	for (size_t i = 0; !clast_device(i, &d); i++)
		emit_device(&j, i, &d);
	emit_end_array(&j);
	emit_end_object(&j);
	return emit_close(&j) ? EXIT_FINE : EXIT_IO;
}

static void print_devices(void)
{
	clast_diag diag = { 0 };
	clast_device_info d;
	const size_t count = clast_device_count(&diag);
	if (!count)
		printf("opencl\n  none      %s\n", diag.message);
	for (size_t i = 0; i < count && !clast_device(i, &d); i++)
		printf("opencl:%zu\n  device    %s (%s)\n  platform  %s, driver %s\n  units     %zu\n"
		       "  memory    %llu MiB%s\n",
		       i, d.name, d.type, d.platform, d.driver, d.compute_units, (unsigned long long)(d.memory_bytes >> 20),
		       d.host_memory ? ", shared with the host" : "");
}

int command_devices(const options *o)
{
	if (!arguments_expected(o, 0))
		return EXIT_USAGE;
	if (o->json.count)
		return print_json(o);
	printf("cpu\n  threads   %zu\n  kernels   %s\n  features  %s\n  OpenBLAS  %s\n", resident_cpus(),
	       clast_cpu_isa(), clast_cpu_features(), *clast_blas() ? clast_blas() : "not in this build");
	print_devices();
	return EXIT_FINE;
}
