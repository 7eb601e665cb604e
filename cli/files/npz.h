/* NumPy's .npz: a zip archive of .npy entries. */
#ifndef CLAST_CLI_NPZ_H
#define CLAST_CLI_NPZ_H

#include "tensor_file.h"

typedef struct npz npz; /* an open archive */

CLAST_MUST_CHECK clast_status npz_open(const char *path, npz **out, problem *p);
void npz_close(npz **archive);
size_t npz_count(const npz *archive);
/* The entry's name without ".npy", valid until npz_close; NULL for an entry that is no array. */
const char *npz_name(const npz *archive, size_t index);
/* The entry of this name; '/' in the name may be '_' in the archive. SIZE_MAX if there is none. */
size_t npz_find(const npz *archive, const char *name);
CLAST_MUST_CHECK clast_status npz_read(npz *archive, size_t index, clast_dtype expected, file_tensor *out,
				       problem *p);

CLAST_MUST_CHECK clast_status npz_write(const char *path, size_t count, const char *const *names,
					clast_tensor *const *tensors, problem *p);

#endif
