#include <criterion/criterion.h>
#include <string.h>

#include "op.h"

/* op_find halves the list: an operator out of order would not be found. */
Test(list, is_sorted_by_domain_and_name)
{
	for (size_t i = 0; i < op_count(); i++) {
		const op *o = op_at(i), *before = i ? op_at(i - 1) : NULL;
		const int domain = before ? strcmp(before->domain, o->domain) : -1;
		cr_expect(domain < 0 || (domain == 0 && strcmp(before->name, o->name) < 0),
			  "%s comes after %s", o->name, before->name);
		cr_expect_eq(op_find(o->domain, o->name), o, "%s is not found", o->name);
	}
}
