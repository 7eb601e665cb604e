/* clast devices: what this build and machine can use. */
#include <stdio.h>

#include "json.h"
#include "options.h"
#include "report.h"
#include "resident.h"

static int print_json(const options *o)
{
	json j;
	if (!json_open(&j, o))
		return EXIT_IO;
	json_object(&j, NULL);
	json_string(&j, "version", clast_version());
	json_array(&j, "devices");
	json_object(&j, NULL);
	json_string(&j, "name", "cpu");
	json_count(&j, "threads", resident_cpus());
	json_string(&j, "isa", clast_cpu_isa());
	json_string(&j, "features", clast_cpu_features());
	json_string(&j, "blas", *clast_blas() ? clast_blas() : NULL);
	json_end_object(&j);
	json_end_array(&j);
	json_end_object(&j);
	return json_close(&j) ? EXIT_FINE : EXIT_IO;
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
