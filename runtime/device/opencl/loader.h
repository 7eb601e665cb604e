/* The ICD loader, opened with dlopen when a device is first asked for. */
#ifndef CLAST_OPENCL_LOADER_H
#define CLAST_OPENCL_LOADER_H

#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "diag.h"

typedef struct opencl_api {
#define FUNCTION(name) __typeof__(&name) name;
#include "functions.def"
#undef FUNCTION
} opencl_api;

/* NULL with a message where there is no loader or it is too old. Never closed: drivers do not survive that. */
const opencl_api *opencl_load(clast_diag *d);

/* "CL_OUT_OF_RESOURCES" */
const char *opencl_error_name(cl_int e);
/* The status for an error of a driver, with a message; CLAST_OK for CL_SUCCESS. */
clast_status opencl_failed(cl_int e, const char *function, clast_diag *d);

#endif
