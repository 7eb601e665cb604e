/* clast devices: what this build and machine can use. */
#include <stdio.h>

#include "emit.h"
#include "options.h"
#include "report.h"
#include "resident.h"

static int print_json(const options *o)
{
	emitter j;
	if (!emit_open(&j, o))
		return EXIT_IO;
	emit_object(&j, NULL);
	emit_string(&j, "version", clast_version());
	emit_array(&j, "devices");
	emit_object(&j, NULL);
	emit_string(&j, "name", "cpu");
	emit_count(&j, "threads", resident_cpus());
	emit_string(&j, "isa", clast_cpu_isa());
	emit_string(&j, "features", clast_cpu_features());
	emit_string(&j, "blas", *clast_blas() ? clast_blas() : NULL);
	emit_end_object(&j);
	emit_end_array(&j);
	emit_end_object(&j);
	return emit_close(&j) ? EXIT_FINE : EXIT_IO;
}

int command_devices(const options *o)
{
	if (!arguments_expected(o, 0))
		return EXIT_USAGE;
	if (o->json.count)
		return print_json(o);
	printf("cpu\n  threads   %zu\n  kernels   %s\n  features  %s\n  OpenBLAS  %s\n", resident_cpus(),
	       clast_cpu_isa(), clast_cpu_features(), *clast_blas() ? clast_blas() : "not in this build");
	return EXIT_FINE;
}
