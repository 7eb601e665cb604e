/* Imports any bytes as a model and as a single tensor, within small limits. */
#include <stdlib.h>

#include "import.h"
#include "tensor_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What every failure must have. */
static void check(clast_status status, const clast_diag *d)
{
	if (status && (d->status != status || !d->message[0] || status == CLAST_ERROR_INTERNAL))
		abort();
}

static void as_model(const uint8_t *bytes, size_t size)
{
	const clast_model_options options = {
		.struct_size = sizeof(options),
		.limits = { .memory_bytes = 64 << 20,
			    .nodes = 5000,
			    .tensor_bytes = 1 << 20,
			    .fold_bytes = 1 << 20 },
	};
	clast_model *m;
	clast_diag d = { 0 };
	clast_status status = model_create(&options, &m, &d);
	if (!status)
		status = import_memory(m, bytes, size, NULL, &d);
	check(status, &d);
	model_release(m);
}

static void as_tensor(const uint8_t *bytes, size_t size)
{
	mem memory;
	bump region;
	tensor_view v;
	const char *name;
	clast_diag d = { 0 };
	mem_init(&memory, NULL, 64 << 20);
	bump_init(&region, &memory);
	check(tensor_proto_parse(&region, NULL, bytes, size, &v, &name, &d), &d);
	bump_release(&region);
	if (memory.used_bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	as_model(bytes, size);
	as_tensor(bytes, size);
	return 0;
}
