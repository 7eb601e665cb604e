/* Stands in front of the library: a model file with "crash" in its path ends the process, one with "hang"
 * stops it. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clast/clast.h"

CLAST_API clast_status clast_model_load(const char *path, const clast_model_options *options,
					clast_model **model, clast_diag *diag)
{
	clast_status (*real)(const char *, const clast_model_options *, clast_model **, clast_diag *);
	void *symbol = dlsym(RTLD_NEXT, "clast_model_load");
	if (strstr(path, "crash"))
		abort();
	if (strstr(path, "quit"))
		_exit(7);
	while (strstr(path, "hang"))
		pause();
	memcpy(&real, &symbol, sizeof(real)); /* ISO C has no cast from object to function pointers */
	return real(path, options, model, diag);
}
