/* Files: the model's own, and those that hold external data, which are confined to the model's folder.
 *
 * Locations come from the model and are not trusted: relative paths without "..", resolved by the kernel
 * beneath the model's folder without following any symbolic link (openat2, or component by component where
 * the kernel or a sandbox lacks it), and only regular files with a single name are opened: a hard link may
 * lead outside as a symbolic link does. Files are mapped read-only and privately. A file that is cut short
 * while it is mapped kills the process with SIGBUS: the caller must not let others change a model's files
 * while it is loaded. */
#ifndef CLAST_IMPORTER_EXTERNAL_H
#define CLAST_IMPORTER_EXTERNAL_H

#include <stdint.h>

#include "diag.h"
#include "map.h"

typedef struct mapped_file {
	const uint8_t *bytes; /* NULL if the file is empty */
	size_t size;
	size_t copied_bytes; /* of constants copied out of it */
	bool kept;           /* constants point into it */
	uint64_t device, inode;
} mapped_file;

/* Maps a whole regular file; symbolic links are followed. CLAST_ERROR_IO or CLAST_ERROR_LIMIT. */
clast_status file_map(const char *path, size_t limit_bytes, mapped_file *out, clast_diag *d);
void file_unmap(mapped_file *f);
/* Tells the kernel that a part is not needed any more. */
void file_forget(const mapped_file *f, size_t at, size_t size);

/* The folder of a model and the files in it that were mapped so far. */
typedef struct external_files {
	mem *m;
	const char *model_path; /* NULL: the model came from memory, external data is refused */
	size_t limit_bytes;     /* of a file */
	int folder;             /* descriptor, or -1 before the first use */
	bool no_openat2;        /* use the fallback; set by the first failure, or by tests */
	map names;              /* location to index; several may lead to one file */
	mapped_file *files;
	size_t count, capacity;
} external_files;

void external_init(external_files *x, mem *m, const char *model_path, size_t limit_bytes);
/* Unmaps every file that is not kept. */
void external_release(external_files *x);
/* The file at a location; mapped once. The pointer is valid until the next call.
 * CLAST_ERROR_MODEL for a location that is not allowed, CLAST_ERROR_IO, CLAST_ERROR_LIMIT. */
clast_status external_open(external_files *x, const char *location, mapped_file **out, clast_diag *d);

#endif
