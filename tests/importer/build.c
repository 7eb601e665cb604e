#include "build.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

clast_status import_bytes(const void *bytes, size_t size, const clast_model_options *options, clast_model **m,
			  clast_diag *d)
{
	clast_status status = model_create(options, m, d);
	if (!status)
		status = import_memory(*m, bytes, size, options, d);
	if (status) {
		model_release(*m);
		*m = NULL;
	}
	return status;
}

clast_model *import_good(const file *f)
{
	clast_model *m;
	clast_diag d = { 0 };
	cr_assert_eq(f->depth, 0);
	const clast_status status = import_bytes(f->bytes, f->size, NULL, &m, &d);
	cr_assert_eq(status, CLAST_OK, "%s: %s", clast_status_name(status), d.message);
	return m;
}

void import_bad(const file *f, clast_status status, ...)
{
	clast_model *m;
	clast_diag d = { 0 };
	va_list list;
	cr_assert_eq(f->depth, 0);
	const clast_status found = import_bytes(f->bytes, f->size, NULL, &m, &d);
	cr_assert_eq(found, status, "expected %s, found %s: %s", clast_status_name(status),
		     clast_status_name(found), d.message);
	cr_assert_eq(d.status, status);
	va_start(list, status);
	for (const char *s; (s = va_arg(list, const char *));)
		cr_assert(strstr(d.message, s), "expected \"%s\" in: %s", s, d.message);
	va_end(list);
}

value_id find_id(const clast_model *m, const char *name)
{
	for (value_id v = 0; v < m->value_count; v++)
		if (!strcmp(m->values[v].name, name))
			return v;
	return NO_ID;
}

const value *find_value(const clast_model *m, const char *name)
{
	const value_id v = find_id(m, name);
	return v == NO_ID ? NULL : &m->values[v];
}
